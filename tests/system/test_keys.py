"""Keys from hand to hand over HTTP, against a separately started server: certified, split, handed over, lost, rebuilt.

The server is real, so everything an insider there could try is tried through it: the tests answer as a server that
swapped a key, and call its API as an administrator would.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from services.cli.directory import Changes, next_body
from services.cli.here import Here
from services.cli.keys import sign_body
from services.cli.staff import NewColleague, administrator, enrol_with_keys, read_group_key, signing_key
from services.client import keys, seats
from services.client.errors import NotUnlocked, Problem
from services.client.seats import SeatName
from services.client.staff import StaffSession
from services.crypto.canonical import b64u
from services.crypto.certificates import Certificate, fingerprint, make_certificate
from services.crypto.errors import BadSignature, Refused
from services.crypto.manifests import Manifest
from services.crypto.shares import combine, open_share
from services.crypto.signatures import Signed, SigningKey
from services.crypto.staffkeys import GroupKey, StaffKey, new_passphrase
from services.kit.files import write_private
from services.kit.postgres import ensure_cluster
from tests.cli.conftest import run_command
from tests.system.conftest import Server
from tests.system.office import new_report


class Team:
    """Invented staff by name, enrolled but certified by nobody yet."""

    def __init__(self, here: Here, folder: Path) -> None:
        self.here, self.folder = here, folder
        self.people: dict[str, NewColleague] = {}
        self.roles: dict[str, list[str]] = {}
        self.sessions: list[StaffSession] = []

    def add(self, name: str, *roles: str) -> NewColleague:
        with administrator(self.here, None) as session:
            _, enrolment = session.add_staff(name, f"Invented {name}", list(roles))
        made = enrol_with_keys(self.here, name, enrolment)
        self.people[name], self.roles[name] = made, list(roles)
        names = ("login", "password", "totp_secret", "passphrase")
        write_private(self.file(name), json.dumps({one: getattr(made, one) for one in names}).encode())
        return made

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def session(self, name: str) -> StaffSession:
        who, roots = self.people[name], self.here.roots()
        session = StaffSession(self.here.url, roots, memory=self.here.memory(roots))
        self.sessions.append(session)
        session.sign_in(who.login, who.password)
        session.unlock(who.passphrase)
        return session

    def certifier_key(self, number: int) -> SigningKey:
        return signing_key(self.here.dev / f"keys/certifier-{number}.key")

    def heard(self, name: str) -> str:
        """What the person reads out: from their own key."""
        key = self.people[name].key
        return fingerprint(key.identity.recipient, key.signing.verify_key)

    def certify(self, name: str, heard: str | None = None) -> Certificate:
        who, spoken = self.people[name].id, heard or self.heard(name)
        first, second = self.session("cert.one"), self.session("cert.two")
        keys.propose(first, keys.person_keys(first, who), self.certifier_key(1), spoken, self.roles[name])
        return keys.complete(
            second, keys.person_keys(second, who), self.certifier_key(2), spoken, self.roles[name]
        )

    def new_key(self, name: str) -> None:
        """The person lost the passphrase and makes new keys."""
        who = self.people[name]
        key, passphrase = StaffKey.generate(), new_passphrase()
        session = self.session(name)
        session.put_key(key, passphrase, replace=True)
        self.people[name] = NewColleague(who.id, who.login, who.password, who.totp_secret, passphrase, key)

    def publish(self, changes: Changes) -> None:
        """The next directory, signed by two roots."""
        with administrator(self.here, None) as session:
            body = next_body(session.key_directory(), changes)
            roots = [signing_key(self.here.dev / f"keys/root-{i}.key") for i in (1, 3)]
            session.publish_directory(sign_body(body, roots, self.here.roots()))

    def adal(self, *words: object, typed: str = "") -> str:
        done = run_command("--url", self.here.url, "--var", self.here.var, *words, typed=typed)
        assert done.code == 0, done.text
        return done.out


@pytest.fixture(scope="module")
def team(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    made = Team(Here(server.url, server.var, None), tmp_path_factory.mktemp("team"))
    made.add("cert.one", "certifier")
    made.add("cert.two", "certifier")
    yield made
    for session in made.sessions:
        session.close()


# --- certificates


def test_two_certifiers_at_the_command_line_put_a_key_in_force(team: Team):
    person = team.add("kz.first", "investigator").id
    shown = team.adal("keys", "fingerprint", "--secrets", team.file("kz.first"))
    assert team.heard("kz.first") in shown
    words = ["--fingerprint", team.heard("kz.first"), "--role", "investigator"]
    key = team.here.dev / "keys"
    one = ["--key", key / "certifier-1.key", "--secrets", team.file("cert.one")]
    two = ["--key", key / "certifier-2.key", "--secrets", team.file("cert.two")]
    team.adal("keys", "certify", person, *words, *one)
    with pytest.raises(Refused):
        keys.certified(team.session("cert.one"), person, {"investigator"})
    team.adal("keys", "cosign", person, *two, typed=f"yes\n{team.heard('kz.first')}\n")
    found = keys.certified(team.session("cert.one"), person, {"investigator"})
    assert found.recipient == team.people["kz.first"].key.identity.recipient


def test_what_the_server_swaps_is_not_signed(team: Team):
    """The server shows another key than the person reads out: both certifiers refuse."""
    person = team.add("kz.swapped", "investigator").id
    session, other = team.session("cert.one"), StaffKey.generate()
    true = keys.person_keys(session, person)
    swapped = keys.PersonKeys(
        person, true.name, true.roles, other.identity.recipient, other.signing.verify_key, None, None
    )
    with pytest.raises(Refused):
        keys.propose(session, swapped, team.certifier_key(1), team.heard("kz.swapped"), ["investigator"])
    keys.propose(session, true, team.certifier_key(1), team.heard("kz.swapped"), ["investigator"])
    pending = keys.person_keys(session, person).pending
    late = keys.PersonKeys(
        person, true.name, true.roles, other.identity.recipient, other.signing.verify_key, None, pending
    )
    heard = fingerprint(other.identity.recipient, other.signing.verify_key)
    for spoken in (team.heard("kz.swapped"), heard):
        with pytest.raises(Refused):
            keys.complete(team.session("cert.two"), late, team.certifier_key(2), spoken, ["investigator"])


def test_a_proposal_of_another_body_is_not_completed(team: Team):
    person = team.add("kz.body", "investigator").id
    session = team.session("cert.two")
    shown = keys.person_keys(session, person)
    for roles, days in ((("custodian",), 30), (("investigator",), 4000)):
        today = session.today()
        body = Certificate(
            person, roles, shown.recipient, shown.verify_key, today, today + timedelta(days=days)
        )
        forged = make_certificate(body, [team.certifier_key(1)])
        with pytest.raises(Refused):
            keys.complete(
                session, _with_pending(shown, forged), team.certifier_key(2), team.heard("kz.body"), ["investigator"]
            )  # fmt: skip


def _with_pending(found: keys.PersonKeys, pending: Signed) -> keys.PersonKeys:
    return keys.PersonKeys(
        found.id, found.name, found.roles, found.recipient, found.verify_key, None, pending
    )


def test_one_certifier_never_counts_twice(team: Team):
    person = team.add("kz.twice", "investigator").id
    session = team.session("cert.one")
    shown = keys.person_keys(session, person)
    key, heard = team.certifier_key(1), team.heard("kz.twice")
    keys.propose(session, shown, key, heard, ["investigator"])
    with pytest.raises(Refused):
        keys.complete(session, keys.person_keys(session, person), key, heard, ["investigator"])
    # With both keys in one hand the server still asks for two people.
    with pytest.raises(Problem) as same:
        keys.complete(
            session, keys.person_keys(session, person), team.certifier_key(2), heard, ["investigator"]
        )
    assert same.value.status == 409


def test_nobody_vouches_for_oneself_and_no_stranger_for_anybody(team: Team):
    session = team.session("cert.one")
    me = team.people["cert.one"].id
    with pytest.raises(Problem) as own:
        keys.propose(
            session, keys.person_keys(session, me), team.certifier_key(1), team.heard("cert.one"), ["certifier"]
        )  # fmt: skip
    assert own.value.status == 409
    person = team.add("kz.stranger", "investigator").id
    shown = keys.person_keys(session, person)
    with pytest.raises(Refused):
        keys.propose(session, shown, SigningKey.generate(), team.heard("kz.stranger"), ["investigator"])


def test_a_certificate_of_one_administrator_is_refused_by_every_client(team: Team):
    who = team.add("kz.admin", "investigator")
    mine = [SigningKey.generate(), SigningKey.generate()]
    today = datetime.now(UTC).date()
    body = Certificate(
        who.id, ("investigator",), who.key.identity.recipient, who.key.signing.verify_key, today, today
    )
    with administrator(team.here, None) as session:
        session.put_certificate(who.id, make_certificate(body, mine))
        with pytest.raises(BadSignature):
            keys.certified(session, who.id, {"investigator"})


def test_new_keys_end_the_certificate(team: Team):
    team.add("kz.new", "investigator")
    team.certify("kz.new")
    person = team.people["kz.new"].id
    with pytest.raises(Problem) as silent:
        team.session("kz.new").put_key(StaffKey.generate(), new_passphrase())
    assert silent.value.status == 409
    team.new_key("kz.new")
    with pytest.raises(Refused):
        keys.certified(team.session("cert.one"), person, {"investigator"})
    assert team.certify("kz.new").recipient == team.people["kz.new"].key.identity.recipient


def test_certified_roles_count_not_those_that_the_server_shows(team: Team):
    team.add("kz.roles", "investigator")
    made = team.certify("kz.roles")
    assert made.roles == ("investigator",)
    with pytest.raises(Refused):
        keys.certified(team.session("cert.one"), made.person, {"lead", "custodian"})


def test_a_certificate_stands_in_the_log_once(team: Team):
    team.add("kz.logged", "investigator")
    team.certify("kz.logged")
    session = team.session("cert.two")
    document = keys.person_keys(session, team.people["kz.logged"].id).certificate
    assert document is not None
    keys.log(session, document)
    with pytest.raises(Problem) as forged:
        keys.log(session, Signed(document.body, document.signatures[:1]))
    assert forged.value.status == 422
    with (
        ensure_cluster(team.here.var / "postgres") as cluster,
        psycopg.connect(cluster.superuser_conninfo("adal"), autocommit=True) as conn,
    ):
        records = [
            json.loads(row[0]) for row in conn.execute("SELECT record FROM intake.log_records").fetchall()
        ]
    mine = [record for record in records if record.get("certificate") == b64u(document.digest)]
    assert [record["type"] for record in mine] == ["certificate"]


# --- desk months


def test_a_month_s_key_reaches_certified_members_only_and_is_destroyed(team: Team, tmp_path: Path):
    for name, role in (("kz.lead", "lead"), ("kz.desk", "desk")):
        team.add(name, role)
        team.certify(name)
    team.add("kz.uncertified", "desk")
    shown = run_command(
        "--url", team.here.url, "--var", team.here.var, "keys", "desk-month", "2026-01", "--line",
        tmp_path / "line.json", "--secrets", team.file("kz.lead"),
    )  # fmt: skip
    assert shown.code == 0, shown.text
    assert "Invented kz.uncertified" in shown.err
    assert "central/2026-01" in [key.id for key in team.session("kz.desk").unlocked.groups]
    assert "central/2026-01" not in [key.id for key in team.session("kz.uncertified").unlocked.groups]
    lead = team.session("kz.lead")
    with pytest.raises(Problem) as early:
        lead.call("DELETE", f"/api/accounts/v1/group-keys/central/{lead.today():%Y-%m}")
    assert early.value.status == 409
    team.adal("keys", "desk-destroy", "2026-01", "--secrets", team.file("kz.lead"))
    assert "central/2026-01" not in [key.id for key in team.session("kz.desk").unlocked.groups]


def test_a_month_with_reports_is_counted(team: Team):
    with team.here.reporter() as reporter:
        reporter.file_sealed(new_report(reporter, "months"))
    lead = team.session("kz.lead")
    assert keys.grants_of_month(lead, "central", f"{lead.key_directory().desks[-1].month}") >= 1
    with pytest.raises(Refused):
        keys.destroy_month(lead, "central", f"{lead.today():%Y-%m}")


# --- seats


@pytest.fixture(scope="module")
def custodians(team: Team) -> Team:
    """Three certified custodians, each with the development key of a seat, and sub-shares with the others."""
    for i in (1, 2, 3):
        name = f"kz.seat{i}"
        team.add(name, "custodian")
        team.certify(name)
        session = team.session(name)
        line = SeatName(i).line(session.key_directory())
        assert line is not None
        seats.keep(session, read_group_key(team.here.dev / f"keys/seat-{i}-{line.epoch}.key"))
        assert seats.split_seat(team.session(name), SeatName(i)) == 2
    return team


def test_one_person_sits_on_one_seat(custodians: Team):
    session = custodians.session("kz.seat1")
    key, _ = seats.new_seat_key(SeatName(2), "2027H1")
    with pytest.raises(Problem) as second:
        seats.keep(session, key)
    assert second.value.status == 409


def test_a_seat_is_handed_over_to_a_certified_custodian_only(custodians: Team):
    stranger = custodians.add("kz.nobody", "custodian")
    holder = custodians.session("kz.seat1")
    with pytest.raises(Refused):
        seats.hand_over(holder, SeatName(1), stranger.id)
    with pytest.raises(Refused):
        seats.hand_over(holder, SeatName(1), custodians.people["kz.roles"].id)
    assert seats.held(custodians.session("kz.seat1"), SeatName(1))
    with pytest.raises(Problem) as only:
        holder.call("DELETE", f"/api/accounts/v1/me/group-keys/{seats.held(holder, SeatName(1))[0].id}")
    assert only.value.status == 409

    custodians.add("kz.next1", "custodian")
    custodians.certify("kz.next1")
    successor = custodians.people["kz.next1"].id
    custodians.adal("keys", "seat-handover", 1, "--to", successor, "--secrets", custodians.file("kz.seat1"))
    taken = seats.held(custodians.session("kz.next1"), SeatName(1))
    line = SeatName(1).line(holder.key_directory())
    assert line is not None
    assert [key.identity.recipient for key in taken] == [line.recipient]
    with pytest.raises(NotUnlocked):
        seats.held(custodians.session("kz.seat1"), SeatName(1))


def test_a_lost_seat_is_rebuilt_by_k_of_the_others(custodians: Team):
    """The holder of seat 2 is gone; a successor needs two of the two others."""
    custodians.add("kz.next2", "custodian")
    custodians.certify("kz.next2")
    successor = custodians.people["kz.next2"].id
    uncertified = custodians.people["kz.nobody"].id
    first = custodians.session("kz.next1")
    with pytest.raises(Refused):
        seats.release_seat(first, SeatName(2), uncertified)
    assert len(seats.release_seat(first, SeatName(2), successor)) == 1
    with pytest.raises(Refused):
        seats.recover_seat(custodians.session("kz.next2"), SeatName(2))
    custodians.adal(
        "keys", "seat-release-subshare", 2, "--to", successor, "--secrets", custodians.file("kz.seat3")
    )
    custodians.adal("keys", "seat-recover", 2, "--secrets", custodians.file("kz.next2"))
    taken = seats.held(custodians.session("kz.next2"), SeatName(2))
    line = SeatName(2).line(first.key_directory())
    assert line is not None
    assert [(key.identity.recipient, key.signing and key.signing.verify_key) for key in taken] == [
        (line.recipient, line.verify_key)
    ]


def test_the_seats_of_a_new_half_year_and_other_numbers_open_old_and_new(custodians: Team):
    """n and k change with a directory; reports of before open with the old seats, those of after with the new."""
    holders = {1: "kz.next1", 2: "kz.next2", 3: "kz.seat3"}
    custodians.add("kz.seat4", "custodian")
    custodians.certify("kz.seat4")
    holders[4] = "kz.seat4"
    with custodians.here.reporter() as reporter:
        before = reporter.file_sealed(new_report(reporter, "before"))
    lines = []
    for number, name in holders.items():
        key, line = seats.new_seat_key(SeatName(number), "2027H1")
        seats.keep(custodians.session(name), key)
        lines.append(line)
    custodians.publish(Changes(seats=lines, k=3, valid_from=datetime.now(UTC) - timedelta(minutes=1)))
    with custodians.here.reporter() as reporter:
        assert (reporter.key_directory().k, reporter.key_directory().n) == (3, 4)
        after = reporter.file_sealed(new_report(reporter, "after"))
    for name in holders.values():
        assert seats.split_seat(custodians.session(name), SeatName(int(_seat_of(holders, name)))) == 3
    found = custodians.session("kz.next1")
    assert seats.seat_of_epoch(found, SeatName(1), "2027H1") == lines[0]
    old = {number: seats.held(custodians.session(holders[number]), SeatName(number)) for number in holders}
    assert [len(keys) for keys in old.values()] == [2, 2, 2, 1]
    assert before.manifest.k == 2
    assert (after.manifest.k, after.manifest.n) == (3, 4)
    _opens(custodians, before.rid, {n: keys[0] for n, keys in old.items() if len(keys) == 2}, before.manifest)
    _opens(custodians, after.rid, {n: keys[-1] for n, keys in old.items()}, after.manifest)


def _seat_of(holders: dict[int, str], name: str) -> int:
    return next(number for number, one in holders.items() if one == name)


def _opens(team: Team, rid: bytes, held: dict[int, GroupKey], manifest: Manifest) -> None:
    """The shares the server keeps of a report give its identity key to the seats, and to k of them only."""
    with (
        ensure_cluster(team.here.var / "postgres") as cluster,
        psycopg.connect(cluster.superuser_conninfo("adal"), autocommit=True) as conn,
    ):
        rows = conn.execute(
            "SELECT s.seat, s.sealed FROM intake.shares s JOIN intake.reports r ON r.id = s.report_id WHERE r.rid = %s",
            [rid],
        ).fetchall()
    opened = {seat: open_share(sealed, held[seat].identity, seat, manifest) for seat, sealed in rows}
    k = manifest.k
    assert combine(dict(sorted(opened.items())[:k]), manifest).recipient == manifest.identity_recipient
    with pytest.raises(Refused):
        combine(dict(sorted(opened.items())[: k - 1]), manifest)


# --- staff keys kept by others


def test_a_lost_staff_key_is_rebuilt_by_keepers_and_opens_old_cases(team: Team):
    team.add("kz.owner", "investigator")
    team.certify("kz.owner")
    keepers = []
    for name in ("kz.keep1", "kz.keep2", "kz.keep3"):
        team.add(name, "lead")
        keepers.append(team.certify(name).person)
    owner, lost = team.people["kz.owner"].id, team.people["kz.owner"].key
    words = [word for keeper in keepers for word in ("--keeper", keeper)]
    team.adal("keys", "escrow", *words, "--secrets", team.file("kz.owner"))
    team.new_key("kz.owner")
    keeper = team.session("kz.keep1")
    with pytest.raises(Refused):
        seats.release_escrow(keeper, owner)
    team.certify("kz.owner")
    assert len(seats.release_escrow(keeper, owner)) == 1
    with pytest.raises(Refused):
        seats.recover_escrow(team.session("kz.owner"))
    assert len(seats.release_escrow(team.session("kz.keep3"), owner)) == 1
    assert len(seats.recover_escrow(team.session("kz.owner"))) == 1
    known = [group.identity.seed for group in team.session("kz.owner").unlocked.groups]
    assert known == [lost.identity.seed]


def test_a_custodian_has_no_escrow_and_keeps_none(team: Team, custodians: Team):
    keepers = [team.people[name].id for name in ("kz.keep1", "kz.keep2")]
    with pytest.raises(Refused):
        seats.escrow(custodians.session("kz.seat3"), keepers, 2)
    with pytest.raises(Refused):
        seats.escrow(team.session("kz.keep3"), [*keepers, custodians.people["kz.seat3"].id], 2)
