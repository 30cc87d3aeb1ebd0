"""Who can still read a case, through HTTP only: handing on, ending an access, leaving.

Whoever was removed opens nothing that was sealed afterwards, even with the whole database; what they had opened before
they can still open.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
import pytest

from services.cli.here import Here
from services.cli.staff import NewColleague, administrator, certify, enrol_with_keys
from services.client.cases import OpenedCase
from services.client.errors import NotHanded, Problem
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto.age import HybridIdentity
from services.crypto.errors import CryptoError, Refused
from services.crypto.grants import open_later_grant
from services.crypto.packages import NewAttachment
from services.crypto.payloads import open_payload
from services.kit.postgres import ensure_cluster
from tests.system.conftest import Server
from tests.system.office import Office, new_report, opened_office
from tests.system.test_markers import marker


@dataclass
class Desk:
    """An office with two more investigators and a second lead."""

    office: Office
    more: dict[str, NewColleague]

    def session(self, name: str) -> StaffSession:
        found = self.more.get(name) or getattr(self.office, name)
        return self.office.signed_in(found)

    def id(self, name: str) -> str:
        return str((self.more.get(name) or getattr(self.office, name)).id)


@pytest.fixture(scope="module")
def desk(server: Server) -> Iterator[Desk]:
    here = Here(server.url, server.var, None)
    with opened_office(server.home, here, here) as office:
        more = {}
        with administrator(here, None) as session:
            for name, role in (("second", "investigator"), ("late", "investigator"), ("deputy", "lead")):
                _, enrolment = session.add_staff(f"access-{name}", f"Invented {name}", [role])
                more[name] = enrol_with_keys(here, f"access-{name}", enrolment)
                certify(here, session, more[name], [role])
        yield Desk(office, more)


@pytest.fixture
def reporter(desk: Desk) -> Iterator[Reporter]:
    with desk.office.here.reporter() as made:
        yield made


def handed_on(desk: Desk, reporter: Reporter, mark: str, *people: str) -> tuple[str, str]:
    """A report in the hands of these investigators and the lead; id of the case and receipt."""
    filed = reporter.file_sealed(new_report(reporter, mark))
    session = desk.session("desk")
    case = session.case(session.find(filed.reference).id)
    session.assign(case, desk.id(people[0]), lead=desk.id("lead"))
    lead = desk.session("lead")
    for person in people[1:]:
        lead.assign(lead.case(case.line.id), desk.id(person))
    return case.line.id, filed.receipt


@contextmanager
def uncertified(desk: Desk, people: list[str]) -> Iterator[None]:
    """These people have no certificate for a while, as when it has run out or ended."""
    with (
        ensure_cluster(desk.office.here.var / "postgres") as cluster,
        psycopg.connect(cluster.superuser_conninfo("adal"), autocommit=True) as conn,
    ):
        run_out = "UPDATE accounts.certificates SET ended = %s WHERE person = ANY(%s)"
        conn.execute(run_out, [date(2026, 1, 1), people])
        try:
            yield
        finally:
            conn.execute(run_out, [None, people])


def texts(case: OpenedCase) -> list[str]:
    assert case.rejected == ()
    return [message.text for message in case.messages]


def keys_of(desk: Desk, name: str) -> HybridIdentity:
    return desk.session(name).unlocked.key.identity


def test_after_the_assignment_the_desk_opens_nothing_and_the_lead_does(
    desk: Desk, reporter: Reporter
) -> None:
    mark = marker()
    case_id, _ = handed_on(desk, reporter, mark, "investigator")
    session = desk.session("desk")
    with pytest.raises(NotHanded):
        session.case(case_id)
    assert session.find(case_id).fields["language"] == "kk", "coded fields are still seen"
    for name in ("lead", "investigator"):
        assert desk.session(name).case(case_id).narrative.answers["what"] == f"{mark} what"


def test_who_was_removed_opens_nothing_that_came_later_even_with_the_database(
    desk: Desk, reporter: Reporter, tmp_path: Path
) -> None:
    mark = marker()
    case_id, receipt = handed_on(desk, reporter, mark, "investigator", "second")
    gone, lead = desk.session("investigator"), desk.session("lead")
    gone.answer(gone.case(case_id), f"{mark} first question")
    inbox = reporter.inbox(receipt)
    inbox.send(f"{mark} first reply")
    before = gone.case(case_id)
    lead.end_access(lead.case(case_id), desk.id("investigator"))

    with pytest.raises(Problem) as hidden:
        gone.case(case_id)
    assert hidden.value.status == 404
    # The inbox was loaded before: the conflict makes it look again, and seal to the new key.
    inbox.send(f"{mark} second reply", [NewAttachment("later.txt", "text/plain", f"{mark} file".encode())])
    assert ([reply.text for reply in inbox.replies], inbox.rejected) == ([f"{mark} first question"], ())
    second = desk.session("second")
    second.answer(second.case(case_id), f"{mark} second question")
    assert [reply.text for reply in reporter.inbox(receipt).replies][-1] == f"{mark} second question"

    everything = [
        f"{mark} first question",
        f"{mark} first reply",
        f"{mark} second reply",
        f"{mark} second question",
    ]
    opened = second.case(case_id)
    assert texts(opened) == texts(lead.case(case_id)) == everything
    path = second.download(
        opened, next(one for one in opened.attachments if one.name == "later.txt"), tmp_path
    )
    assert path.read_text() == f"{mark} file"

    sealed = lead.case(case_id).sealed
    mine = [gone.unlocked.key.identity, *before.keyring.newest_first]
    later = [part for part in sealed.parts if part.number > before.sealed.parts[-1].number]
    assert [part.role for part in later] == ["report-keys", "message", "attachment", "message"]
    with desk.office.here.reporter():
        files = {part.number: lead.part(lead.case(case_id), part) for part in sealed.parts}
    for part in later:
        for key in mine:
            with pytest.raises(CryptoError):
                open_payload(files[part.number], key)
    for grant in sealed.grants.values():
        for key in mine:
            with pytest.raises(CryptoError):
                open_later_grant(grant, files[later[0].number], key, sealed.manifest.rid, 1)
    first = next(part for part in sealed.parts if part.role == "message")
    assert open_payload(files[first.number], before.keyring.keys[0]).body["text"] == f"{mark} first question"


def test_a_later_assignee_reads_everything_and_a_new_code_keeps_the_new_key(
    desk: Desk, reporter: Reporter
) -> None:
    mark = marker()
    case_id, receipt = handed_on(desk, reporter, mark, "investigator", "second")
    lead = desk.session("lead")
    reporter.inbox(receipt).send(f"{mark} one")
    lead.end_access(lead.case(case_id), desk.id("investigator"))
    reporter.inbox(receipt).send(f"{mark} two")
    new = reporter.inbox(receipt).replace_code()
    reporter.confirm_code(new)
    later = reporter.inbox(new)
    assert later.recipient == lead.case(case_id).keyring.recipient
    assert later.rejected == ()
    later.send(f"{mark} three")
    lead.end_access(lead.case(case_id), desk.id("second"))
    reporter.inbox(new).send(f"{mark} four")

    lead.assign(lead.case(case_id), desk.id("late"))
    late = desk.session("late")
    assert texts(late.case(case_id)) == [f"{mark} one", f"{mark} two", f"{mark} three", f"{mark} four"]
    assert late.case(case_id).narrative.answers["what"] == f"{mark} what"
    lead.assign(lead.case(case_id), desk.id("investigator"))
    assert len(texts(desk.session("investigator").case(case_id))) == 4


def test_a_leaver_is_released_from_every_case_and_the_history_stays(desk: Desk, reporter: Reporter) -> None:
    mark = marker()
    cases = [handed_on(desk, reporter, mark, "second")[0] for _ in range(2)]
    lead = desk.session("lead")
    done = dict(lead.release(desk.id("second")))
    assert len(done) >= 2
    assert set(done.values()) == {None}
    assert list(lead.cases(assigned=desk.id("second"))) == []
    for case_id in cases:
        assert desk.id("second") not in lead.case(case_id).line.assignees
        found = lead.call("GET", f"/api/intake/v1/staff/cases/{case_id}").json()["assignments"]
        assert [line["ended"] is not None for line in found if line["person"] == desk.id("second")] == [True]


def test_two_without_certificates_are_removed_in_one_step(desk: Desk, reporter: Reporter) -> None:
    mark = marker()
    case_id, receipt = handed_on(desk, reporter, mark, "investigator", "second", "late")
    lead = desk.session("lead")
    left = [desk.id("second"), desk.id("late")]
    with uncertified(desk, left):
        for person in left:
            with pytest.raises((Refused, CryptoError)):
                lead.end_access(lead.case(case_id), person)
        with pytest.raises((Refused, CryptoError)):
            lead.end_access(lead.case(case_id), desk.id("investigator"))
        with pytest.raises(LookupError):
            lead.end_access(lead.case(case_id), left[0], [left[1], desk.id("deputy")])
        lead.end_access(lead.case(case_id), left[0], [left[1]])
        assert set(lead.case(case_id).line.assignees) == {desk.id("investigator"), desk.id("lead")}
    reporter.inbox(receipt).send(f"{mark} afterwards")
    assert texts(desk.session("investigator").case(case_id)) == [f"{mark} afterwards"]
    for name in ("second", "late"):
        with pytest.raises(Problem):
            desk.session(name).case(case_id)


def test_two_leavers_are_released_together(desk: Desk, reporter: Reporter) -> None:
    both, one = (
        handed_on(desk, reporter, marker(), "second", "late")[0],
        handed_on(desk, reporter, marker(), "second")[0],
    )
    lead = desk.session("lead")
    left = [desk.id("second"), desk.id("late")]
    with uncertified(desk, left):
        alone = dict(lead.release(left[0]))
        assert {type(error) for error in alone.values()} == {type(None), Refused}
        together = dict(lead.release(left[0], [left[1]]))
        assert set(together.values()) == {None}
    for case_id in (both, one):
        assert not set(left) & set(lead.case(case_id).line.assignees)


def test_a_lead_leaves_when_another_has_the_case(desk: Desk, reporter: Reporter) -> None:
    mark = marker()
    case_id, _ = handed_on(desk, reporter, mark, "investigator")
    lead, deputy = desk.session("lead"), desk.session("deputy")
    with pytest.raises(LookupError):
        lead.end_access(lead.case(case_id), desk.id("late"))
    lead.assign(lead.case(case_id), desk.id("deputy"), "lead")
    with pytest.raises(Problem):
        lead.end_access(lead.case(case_id), desk.id("lead"))
    deputy.end_access(deputy.case(case_id), desk.id("lead"))
    with pytest.raises(NotHanded):
        lead.case(case_id)
    assert deputy.case(case_id).narrative.answers["what"] == f"{mark} what"


def test_a_lead_who_is_none_is_refused_before_anything_is_sent(desk: Desk, reporter: Reporter) -> None:
    filed = reporter.file_sealed(new_report(reporter, marker()))
    session = desk.session("desk")
    case = session.case(session.find(filed.reference).id)
    with pytest.raises(Refused):
        session.assign(case, desk.id("investigator"), lead=desk.id("second"))
    assert session.case(case.line.id).line.assignees == ()
