"""Time limits of the law: read from a case or an inbox, extended by a lead, counted for an auditor."""

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from services.client.directory import INTAKE
from services.client.errors import understood
from services.client.form_words import texts_of
from services.client.http import part_of_path
from services.crypto import rules

if TYPE_CHECKING:
    from services.client.cases import OpenedCase
    from services.client.staff import StaffSession

_STAFF = f"{INTAKE}/staff"


@dataclass(frozen=True)
class Deadline:
    """One time limit, all days. `state`: running, overdue, met, late, extended or ended; `due` is its last day.

    `labels` and `sources` are texts by language; `confirmed` says whether rule and working days were seen in the
    source; a `benchmark` is no law of Kazakhstan; `extension`: it took the place of a limit that was extended.
    """

    kind: str
    state: str
    started: date
    due: date
    met_on: date | None
    ended_on: date | None
    reason: str | None
    article: str
    confirmed: bool
    benchmark: bool
    extension: bool
    labels: dict[str, str] = field(repr=False)
    sources: dict[str, str] = field(repr=False)
    escalated_on: date | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Deadline":
        """Read a line of the API. Errors: KeyError, FormatError."""
        return cls(
            kind=str(value["kind"]),
            state=str(value["state"]),
            started=rules.day(value["started"]),
            due=rules.day(value["due"]),
            met_on=rules.day_or_none(value["met_on"]),
            ended_on=rules.day_or_none(value["ended_on"]),
            reason=None if value["reason"] is None else str(value["reason"]),
            article=str(value["article"]),
            confirmed=bool(value["confirmed"]),
            benchmark=bool(value["benchmark"]),
            extension=bool(value["extension"]),
            labels=texts_of(value["labels"]),
            sources=texts_of(value["source_labels"]),
            escalated_on=rules.day_or_none(value.get("escalated_on")),
        )


@dataclass(frozen=True)
class Figure:
    """Numbers of limits of one kind whose last day lies in a month (`2026-11`); `counts` is by state."""

    month: str
    kind: str
    labels: dict[str, str] = field(repr=False)
    counts: dict[str, int]


STATES = ("met", "late", "running", "overdue", "extended", "ended")


def deadlines_of(value: dict[str, Any]) -> tuple[Deadline, ...]:
    """The limits of a case or an inbox; none from a service of the time before there were any."""
    return tuple(Deadline.from_json(line) for line in value.get("deadlines", ()))


def of_case(session: "StaffSession", case_id: str) -> tuple[Deadline, ...]:
    """The limits of a case; no key is needed. Errors: Problem, BadAnswer."""
    answer = session.call("GET", f"{_STAFF}/cases/{part_of_path(case_id)}").json()
    with understood():
        return deadlines_of(answer)


def extend(session: "StaffSession", case: "OpenedCase", until: date, reasons: str) -> tuple[Deadline, ...]:
    """Extend the time for considering a case and tell the reporter why; the limits of the case.

    While the receipt code is in doubt nobody is told: that time runs on. Errors: Problem, NotUnlocked.
    """
    body: dict[str, Any] = {"until": until.isoformat()}
    if not case.sealed.code_suspect:
        body["notice"] = session.sealed_message(case, reasons)
    path = f"{_STAFF}/cases/{part_of_path(case.line.id)}/extensions"
    answer = session.call("POST", path, body).json()
    with understood():
        return deadlines_of(answer)


def mark(
    session: "StaffSession", case: "OpenedCase", step: str, until: date | None = None, words: str = ""
) -> tuple[Deadline, ...]:
    """Begin or meet a limit that belongs to no step: `gaps` (with `until` and words for the reporter), `gaps_filled`,
    `recusal`, `recusal_decided`, `recusal_told`, `end_without_decision`. The limits of the case. Error: Problem.
    """
    body: dict[str, Any] = {"step": step, "until": until and until.isoformat()}
    if words and not case.sealed.code_suspect:
        body["notice"] = session.sealed_message(case, words)
    path = f"{_STAFF}/cases/{part_of_path(case.line.id)}/limits"
    answer = session.call("POST", path, body).json()
    with understood():
        return deadlines_of(answer)


def figures(session: "StaffSession", year: int | None = None) -> list[Figure]:
    """On-time figures of a year, this one unless asked otherwise, by month and kind (lead, auditor)."""
    params = {} if year is None else {"year": str(year)}
    answer = session.call("GET", f"{_STAFF}/figures/deadlines", params=params).json()
    with understood():
        return [
            Figure(
                str(line["month"]), str(line["kind"]), texts_of(line["labels"]),
                {state: rules.integer(line[state]) for state in STATES},
            )
            for line in answer["lines"]
        ]  # fmt: skip
