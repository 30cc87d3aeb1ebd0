"""Seats of payments officers over HTTP: kept, handed over, lost and rebuilt; nobody else ever comes onto one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.cli.directory import Changes
from services.cli.here import Here
from services.cli.staff import administrator, read_group_key
from services.client import seats
from services.client.errors import NotUnlocked, Problem
from services.client.seats import SeatName
from services.client.staff import StaffSession
from services.crypto import canonical
from services.crypto.age import HybridIdentity, HybridRecipient, seal
from services.crypto.canonical import b64, b64u
from services.crypto.errors import CryptoError, Refused
from services.crypto.padding import frame
from services.crypto.splits import BadSubShare, Split, open_share, parse_split, seal_share
from services.crypto.staffkeys import GroupKey, wrap_group_key
from tests.system.conftest import Server
from tests.system.test_keys import Team

KIND = "payments"
API = "/api/accounts/v1"


def seat(number: int) -> SeatName:
    return SeatName(number, KIND)


def officer(team: Team, name: str, role: str = KIND) -> StaffSession:
    """Somebody enrolled and certified for a role."""
    team.add(name, role)
    team.certify(name)
    return team.session(name)


@pytest.fixture(scope="module")
def team(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Three officers with the development keys of the payments seats, and sub-shares with the others."""
    made = Team(Here(server.url, server.var, None), tmp_path_factory.mktemp("team"))
    made.add("cert.one", "certifier")
    made.add("cert.two", "certifier")
    for i in (1, 2, 3):
        session = officer(made, f"pay.seat{i}")
        line = seat(i).line(session.key_directory())
        assert line is not None
        path = made.here.dev / f"keys/{KIND}-{i}-{line.epoch}.key"
        seats.keep(session, read_group_key(path))
        split = ("keys", "seat-split", i, "--kind", KIND, "--secrets", made.file(f"pay.seat{i}"))
        assert "2" in made.adal(*split)
    yield made
    for session in made.sessions:
        session.close()


def refused(status: int, session: StaffSession, method: str, path: str, body: object = None) -> None:
    with pytest.raises(Problem) as problem:
        session.call(method, f"{API}/{path}", body)
    assert problem.value.status == status


def forged(split: Split, holder: str, share: bytes, to: HybridRecipient) -> bytes:
    """A sub-share in the right form that is not the committed one."""
    document = {
        "holder": holder, "of": split.of, "share": b64u(share), "split": b64u(split.digest), "type": "key-share",
        "v": 1,
    }  # fmt: skip
    return seal(frame(canonical.dumps(document), 1024), [to])


def the_key(team: Team, name: str, number: int) -> GroupKey:
    (key,) = seats.held(team.session(name), seat(number))
    return key


def test_one_officer_sits_on_one_seat_and_no_custodian_on_any(team: Team):
    key, _ = seats.new_seat_key(seat(2), "2027H1")
    with pytest.raises(Problem) as second:
        seats.keep(team.session("pay.seat1"), key)
    assert second.value.status == 409
    custodian = officer(team, "pay.custodian", "custodian")
    with pytest.raises(Problem) as other_kind:
        seats.keep(custodian, key)
    assert other_kind.value.status == 409
    with pytest.raises(Problem) as other_way:
        seats.keep(team.session("pay.seat1"), seats.new_seat_key(SeatName(1), "2027H1")[0])
    assert other_way.value.status == 409


def test_nobody_but_a_payments_officer_is_given_the_key(team: Team):
    """The client refuses whoever is not certified for payments, and the server refuses the administrator who tries."""
    holder, key = team.session("pay.seat1"), the_key(team, "pay.seat1", 1)
    for name, role in (("pay.lead", "lead"), ("pay.investigator", "investigator")):
        officer(team, name, role)
        person = team.people[name]
        with pytest.raises(Refused):
            seats.hand_over(holder, seat(1), person.id)
        wrapped = b64(wrap_group_key(key, person.key.identity.recipient))
        with administrator(team.here, None) as session:
            refused(409, session, "PUT", f"staff/{person.id}/group-keys/{key.id}", {"data": wrapped})
    stranger = team.add("pay.uncertified", KIND)
    with pytest.raises(Refused):
        seats.hand_over(holder, seat(1), stranger.id)
    assert the_key(team, "pay.seat1", 1).id == key.id


def test_the_last_holder_does_not_drop_a_key_that_nobody_else_has(team: Team):
    session, key = team.session("pay.seat1"), the_key(team, "pay.seat1", 1)
    refused(409, session, "DELETE", f"me/group-keys/{key.id}")


def test_a_seat_is_handed_over_to_a_certified_officer(team: Team):
    before = the_key(team, "pay.seat1", 1)
    officer(team, "pay.next1")
    successor = team.people["pay.next1"].id
    words = ("--kind", KIND, "--to", successor, "--secrets", team.file("pay.seat1"))
    team.adal("keys", "seat-handover", 1, *words)
    after = the_key(team, "pay.next1", 1)
    assert (after.id, after.identity.seed) == (before.id, before.identity.seed)
    with pytest.raises(NotUnlocked):
        seats.held(team.session("pay.seat1"), seat(1))
    line = seat(1).line(team.session("pay.next1").key_directory())
    assert line is not None
    assert line.recipient == after.identity.recipient, "no report and no directory is touched"


