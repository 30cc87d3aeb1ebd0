"""The law's clocks as a table of dated data and as pure functions: what a step of a case does to its time limits.

No sequence of steps lets a limit vanish: each one that starts is met in time, met late, extended, or ended for a
reason that is kept. Days only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.intake.calendar import Calendar, Confirmed, add_months
from services.intake.dated import Frozen, Labels, load
from services.kit.i18n import N_

REGISTER, DECIDE, GAPS = "register", "decide", "gaps"
#: Steps of a limit that are none of the case. The filing begins what runs before anybody registers.
FILING, REOPEN, EXTEND, TOLD, CLASSIFY = "filing", "reopen", "extend", "message", "classify"
EXTENDED = "extended"
#: Longest extension, counted from the decision (art. 76(3)).
EXTENSION_MONTHS = 2

Unit = Literal["working_days", "days", "months", "registration", "given"]
State = Literal["running", "overdue", "met", "late", "extended", "ended"]


class Rule(Frozen):
    """One kind of time limit. `starts`, `met`: steps; `ended`: step -> reason code.

    `measured`: a step that meets it after it ended is measured against it all the same. `only`: for cases of this
    classification. `reporter`: shown to the reporter too. `length` counts `unit` from the day after the start.
    """

    kind: str
    article: str
    source: str
    status: Confirmed
    labels: Labels
    length: int | None
    unit: Unit
    starts: frozenset[str]
    met: frozenset[str]
    ended: dict[str, str]
    reporter: bool
    benchmark: bool = False
    measured: bool = False
    only: str | None = None

    @property
    def counts_work(self) -> bool:
        """Whether its last day depends on what a working day is."""
        return self.unit not in ("days", "months")


class Rules(Frozen):
    """All kinds of limits, as of a version."""

    version: str
    sources: dict[str, Labels]
    rules: tuple[Rule, ...] = Field(min_length=1)

    def find(self, kind: str) -> Rule:
        """The rule of a kind. Error: KeyError."""
        for rule in self.rules:
            if rule.kind == kind:
                return rule
        raise KeyError(kind)


@cache
def load_rules() -> Rules:
    """The rules in force, read once."""
    return load(Rules, "clocks/clocks")


@dataclass(frozen=True)
class Limit:
    """One time limit of a case. `id` is None until it is stored; `due` is its last day."""

    id: UUID | None
    kind: str
    started: date
    due: date
    met_on: date | None = None
    ended_on: date | None = None
    reason: str | None = None
    extended_from: UUID | None = None

    @property
    def running(self) -> bool:
        return self.met_on is None and self.ended_on is None

    def state(self, today: date) -> State:
        """How it stands on a day."""
        if self.met_on is not None:
            return "met" if self.met_on <= self.due else "late"
        if self.ended_on is not None:
            return "extended" if self.reason == EXTENDED else "ended"
        return "running" if today <= self.due else "overdue"


@dataclass(frozen=True)
class Facts:
    """What the limits of a case rest on beside its steps."""

    filed_on: date
    register_by: date
    classification: str | None = None


@dataclass(frozen=True)
class Changes:
    """What a step does: limits that begin (or are measured once), and known ones that end."""

    new: tuple[Limit, ...]
    changed: tuple[Limit, ...]


def due(rule: Rule, started: date, calendar: Calendar, given: date | None = None) -> date:
    """The last day of a limit that starts on a day. Errors: NoCalendar; ValueError when no day was given."""
    if rule.unit == "working_days":
        return calendar.add(started, rule.length or 0)
    if rule.unit == "days":
        return started + timedelta(days=rule.length or 0)
    if rule.unit == "months":
        return add_months(started, rule.length or 0)
    if given is None:
        raise ValueError("this limit needs a day")
    return calendar.on_or_after(given)


@dataclass(frozen=True)
class Moment:
    """A step on a day, with everything that decides what it does. `given`: the day of a limit that somebody sets."""

    step: str
    rows: Sequence[Limit]
    day: date
    calendar: Calendar
    facts: Facts
    given: date | None = None

    @property
    def base(self) -> date:
        """The day from which the case is worked on: its registration, its last reopening, the end of a time for gaps."""
        starts = [row.started for row in self.rows if row.kind == DECIDE and row.extended_from is None]
        over = [
            row.due for row in self.rows if row.kind == GAPS and row.met_on is None and row.due < self.day
        ]
        return max([self.facts.register_by, *starts, *over])

    def limit(self, rule: Rule, started: date, given: date | None = None) -> Limit:
        return Limit(None, rule.kind, started, due(rule, started, self.calendar, given))


def changes(
    step: str,
    rows: Sequence[Limit],
    day: date,
    calendar: Calendar,
    facts: Facts,
    given: date | None = None,
) -> Changes:
    """What a step on a day does to the limits of a case.

    Errors: NoCalendar when a limit would reach into a year without data.
    """
    at = Moment(step, rows, day, calendar, facts, given)
    new: list[Limit] = []
    changed: list[Limit] = []
    for rule in load_rules().rules:
        mine = [row for row in rows if row.kind == rule.kind]
        running = next((row for row in mine if row.running), None)
        after = _end(rule, at, running or _begin(rule, at, mine))
        if after and not running:
            new.append(after)
        elif after and after != running:
            changed.append(after)
    return Changes(tuple(new), tuple(changed))


def _begin(rule: Rule, at: Moment, mine: Sequence[Limit]) -> Limit | None:
    """The limit that a step begins, where none of its kind runs."""
    if FILING in rule.starts and not mine:
        return at.limit(rule, at.facts.filed_on, at.facts.register_by)
    if at.step not in rule.starts - {FILING} or rule.only not in (None, at.facts.classification):
        return None
    if rule.only and at.step != REOPEN and any(row.started >= at.base for row in mine):
        return None  # once for each time that the case was opened
    # The day on which the law has it registered: nobody gains time by registering late.
    return at.limit(rule, at.facts.register_by if at.step == REGISTER else at.day, at.given)


def _end(rule: Rule, at: Moment, limit: Limit | None) -> Limit | None:
    """The limit after a step: met, ended, or as it was."""
    if at.step in rule.met:
        if limit is None and rule.measured:
            limit = at.limit(rule, at.base)
        return limit and replace(limit, met_on=at.day)
    if at.step in rule.ended and limit:
        return replace(limit, ended_on=at.day, reason=rule.ended[at.step])
    if limit and rule.only not in (None, at.facts.classification):
        return replace(limit, ended_on=at.day, reason=f"not_{rule.only}")
    return limit


def replay(steps: Iterable[tuple[str, date]], calendar: Calendar, facts: Facts) -> list[Limit]:
    """The limits that a history of (step, day) leaves behind, ids none. Error: NoCalendar."""
    rows: list[Limit] = []
    for step, day in steps:
        found = changes(step, rows, day, calendar, facts)
        ended = {(row.kind, row.started) for row in found.changed}
        rows = [row for row in rows if not (row.running and (row.kind, row.started) in ended)]
        rows += [*found.changed, *found.new]
    return rows


# --- extension


def extendable(rows: Iterable[Limit], day: date) -> Limit | None:
    """The limit that may be extended on a day: one of consideration that runs, has not passed and is no extension."""
    for row in rows:
        if row.kind == DECIDE and row.running and row.extended_from is None and day <= row.due:
            return row
    return None


def extended(row: Limit, until: date, day: date, calendar: Calendar) -> Limit | None:
    """The limit that a decision of `day` puts in the place of one, or None when the law does not allow `until`.

    It may end two months after the decision at the latest; a last day that is a day off moves (art. 76(5)).
    """
    if not row.due < until <= add_months(day, EXTENSION_MONTHS):
        return None
    return Limit(None, DECIDE, day, calendar.on_or_after(until), extended_from=row.id)


#: Step of a limit -> the kind that must run for it.
_MEETS: Mapping[str, str] = {
    "gaps_filled": GAPS,
    "recusal_decided": "recusal",
    "recusal_told": "recusal_notice",
}
_BEGINS: Mapping[str, str] = {GAPS: GAPS, "recusal": "recusal", "end_without_decision": "end_notice"}
_NOT_OPEN = N_("The case is not under consideration: register it, or reopen it first.")
_RUNS = N_("This time limit runs already.")
_RUNS_NOT = N_("This time limit does not run.")
_GAPS = N_("Give a last day for filling the gaps, from tomorrow on and two months from today at most.")
_NO_DAY = N_("Only gaps are given a last day.")


def day_refused(step: str, until: date | None, day: date) -> str | None:
    """Why a limit cannot be given this last day on a day: a msgid, or None."""
    if step != GAPS:
        return None if until is None else _NO_DAY
    return None if until and day < until <= add_months(day, EXTENSION_MONTHS) else _GAPS


def mark_refused(step: str, rows: Iterable[Limit]) -> str | None:
    """Why a limit that belongs to no step of a case cannot begin or be met now: a msgid, or None."""
    running = {row.kind for row in rows if row.running}
    if step in _MEETS:
        return None if _MEETS[step] in running else _RUNS_NOT
    if _BEGINS[step] in running:
        return _RUNS
    return None if DECIDE in running or step == "end_without_decision" else _NOT_OPEN


def computed_again(row: Limit, calendar: Calendar, facts: Facts) -> date:
    """The last day of a running limit under another calendar; one that somebody set only moves off a day off."""
    rule = load_rules().find(row.kind)
    if row.extended_from is not None:
        return calendar.on_or_after(row.due)
    given = facts.register_by if row.kind == REGISTER else row.due
    return due(rule, row.started, calendar, given)


def gaps_ran_out(limits: Iterable[Limit], today: date) -> bool:
    """Whether a time was set in which the reporter should fill gaps, and it is over without that (art. 64(6), 64(7))."""
    return any(limit.kind == GAPS and limit.running and limit.due < today for limit in limits)
