"""What the client says was read: all that was opened here, and nothing after the first part that did not hold."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.client import retention, steps
from services.client.chain import Rejected
from services.client.errors import Problem
from services.client.reporter import Reporter
from services.crypto.outcomes import Facts
from tests.client.people import Team
from tests.system.office import new_report

TODAY = datetime.now(UTC).date()


@pytest.fixture
def reporter(team: Team) -> Iterator[Reporter]:
    with team.reporter() as made:
        yield made


def test_two_leads_delete_what_was_read_and_the_receipt_learns_of_it(team: Team, reporter: Reporter):
    filed = reporter.file_sealed(replace(new_report(reporter, "gone", "anonymous"), attachments=()))
    one, other = team.signed_in("keeper", "lead"), team.signed_in("keeper2", "lead")
    id_ = one.find(filed.reference).id
    steps.move(one, id_, "register")
    case = one.case(id_)
    assert retention.confirm_read(one, case) == retention.read_up_to(case) == case.sealed.parts[-1].number
    steps.close(one, one.case(id_), Facts("explained"), "Explained.")
    found = retention.state(one, id_)
    assert (found.reasons, found.months, found.confirmed, found.held_by) == ((), 12, False, None)
    assert found.due is not None
    assert found.due > TODAY
    with pytest.raises(Problem) as early:
        retention.propose(one, id_, "retention")
    assert early.value.slug == "conflict"
    proposal = retention.propose(one, id_, "erasure_request")
    assert (filed.reference, proposal) in retention.waiting(other)
    with pytest.raises(Problem) as alone:
        retention.approve(one, id_, proposal.id)
    assert alone.value.slug == "conflict"
    gone = retention.approve(other, id_, proposal.id)
    assert gone in list(retention.done(other))
    assert (gone.complete_on - gone.day).days == retention.words(one, "en").backup_days
    with pytest.raises(Problem) as told:
        reporter.inbox(filed.receipt).refresh()
    assert (told.value.status, told.value.slug) == (410, "report-deleted")
    one.close()
    other.close()


def test_what_did_not_hold_was_not_read(team: Team, reporter: Reporter):
    filed = reporter.file_sealed(replace(new_report(reporter, "bad", "anonymous"), attachments=()))
    inbox = reporter.inbox(filed.receipt)
    inbox.send("first")
    inbox.send("second")
    lead = team.signed_in("keeper", "lead")
    case = lead.case(lead.find(filed.reference).id)
    mine = [part for part in case.sealed.parts if part.by == "reporter"]
    assert retention.read_up_to(case) == mine[-1].number
    refused = Rejected(mine[-2].number, "reporter", 2, TODAY, "signature")
    assert retention.read_up_to(replace(case, rejected=(refused,))) == mine[-2].number - 1
    of_desk = replace(refused, number=mine[-1].number + 1, by="desk")
    assert retention.read_up_to(replace(case, rejected=(of_desk,))) == mine[-1].number
    lead.close()


def test_who_lacks_the_newest_key_says_nothing_was_read(monkeypatch: pytest.MonkeyPatch):
    class Session:
        def __init__(self, slug: str) -> None:
            self.slug = slug

        def call(self, *_: Any) -> Any:
            raise Problem(f"urn:adal:problem:{self.slug}", "T", 403, "D")

    class Case:
        class line:  # noqa: N801 - the name of the member
            id = "a"

    monkeypatch.setattr(retention, "read_up_to", lambda _case: 1)
    assert retention.confirm_read(Session("forbidden"), Case()) is None  # type: ignore[arg-type]
    with pytest.raises(Problem):
        retention.confirm_read(Session("not-found"), Case())  # type: ignore[arg-type]