def test_who_holds_no_payments_seat_releases_nothing(team: Team):
    """Neither a former holder nor a custodian with a seat of the same number gets or gives a sub-share."""
    officer(team, "pay.next2")
    successor = team.people["pay.next2"].id
    custodian = team.session("pay.custodian")
    epoch = the_key(team, "pay.next1", 1).id.partition("/")[2]
    seats.keep(custodian, read_group_key(team.here.dev / f"keys/seat-1-{epoch}.key"))
    for name in ("pay.seat1", "pay.custodian", "pay.lead"):
        session = team.session(name)
        assert [kept for kept in seats.splits(session, "payments-2/") if kept.held] == []
        for number in (1, 3):
            body = {"holder": f"payments-{number}/{epoch}", "to": successor, "data": b64(b"x")}
            refused(
                404,
                session,
                "PUT",
                f"released-shares/payments-2/{epoch}",
                body,
            )
    with pytest.raises(Refused):
        seats.recover_seat(team.session("pay.next2"), seat(2))


def test_a_holder_releases_to_a_certified_officer_only(team: Team):
    holder = team.session("pay.next1")
    for name in ("pay.uncertified", "pay.lead", "pay.custodian"):
        with pytest.raises((Refused, CryptoError)):
            seats.release_seat(holder, seat(2), team.people[name].id)
    (kept,) = seats.splits(holder, "payments-2/")
    split = parse_split(kept.document)
    (mine,) = kept.held
    share = open_share(kept.held[mine], the_key(team, "pay.next1", 1).identity, split, mine)
    person = team.people["pay.lead"]
    sealed = b64(seal_share(split, mine, share, person.key.identity.recipient))
    body = {"holder": mine, "to": person.id, "data": sealed}
    refused(409, holder, "PUT", f"released-shares/{split.of}", body)


def test_a_lost_seat_is_rebuilt_by_k_of_the_others(team: Team):
    """The officer of seat 2 is gone; both others release, and one alone is not enough."""
    lost = the_key(team, "pay.seat2", 2)
    successor = team.people["pay.next2"].id
    assert len(seats.release_seat(team.session("pay.next1"), seat(2), successor)) == 1
    with pytest.raises(Refused):
        seats.recover_seat(team.session("pay.next2"), seat(2))
    kind = ("--kind", KIND)
    words = ("--to", successor, "--secrets", team.file("pay.seat3"))
    team.adal("keys", "seat-release-subshare", 2, *kind, *words)
    team.adal("keys", "seat-recover", 2, *kind, "--secrets", team.file("pay.next2"))
    found = the_key(team, "pay.next2", 2)
    assert (found.id, found.identity.seed) == (lost.id, lost.identity.seed)
    assert found.signing is not None
    assert lost.signing is not None
    assert found.signing.verify_key == lost.signing.verify_key


def test_a_swapped_sub_share_does_not_count(team: Team):
    """A server, or a holder, that releases another share than the committed one rebuilds nothing."""
    officer(team, "pay.next3")
    person = team.people["pay.next3"]
    seats.release_seat(team.session("pay.next1"), seat(3), person.id)
    liar = team.session("pay.next2")
    (kept,) = seats.splits(liar, "payments-3/")
    split = parse_split(kept.document)
    (mine,) = kept.held
    share = open_share(kept.held[mine], the_key(team, "pay.next2", 2).identity, split, mine)
    wrong = bytes([share[0] ^ 1]) + share[1:]
    with pytest.raises(BadSubShare):
        seal_share(split, mine, wrong, person.key.identity.recipient)
    for sealed in (
        forged(split, mine, wrong, person.key.identity.recipient),
        seal_share(split, mine, share, HybridIdentity.generate().recipient),
    ):
        body = {"holder": mine, "to": person.id, "data": b64(sealed)}
        liar.call("PUT", f"{API}/released-shares/{split.of}", body)
        with pytest.raises(Refused):
            seats.recover_seat(team.session("pay.next3"), seat(3))
    seats.release_seat(liar, seat(3), person.id)
    assert seats.recover_seat(team.session("pay.next3"), seat(3)) == [split.of]


def test_a_new_half_year_keeps_the_keys_of_before(team: Team):
    key, line = seats.new_seat_key(seat(1), "2027H2")
    seats.keep(team.session("pay.next1"), key)
    team.publish(Changes(payments=[line], valid_from=datetime.now(UTC) - timedelta(minutes=1)))
    session = team.session("pay.next1")
    assert seat(1).line(session.key_directory()) == line
    assert len(seats.held(session, seat(1))) == 2
    assert seats.split_seat(session, seat(1)) == 2


def test_a_custodian_seat_s_key_on_a_payments_seat_is_no_directory(team: Team, tmp_path: Path):
    _, line = seats.new_seat_key(seat(2), "2027H2")
    taken = SeatName(1).line(team.session("pay.next1").key_directory())
    assert taken is not None
    swapped = type(line)(line.seat, taken.recipient, line.epoch, line.verify_key)
    with pytest.raises((Refused, CryptoError)):
        team.publish(Changes(payments=[swapped]))
