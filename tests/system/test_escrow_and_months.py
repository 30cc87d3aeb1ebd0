"""What escrow brings back and what it must not: a destroyed month of the desk stays destroyed, handed-on cases open.

A backup that still holds the wrap of a destroyed key is the one exception, which is why its life is stated (35 days).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli.here import Here
from services.client import seats
from services.client.errors import NotHanded
from services.crypto.age import open_part, seal
from services.crypto.errors import CryptoError, WrongKey
from services.crypto.staffkeys import unwrap_group_key
from tests.system.conftest import Server
from tests.system.office import new_report
from tests.system.test_keys import Team

MONTH = "central/2026-02"


@pytest.fixture(scope="module")
def team(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    made = Team(Here(server.url, server.var, None), tmp_path_factory.mktemp("team"))
    made.add("cert.one", "certifier")
    made.add("cert.two", "certifier")
    for name, role in (
        ("esc.desk", "desk"), ("esc.lead", "lead"), ("esc.keeper", "lead"), ("esc.third", "lead"),
        ("esc.investigator", "investigator"),
    ):  # fmt: skip
        made.add(name, role)
        made.certify(name)
    yield made
    for session in made.sessions:
        session.close()


def keys_of(team: Team, name: str) -> list[str]:
    return [key.id for key in team.session(name).unlocked.groups]


def lose_and_rebuild(team: Team, name: str) -> None:
    """New keys, a new certificate, two keepers, and the old key is back beside the new one."""
    team.new_key(name)
    team.certify(name)
    for keeper in ("esc.keeper", "esc.third"):
        person = team.people[name].id
        team.adal("keys", "escrow-release", person, "--secrets", team.file(keeper))
    assert len(seats.recover_escrow(team.session(name))) == 1


def test_a_month_that_was_destroyed_is_not_brought_back_by_a_rebuilt_key(team: Team, tmp_path: Path):
    line = tmp_path / "line.json"
    lead = ("--secrets", team.file("esc.lead"))
    team.adal("keys", "desk-month", "2026-02", "--line", line, *lead)
    assert MONTH in keys_of(team, "esc.desk")
    before = team.session("esc.desk")
    (month,) = [key for key in before.unlocked.groups if key.id == MONTH]
    report = seal(b"a report of February", [month.identity.recipient])
    (backup,) = [data for name, data in before.me().group_keys if name == MONTH]
    keepers = [word for name in ("esc.keeper", "esc.third") for word in ("--keeper", team.people[name].id)]
    team.adal("keys", "escrow", *keepers, "--secrets", team.file("esc.desk"))

    team.adal("keys", "desk-destroy", "2026-02", *lead)
    lose_and_rebuild(team, "esc.desk")

    after = team.session("esc.desk")
    assert MONTH not in [key.id for key in after.unlocked.groups]
    assert MONTH not in [name for name, _ in after.me().group_keys]
    rebuilt = [key for key in after.unlocked.groups if key.id.startswith("staff/")]
    assert [key.identity.seed for key in rebuilt] == [before.unlocked.key.identity.seed]
    for identity in (after.unlocked.key.identity, *(key.identity for key in after.unlocked.groups)):
        with pytest.raises(CryptoError):
            open_part(report, identity)
    # What the server deleted still opens for whoever has a copy of it and the rebuilt key: the life of backups counts.
    assert unwrap_group_key(backup, rebuilt[0].identity).id == MONTH
    with pytest.raises(WrongKey):
        unwrap_group_key(backup, after.unlocked.key.identity)


def test_a_case_that_was_handed_on_opens_with_a_rebuilt_key_and_no_desk_key(team: Team):
    """The desk's grant is deleted with the assignment, so only the investigator's own key counts, lost or not."""
    with team.here.reporter() as reporter:
        filed = reporter.file_sealed(new_report(reporter, "escrow"))
    lead = team.session("esc.lead")
    team.adal(
        "keys", "desk-month", f"{datetime.now(UTC):%Y-%m}", "--file",
        team.here.dev / f"keys/desk-central-{datetime.now(UTC):%Y-%m}.key", "--line",
        team.folder / "this-month.json", "--secrets", team.file("esc.lead"),
    )  # fmt: skip
    lead = team.session("esc.lead")
    case = lead.case(lead.find(filed.reference).id)
    lead.assign(case, team.people["esc.investigator"].id)
    keepers = [word for name in ("esc.keeper", "esc.third") for word in ("--keeper", team.people[name].id)]
    team.adal("keys", "escrow", *keepers, "--secrets", team.file("esc.investigator"))
    lost = team.people["esc.investigator"].key.identity.seed
    team.new_key("esc.investigator")
    team.certify("esc.investigator")
    with pytest.raises((NotHanded, CryptoError)):
        team.session("esc.investigator").case(case.line.id)
    for keeper in ("esc.keeper", "esc.third"):
        seats.release_escrow(team.session(keeper), team.people["esc.investigator"].id)
    seats.recover_escrow(team.session("esc.investigator"))
    session = team.session("esc.investigator")
    assert lost in [key.identity.seed for key in session.unlocked.groups]
    assert session.case(case.line.id).narrative.answers == case.narrative.answers
    assert not [key.id for key in session.unlocked.groups if key.id.startswith("central/")]
