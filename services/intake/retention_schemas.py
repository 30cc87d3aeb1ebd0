"""Bodies of retention: what was read, holds, proposals, deletions."""

from datetime import date
from uuid import UUID

from pydantic import Field

from services.intake.dated import Labels, Word
from services.intake.retention import Period, Reason
from services.intake.schemas import Code
from services.kit.wire import B64u, Model


class ReadUpTo(Model):
    """Number of the last part that was opened, checked and shown to somebody who holds the keys."""

    up_to: int = Field(ge=0, lt=1 << 31)


class ReadLine(Model):
    up_to: int
    day: date


class HoldLine(Model):
    """A legal hold: nothing of the case is deleted while it stands."""

    by: UUID
    day: date


class NewDeletion(Model):
    ground: Code = Field(description="a code of `grounds` in `/staff/retention`")


class Proposal(Model):
    """A proposal that waits for a second person."""

    id: UUID
    ground: str
    by: UUID
    day: date


class ProposalNamed(Model):
    """Which proposal is decided on, so that nobody decides on one they have not seen."""

    proposal: UUID


class DeletionView(Model):
    """Whether a case may be deleted. `reasons` forbid it on every ground; before `due` its time is not over."""

    reasons: list[str]
    due: date | None
    period: Period | None
    confirmed: bool = Field(description="whether the length of the period was seen in a source")
    read: ReadLine | None
    hold: HoldLine | None
    proposal: Proposal | None


class Refused(Model):
    proposal: UUID
    day: date


class Deleted(Model):
    """What stays of a deleted report. `complete_on`: the last backup that may hold it has expired by then."""

    id: UUID
    day: date
    ground: str
    proposed_by: UUID
    approved_by: UUID
    leaf: B64u
    complete_on: date


class DeletedPage(Model):
    items: list[Deleted]
    next: str | None


class DueLine(Model):
    case: UUID
    reference: str
    state: str
    outcome: str | None
    due: date


class WaitingLine(Proposal):
    case: UUID
    reference: str


class DuePage(Model):
    """Cases whose time is over and that nothing forbids to delete. `next` goes on looking; a page may be empty."""

    items: list[DueLine]
    next: str | None


class Waiting(Model):
    items: list[WaitingLine]


class RetentionReference(Model):
    """How long cases are kept, and the words of grounds and reasons."""

    as_of: date
    note: str
    sources: dict[str, Labels]
    periods: list[Period]
    grounds: list[Word]
    reasons: list[Reason]
    backup_days: int
