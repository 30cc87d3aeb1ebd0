"""Documents of an opening: what holds, and every way in which somebody could try to get a share without k custodians."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import custody
from services.crypto.age import HybridIdentity, seal, stanza_types
from services.crypto.canonical import b64u, dumps
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.custody import (
    CheckedRequest,
    Decision,
    IdentityRequest,
    Undertaking,
    approvals,
    check_decision,
    check_request,
    check_undertaking,
    make_decision,
    make_request,
    make_undertaking,
    open_reason,
    open_release,
    request_leaf,
    require_approvals,
    seal_reason,
    seal_release,
)
from services.crypto.directories import Directory, parse_directory
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused, WrongKey
from services.crypto.packages import SMALL_FILE
from services.crypto.padding import frame
from services.crypto.promises import leaf_hash
from services.crypto.shares import Seat, open_share
from services.crypto.signatures import Signed, sign_document
from tests.crypto.builders import (
    NOW,
    TODAY,
    directory_body,
    identity,
    other,
    sealed,
    seat_of,
    seed,
    signed_directory,
    signer,
    world,
)

PEOPLE = {
    name: f"00000000-0000-4000-8000-00000000000{i}" for i, name in enumerate(("asker", "c1", "c2", "c3", "x"))
}
IDS = [f"10000000-0000-4000-8000-00000000000{i}" for i in range(10)]
REASON = "Тергеуші хабарлаушыдан жауап алуы керек."


@cache
def certificate(name: str, *roles: str, certifiers: tuple[int, ...] = (1, 2), **changes: Any) -> Signed:
    """The certificate of somebody invented, whose keys are named after them."""
    cert = Certificate(
        person=PEOPLE[name],
        roles=tuple(sorted(roles)),
        recipient=identity(f"staff {name}").recipient,
        verify_key=signer(f"staff {name}").verify_key,
        valid_from=date(2026, 11, 1),
        valid_until=date(2027, 4, 30),
    )
    return make_certificate(replace(cert, **changes), [signer(f"certifier {i}") for i in certifiers])


def reason(number: int = 0) -> tuple[bytes, ...]:
    return _reason(number)


@cache
def _reason(number: int) -> tuple[bytes, ...]:
    return tuple(seal_reason(REASON, IDS[number], sealed().rid, world().directory.seats))


def request(number: int = 0, **changes: Any) -> IdentityRequest:
    made = IdentityRequest(
        id=IDS[number],
        rid=sealed().rid,
        ground="pre-trial",
        reason=tuple(sha256(data).digest() for data in reason(number)),
        asker=certificate("asker", "investigator"),
        deferral=date(2026, 12, 31),
        expires=NOW + timedelta(days=7),
        dir_seq=1,
    )
    return replace(made, **changes)


def signed(number: int = 0, key: str = "staff asker", **changes: Any) -> Signed:
    return make_request(request(number, **changes), signer(key))


def checked(number: int = 0, **changes: Any) -> CheckedRequest:
    return check_request(signed(number, **changes), world().directory, NOW)


def decision(
    seat: int, who: str | None = None, asked: CheckedRequest | None = None, **changes: Any
) -> Decision:
    asked = asked or checked()
    made = Decision(
        request=asked.digest,
        seat=seat,
        approve=True,
        deferral=asked.request.deferral,
        dir_seq=1,
        custodian=certificate(who or f"c{seat}", "custodian"),
    )
    return replace(made, **changes)


def decided(seat: int, who: str | None = None, keys: tuple[str, ...] | None = None, **changes: Any) -> Signed:
    """A decision signed by its seat and by its holder, unless other keys are named."""
    names = keys or (f"seat {seat}", f"staff {who or f'c{seat}'}")
    body = decision(seat, who, **changes).to_json()
    return sign_document("identity-decision", body, [signer(name) for name in names])


def share(seat: int) -> bytes:
    return open_share(sealed().shares[seat - 1].data, world().seats[seat - 1], seat, sealed().manifest)


def asker_key() -> HybridIdentity:
    return identity("staff asker")


def refused(doc: Signed, directory: Directory | None = None, now: Any = NOW) -> type[CryptoError] | None:
    """How a request is refused; None if it is not."""
    try:
        check_request(doc, directory or world().directory, now)
    except CryptoError as error:
        return type(error)
    return None


# --- requests


def test_a_request_that_a_certified_asker_signed_holds() -> None:
    found = check_request(
        Signed.from_json(json.loads(json.dumps(signed().to_json()))), world().directory, NOW
    )
    assert found.request == request()
    assert found.digest == signed().digest
    assert found.asker.person == PEOPLE["asker"]


@pytest.mark.parametrize("role", ["desk", "lead", "investigator"])
def test_desk_lead_and_investigator_may_ask(role: str) -> None:
    assert refused(signed(asker=certificate("asker", role))) is None


REQUEST_ATTACKS: dict[str, tuple[type[CryptoError], Callable[[], Signed]]] = {
    "signed by somebody else": (BadSignature, lambda: signed(key="staff x")),
    "the asker's certificate swapped for another's": (
        BadSignature, lambda: Signed(
            {**signed().body, "asker": certificate("x", "investigator").to_json()}, signed().signatures
        ),
    ),
    "the asker's keys swapped inside the certificate": (
        BadSignature, lambda: signed(
            key="staff x",
            asker=replace(
                certificate("asker", "investigator"), body=certificate("x", "investigator", person=PEOPLE["asker"]).body
            ),
        ),
    ),
    "certified by one certifier": (
        BadSignature, lambda: signed(asker=certificate("asker", "investigator", certifiers=(1,)))
    ),
    "certified twice by one certifier": (
        BadSignature, lambda: signed(asker=certificate("asker", "investigator", certifiers=(1, 1)))
    ),
    "an administrator asks": (Refused, lambda: signed(asker=certificate("asker", "administrator"))),
    "a custodian asks": (Refused, lambda: signed(asker=certificate("asker", "custodian", "investigator"))),
    "the certificate is over": (
        Refused, lambda: signed(asker=certificate("asker", "investigator", valid_until=date(2026, 11, 2)))
    ),
    "expired": (Refused, lambda: signed(expires=NOW)),
    "open for longer than 14 days": (Refused, lambda: signed(expires=NOW + timedelta(days=14, seconds=1))),
    "of a later directory": (Refused, lambda: signed(dir_seq=2)),
    "body changed after signing": (
        BadSignature, lambda: Signed({**signed().body, "ground": "court"}, signed().signatures)
    ),
    "signed as another type": (
        BadSignature, lambda: sign_document("undertaking", signed().body, [signer("staff asker")])
    ),
    "no signature": (BadSignature, lambda: Signed(signed().body, ())),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUEST_ATTACKS)
def test_a_request_is_refused_when(name: str) -> None:
    error, make = REQUEST_ATTACKS[name]
    assert refused(make()) is error


def test_a_request_lapses_at_its_instant_and_may_then_only_be_looked_at() -> None:
    doc, end = signed(), request().expires
    assert refused(doc, now=end - timedelta(seconds=1)) is None
    assert refused(doc, now=end) is Refused
    assert check_request(doc, world().directory, end, lapsed=True).digest == doc.digest


MALFORMED: dict[str, dict[str, Any]] = {
    "member too many": {"extra": 1},
    "another version": {"v": 2},
    "version is true": {"v": True},
    "no reason": {"reason": []},
    "one reason twice": {"reason": [b64u(bytes(32))] * 2},
    "too many reasons": {"reason": [b64u(seed(str(i))) for i in range(33)]},
    "rid too short": {"rid": b64u(bytes(31))},
    "id in capitals": {"id": "ABCDEF00-0000-4000-8000-000000000000"},
    "id is no uuid": {"id": "x" * 36},
    "ground is no code": {"ground": "a b"},
    "deferral is no day": {"deferral": "2026-02-30"},
    "expiry with a fraction": {"expires": "2026-11-30T00:00:00.5Z"},
    "sequence zero": {"dir_seq": 0},
    "asker is no document": {"asker": {}},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_refused_even_when_signed(name: str) -> None:
    body = {**signed().body, **MALFORMED[name]}
    assert refused(sign_document("identity-request", body, [signer("staff asker")])) is FormatError


@pytest.mark.parametrize("member", sorted(request().to_json()))
def test_a_request_without_a_member_is_refused(member: str) -> None:
    body = {name: value for name, value in signed().body.items() if name != member}
    with pytest.raises(FormatError):
        IdentityRequest.from_json(body)


def test_the_leaf_is_made_from_the_request_itself() -> None:
    asked, salt = checked(), seed("salt")
    record = {
        "day": "2026-11-24", "request": b64u(asked.digest), "rid": b64u(asked.request.rid),
        "type": "identity-request", "v": 1,
    }  # fmt: skip
    assert request_leaf(asked, TODAY, salt) == leaf_hash(salt, dumps(record))
    others = {
        request_leaf(asked, TODAY, seed("other salt")),
        request_leaf(asked, TODAY + timedelta(days=1), salt),
        request_leaf(checked(1), TODAY, salt),
        request_leaf(checked(rid=other().rid), TODAY, salt),
    }
    assert len(others | {request_leaf(asked, TODAY, salt)}) == 5


# --- the reason


def test_every_seat_reads_the_reason_and_nobody_else() -> None:
    for seat in world().seats:
        assert open_reason(reason(), seat, request()) == REASON
    for stranger in (identity("desk"), asker_key(), identity("payments 1")):
        with pytest.raises(WrongKey):
            open_reason(reason(), stranger, request())


@pytest.mark.parametrize(("seats", "files"), [(3, [3]), (8, [8]), (9, [8, 1]), (17, [8, 8, 1])])
def test_a_file_has_at_most_eight_readers(seats: int, files: list[int]) -> None:
    many = [replace(seat_of("many", i), seat=i) for i in range(1, seats + 1)]
    made = seal_reason(REASON, IDS[0], sealed().rid, many)
    assert [len(stanza_types(data)) for data in made] == files
    asked = request(reason=tuple(sha256(data).digest() for data in made))
    assert open_reason(made, identity(f"many {seats}"), asked) == REASON


def test_reasons_of_other_requests_are_refused() -> None:
    seat, moved = world().seats[0], request(1, reason=request().reason)
    with pytest.raises(Refused):
        open_reason(reason(1), seat, request())
    with pytest.raises(Refused):
        open_reason(reason(), seat, moved)
    with pytest.raises(Refused):
        open_reason(reason(), seat, request(rid=other().rid))
    with pytest.raises(Refused):
        open_reason([*reason(), *reason(1)], seat, request())


def test_the_size_of_a_reason_tells_no_length_of_a_word() -> None:
    short, long = (seal_reason("x" * n, IDS[0], sealed().rid, world().directory.seats)[0] for n in (1, 3000))
    assert len(short) == len(long)


@pytest.mark.parametrize("text", ["", "x" * 20_001])
def test_an_empty_or_endless_reason_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        seal_reason(text, IDS[0], sealed().rid, world().directory.seats)


# --- decisions


def check(doc: Signed, asked: CheckedRequest | None = None) -> Any:
    return check_decision(doc, asked or checked(), world().directory, TODAY)


@pytest.mark.parametrize("approve", [True, False])
def test_a_decision_of_seat_and_holder_holds(approve: bool) -> None:
    doc = decided(2, approve=approve)
    found = check(Signed.from_json(json.loads(json.dumps(doc.to_json()))))
    assert (found.decision.approve, found.decision.seat, found.person) == (approve, 2, PEOPLE["c2"])


def test_making_a_decision_signs_with_both_keys() -> None:
    doc = make_decision(decision(1), signer("seat 1"), signer("staff c1"))
    assert {key for key, _ in doc.signatures} == {signer("seat 1").verify_key, signer("staff c1").verify_key}
    assert check(doc).decision == decision(1)


def test_a_refusal_need_not_repeat_the_deferral() -> None:
    assert not check(decided(1, approve=False, deferral=None)).decision.approve


DECISION_ATTACKS: dict[str, tuple[type[CryptoError], Callable[[], Signed]]] = {
    "not signed by the seat": (BadSignature, lambda: decided(1, keys=("staff c1",))),
    "not signed by the holder": (BadSignature, lambda: decided(1, keys=("seat 1",))),
    "signed by another seat": (BadSignature, lambda: decided(1, keys=("seat 2", "staff c1"))),
    "signed by a payments seat": (BadSignature, lambda: decided(1, keys=("payments 1", "staff c1"))),
    "signed by somebody else": (BadSignature, lambda: decided(1, keys=("seat 1", "staff c2"))),
    "the holder is certified by one certifier": (
        BadSignature, lambda: decided(1, custodian=certificate("c1", "custodian", certifiers=(2,)))
    ),
    "the holder is no custodian": (Refused, lambda: decided(1, custodian=certificate("c1", "auditor"))),
    "the holder is an investigator too": (
        Refused, lambda: decided(1, custodian=certificate("c1", "custodian", "investigator"))
    ),
    "there is no such seat": (Refused, lambda: decided(4, who="c1", keys=("seat 4", "staff c1"))),
    "about another request": (Refused, lambda: decided(1, request=checked(1).digest)),
    "another deferral": (Refused, lambda: decided(1, deferral=date(2027, 1, 1))),
    "no deferral": (Refused, lambda: decided(1, deferral=None)),
    "of a later directory": (Refused, lambda: decided(1, dir_seq=2)),
    "by the asker": (
        Refused, lambda: decided(1, custodian=certificate("c1", "custodian", person=PEOPLE["asker"]))
    ),
    "turned round after signing": (
        BadSignature, lambda: Signed({**decided(1, approve=False).body, "decision": "approve"}, decided(1).signatures[:1])
    ),
    "neither yes nor no": (
        FormatError, lambda: sign_document("identity-decision", {**decision(1).to_json(), "decision": "maybe"}, [])
    ),
    "member too many": (
        FormatError, lambda: sign_document("identity-decision", {**decision(1).to_json(), "x": 1}, [])
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DECISION_ATTACKS)
def test_a_decision_does_not_count_when(name: str) -> None:
    error, make = DECISION_ATTACKS[name]
    with pytest.raises(error):
        check(make())
    assert approvals([make()], checked(), world().directory, TODAY) == ()


def required(*docs: Signed, k: int = 2, directory: Directory | None = None) -> int:
    return len(require_approvals(docs, checked(), directory or world().directory, TODAY, k))


def test_k_approvals_of_different_seats_are_needed() -> None:
    assert required(decided(1), decided(3)) == 2
    for too_few in ((), (decided(1),), (decided(1), decided(2, approve=False))):
        with pytest.raises(Refused):
            required(*too_few)


def test_one_seat_or_one_person_counts_once() -> None:
    again = decided(1, who="c2", keys=("seat 1", "staff c2"))
    both = decided(2, who="c1", keys=("seat 2", "staff c1"))
    for docs in ((decided(1), decided(1)), (decided(1), again), (decided(1), both)):
        with pytest.raises(Refused):
            required(*docs)


def test_the_larger_of_both_thresholds_holds() -> None:
    with pytest.raises(Refused):
        required(decided(1), decided(2), k=3)
    stricter = parse_directory(signed_directory(directory_body(k=3)))
    with pytest.raises(Refused):
        required(decided(1), decided(2), directory=stricter)
    assert required(decided(1), decided(2), decided(3), directory=stricter) == 3


def test_the_seat_keys_are_those_of_the_checker_s_own_directory() -> None:
    fresh = [
        Seat(i, identity(f"new {i}").recipient, "2027H1", signer(f"new {i}").verify_key) for i in (1, 2, 3)
    ]
    later = parse_directory(signed_directory(directory_body(seats=fresh)))
    with pytest.raises(Refused):
        required(decided(1), decided(2), directory=later)
    signed_anew = [decided(i, keys=(f"new {i}", f"staff c{i}")) for i in (1, 2)]
    assert required(*signed_anew, directory=later) == 2


def test_garbage_among_the_decisions_changes_nothing() -> None:
    junk = Signed({"v": 1}, ())
    assert required(junk, decided(1), junk, decided(2, keys=("seat 2",)), decided(3)) == 2


# --- releases


def released(seat: int = 1, number: int = 0, key: str | None = None) -> bytes:
    return seal_release(checked(number), seat, share(seat), signer(key or f"seat {seat}"))


def opened(data: bytes, seat: int = 1, number: int = 0, holder: HybridIdentity | None = None) -> bytes:
    keys = {world().directory.seats[seat - 1].verify_key}
    return open_release(data, holder or asker_key(), checked(number), seat, keys)


def test_a_release_gives_the_share_to_the_asker_and_has_one_size() -> None:
    assert opened(released()) == share(1)
    assert {len(released(seat)) for seat in (1, 2, 3)} == {SMALL_FILE}


def test_nobody_but_the_asker_opens_a_release() -> None:
    for stranger in (*world().seats, identity("desk"), identity("staff x")):
        with pytest.raises(WrongKey):
            opened(released(), holder=stranger)


def test_a_replayed_or_moved_release_is_refused() -> None:
    with pytest.raises(Refused):
        opened(released(number=1), number=0)
    with pytest.raises(BadSignature):
        opened(released(2), seat=1)
    with pytest.raises(BadSignature):
        opened(released(1, key="seat 2"), seat=1)
    with pytest.raises(BadSignature):
        opened(released(1, key="staff asker"), seat=1)


def test_a_seat_cannot_speak_for_another() -> None:
    keys = {seat.verify_key for seat in world().directory.seats}
    with pytest.raises(Refused):
        open_release(released(2), asker_key(), checked(), 1, keys)


def test_a_release_of_another_length_or_padding_is_refused() -> None:
    body = {
        "request": b64u(checked().digest),
        "rid": b64u(sealed().rid),
        "seat": 1,
        "share": b64u(bytes(32)),
        "v": 1,
    }
    doc = sign_document("identity-release", body, [signer("seat 1")])
    short = seal(frame(dumps(doc.to_json()), 4096), [asker_key().recipient])
    unpadded = seal(frame(dumps(doc.to_json()), 5120), [asker_key().recipient])
    for data in (short, unpadded):
        with pytest.raises(FormatError):
            opened(data)


def test_shares_released_for_one_report_open_nothing_of_another() -> None:
    with pytest.raises(Refused):
        open_share(other().shares[0].data, world().seats[0], 1, sealed().manifest)


# --- the undertaking


def undertaken(key: str = "staff asker", **changes: Any) -> Signed:
    asked = checked()
    made = Undertaking(PEOPLE["asker"], TODAY, asked.digest, asked.request.rid, "2026-11")
    return make_undertaking(replace(made, **changes), signer(key))


def test_an_undertaking_of_the_asker_holds() -> None:
    found = check_undertaking(Signed.from_json(undertaken().to_json()), checked())
    assert (found.person, found.day, found.text) == (PEOPLE["asker"], TODAY, "2026-11")


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (BadSignature, {"key": "staff x"}),
        (Refused, {"person": PEOPLE["x"]}),
        (Refused, {"request": seed("another")}),
        (Refused, {"rid": seed("another")}),
    ],
)
def test_an_undertaking_for_something_else_is_refused(
    error: type[CryptoError], arguments: dict[str, Any]
) -> None:
    with pytest.raises(error):
        check_undertaking(undertaken(**arguments), checked())


# --- parsers


ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 300), st.text(max_size=40), st.just(b64u(bytes(32)))
)
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)
PARSERS: dict[str, tuple[Callable[[Any], Any], Callable[[], dict[str, Any]]]] = {
    "request": (IdentityRequest.from_json, lambda: request().to_json()),
    "decision": (Decision.from_json, lambda: decision(1).to_json()),
    "undertaking": (Undertaking.from_json, lambda: undertaken().body),
}


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_parsers_know_no_other_error_than_their_own(name: str, data: st.DataObject) -> None:
    parse, make = PARSERS[name]
    good = make()
    member = data.draw(st.sampled_from(sorted(good)))
    body = {**good, member: data.draw(VALUES)}
    try:
        found = parse(body)
    except FormatError:
        return
    assert found.to_json() == body


def test_what_is_parsed_is_what_was_written() -> None:
    for parse, make in PARSERS.values():
        assert parse(make()).to_json() == make()
    assert timedelta(days=14) == custody.LONGEST
