"""How long a report is kept and what forbids its deletion: dated data and pure functions.

Nothing that the reporter wrote is deleted unread or unanswered, whatever the ground; two people decide; and while any
clock runs, anybody still has business with the case, or the reporter is still to be shown something, it stays.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cache
from uuid import UUID

from pydantic import Field

from services.intake.calendar import add_months
from services.intake.dated import CODE, Frozen, Labels, Status, Word, load
from services.intake.steps import CLOSED, FORWARDED, LEAD, RETURNED

#: States in which a case has ended.
END_STATES = frozenset({RETURNED, FORWARDED, CLOSED})
RETENTION = "retention"

(NOT_ENDED, UNREAD, UNANSWERED, CLOCK_RUNS, IDENTITY_ASKED, OPENING_HIDDEN, INCIDENT_OPEN, PROTECTED, EVENT_WAITS,
 CODE_PENDING, CODE_SUSPECT, HELD, NOT_DUE) = REASONS = (
    "not_ended", "unread", "unanswered", "clock_runs", "identity_asked", "opening_hidden", "incident_open",
    "protected", "event_waits", "code_pending", "code_suspect", "held", "not_due",
)  # fmt: skip


class Period(Frozen):
    """How many months a case is kept after it ended so; `outcome` null stands for every other outcome."""

    state: str
    outcome: str | None
    months: int = Field(ge=1, le=1200)
    source: str | None
    status: Status


class Reason(Frozen):
    """Something that forbids a deletion."""

    code: str = Field(pattern=CODE)
    labels: Labels


class Retention(Frozen):
    """All of it, as of a day. The note says what is not confirmed."""

    as_of: date
    note: str
    sources: dict[str, Labels]
    periods: tuple[Period, ...]
    grounds: tuple[Word, ...]
    reasons: tuple[Reason, ...]


@cache
def load_retention() -> Retention:
    """The data in force."""
    return load(Retention, "retention/periods")


def ground_of(code: str) -> Word | None:
    """The ground with this code."""
    return next((ground for ground in load_retention().grounds if ground.code == code), None)


def period_of(state: str, outcome: str | None) -> Period | None:
    """The period of a case that ended so; None for a case that did not end."""
    found = {period.outcome: period for period in load_retention().periods if period.state == state}
    return found.get(outcome) or found.get(None)


@dataclass(frozen=True)
class Facts:
    """What the rules must know of a case. Numbers are of parts, -1 for none; `heard` is the day of the newest part.

    `reporter`: the reporter's last part; `words`: the last one that says something; `read`: up to where somebody who
    holds the keys read; `answer`: the last answer or outcome. The flags are what else may forbid a deletion.
    """

    state: str
    outcome: str | None
    ended: date
    heard: date
    reporter: int
    words: int
    answer: int
    read: int
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Decision:
    """Why a case may not be deleted, in the order of `REASONS`; `due` is the first day on which its time is over."""

    reasons: tuple[str, ...]
    due: date | None

    def against(self, ground: str, today: date) -> tuple[str, ...]:
        """Everything against a deletion on a ground: only the end of the time of keeping asks for that time."""
        early = ground == RETENTION and (self.due is None or today < self.due)
        return (*self.reasons, NOT_DUE) if early else self.reasons


def due_for_deletion(facts: Facts) -> Decision:
    """What forbids the deletion of a case, and the first day on which its time of keeping is over.

    The time begins anew with whatever either side wrote after the end.
    """
    period = period_of(facts.state, facts.outcome) if facts.state in END_STATES else None
    due = None if period is None else add_months(max(facts.ended, facts.heard), period.months)
    found = {
        NOT_ENDED: facts.state not in END_STATES,
        UNREAD: facts.read < facts.reporter,
        UNANSWERED: facts.answer < facts.words,
    }
    against = {reason for reason, holds in found.items() if holds} | facts.flags
    return Decision(tuple(reason for reason in REASONS if reason in against), due)


def may_confirm_read(held: Collection[int], keys: Collection[int]) -> bool:
    """Whether somebody with these keys of a report (numbers) can have read it: the first and the newest one."""
    return bool(keys) and {0, max(keys)} <= set(held)


def may_approve(proposed_by: UUID, by: UUID, roles: Collection[str]) -> bool:
    """Four eyes: a lead, and never who proposed it."""
    return LEAD in roles and by != proposed_by


def may_refuse(proposed_by: UUID, by: UUID, roles: Collection[str]) -> bool:
    """A lead refuses what others proposed; everybody takes back what they proposed themselves."""
    return LEAD in roles or by == proposed_by
