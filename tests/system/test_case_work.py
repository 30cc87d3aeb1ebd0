"""Case work from end to end, through HTTP only, against a separately started server with its internal port.

A call to 1424 and a web report: registered, extended, forwarded, wrongly returned, closed with an outcome of which
rewards and registry are told, deleted by two people; the log verified, everything stored searched for the words.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from services.cli.here import Here
from services.cli.staff import NewColleague, administrator, certify, enrol_with_keys
from services.client import deadlines, operator, retention, steps
from services.client.errors import Problem
from services.client.filing import Filed
from services.client.staff import StaffSession
from services.contracts.outcomes import Name, Person
from services.crypto.outcomes import Act, Facts
from services.kit.postgres import ensure_cluster
from tests.system.conftest import Server
from tests.system.office import Office, new_report, nothing_readable, opened_office
from tests.system.test_markers import marker

ACT = Act("Invented court of Astana", "1-23/2026", date(2026, 10, 1), date(2026, 10, 20))
CONVICTED = Facts("convicted", ACT, "grave", ("cc-366-2",), 5_000_000, None, None)


@pytest.fixture(scope="module")
def office(server: Server) -> Iterator[Office]:
    here = Here(server.url, server.var, None)
    with opened_office(server.home, here, here) as made:
        yield made


@pytest.fixture(scope="module")
def colleagues(office: Office) -> dict[str, NewColleague]:
    """An operator of 1424 and a second lead."""
    made: dict[str, NewColleague] = {}
    with administrator(office.staff_here, None) as session:
        for login, role in (("journey-operator", "operator"), ("journey-second", "lead")):
            _, enrolment = session.add_staff(login, "Invented Person", [role])
            made[role] = enrol_with_keys(office.staff_here, login, enrolment)
            certify(office.staff_here, session, made[role], [role])
    return made


@pytest.fixture(scope="module")
def lead(office: Office) -> StaffSession:
    return office.signed_in(office.lead)


def rows(office: Office, statement: str) -> list[Any]:
    cluster = ensure_cluster(office.here.var / "postgres")
    with cluster, psycopg.connect(cluster.superuser_conninfo("adal"), autocommit=True) as conn:
        return conn.execute(statement).fetchall()


def called(office: Office, caller: StaffSession, mark: str) -> Filed:
    """A call to 1424, sealed by the operator's own client, and the record of the call."""
    with office.here.reporter(caller.bearer) as phone:
        report = new_report(phone, mark)
        filed = phone.file_sealed(replace(report, fields={**report.fields, "channel": "phone-1424"}))
    back = operator.NewNote(f"{mark} when to call", "+7 700 000 00 00")
    operator.register(caller, operator.NewCall("report", "kk", True, "report-filed", note=back))
    return filed


def test_a_call_is_registered_extended_and_closed_and_rewards_and_registry_are_told(
    office: Office, colleagues: dict[str, NewColleague], lead: StaffSession
) -> None:
    mark, caller = marker(), office.signed_in(colleagues["operator"])
    filed = called(office, caller, mark)
    with pytest.raises(Problem) as hidden:
        caller.find(filed.reference)
    assert hidden.value.status == 403
    (note,) = operator.notes(lead)
    assert note.opened is not None
    assert note.opened.note.text == f"{mark} when to call"
    operator.finish(lead, note.id)

    line = lead.find(filed.reference)
    assert steps.move(lead, line.id, "register", "criminal") == "registered"
    case = lead.case(line.id)
    until = next(one.due for one in deadlines.of_case(lead, line.id) if one.kind == "decide")
    limits = deadlines.extend(lead, case, until + timedelta(days=14), f"{mark} more time")
    assert {one.state for one in limits if one.kind == "decide"} >= {"extended", "running"}
    assert operator.status(caller, filed.reference).state == "registered"
    with office.here.reporter() as reporter:
        inbox = reporter.inbox(filed.receipt)
        assert [reply.text for reply in inbox.replies] == [f"{mark} more time"]
        assert any(one.extension for one in inbox.view.deadlines)

    with pytest.raises(Problem) as refused:
        steps.tell(lead, lead.case(line.id), "return", f"{mark} no", ground="same_matter_ended")
    assert refused.value.status == 409, "a report of a crime is not returned"
    whom = Person((Name("kk", "Ойданшықсын", "Мысал"),), born=date(1980, 2, 29))
    assert steps.close(lead, lead.case(line.id), CONVICTED, f"{mark} ended", [whom]) == "closed"
    for consumer in ("rewards", "registry"):
        office.job(f"{consumer}.read-feed")
    found = rows(office, "SELECT act_number, gravity, bribe, claim IS NOT NULL FROM rewards.outcomes")
    assert found == [("1-23/2026", "grave", 5_000_000, True)]
    ((persons, excluded),) = rows(office, "SELECT persons, excluded FROM registry.outcomes")
    assert persons[0]["born"] == "1980-02-29"
    assert str(office.lead.id) in {str(one) for one in excluded}
    assert rows(office, "SELECT count(*) FROM intake.outbox WHERE consumer IN ('rewards', 'registry')") == [
        (0,)
    ]
    with office.here.reporter() as reporter:
        (ended,) = reporter.inbox(filed.receipt).outcomes
        assert (ended.outcome.text, ended.outcome.facts.kind) == (f"{mark} ended", "convicted")
    nothing_readable(office, [mark, filed.receipt])


def test_a_web_report_is_forwarded_deleted_by_two_and_the_log_still_holds(
    office: Office, colleagues: dict[str, NewColleague], lead: StaffSession
) -> None:
    mark = marker()
    with office.here.reporter() as reporter:
        filed = reporter.file_sealed(new_report(reporter, mark))
    line = lead.find(filed.reference)
    steps.move(lead, line.id, "register")
    assert (
        steps.tell(lead, lead.case(line.id), "forward", f"{mark} sent on", body="general-prosecutor")
        == "forwarded"
    )
    second = office.signed_in(colleagues["lead"])
    with pytest.raises(Problem) as early:
        retention.propose(lead, line.id, "court_order")
    assert early.value.status == 409, "nobody has read it"
    assert retention.confirm_read(lead, lead.case(line.id)) is not None
    lead.step_up({"password": office.lead.password})
    proposal = retention.propose(lead, line.id, "court_order")
    second.step_up({"password": colleagues["lead"].password})
    deleted = retention.approve(second, line.id, proposal.id)
    assert (deleted.proposed_by, deleted.approved_by) == (office.lead.id, colleagues["lead"].id)
    office.job("intake.erase")
    with office.here.reporter() as reporter, pytest.raises(Problem) as gone:
        reporter.inbox(filed.receipt).refresh()
    assert (gone.value.status, gone.value.slug) == (410, "report-deleted")
    office.job("intake.publish-log")
    with office.here.reporter() as reporter:
        assert reporter.check_log_inclusion(filed) is not None, "its leaf stays in the log"
    nothing_readable(office, [mark, filed.receipt])
