"""Protection against retaliation as rules: when it runs out, and what a reporter may be told of their rights.

What the law's text did not confirm is marked so; the number of months is a setting, not a fact.
"""

import calendar
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.intake.dated import Frozen, Labels, load

ASKED, IN_HAND, ENDED = "asked", "in_hand", "ended"

#: What the desk may make of a protection. A new report of retaliation asks for action again, whatever it was.
STEPS: Mapping[str, frozenset[str]] = {
    ASKED: frozenset({IN_HAND, ENDED}),
    IN_HAND: frozenset({ENDED}),
    ENDED: frozenset({IN_HAND}),
}


def may_step(status: str, to: str) -> bool:
    """Whether a protection in `status` may go to `to`."""
    return to in STEPS.get(status, frozenset())


def add_months(day: date, months: int) -> date:
    """The same day of the month so many months later, or the last day of a shorter month. Error: OverflowError."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not date.min.year <= year <= date.max.year:
        raise OverflowError("no such year")
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def last_day(started: date, months: int) -> date:
    """The last day of a protection that began on a day and runs for whole months."""
    return add_months(started, months)


class Statement(Frozen):
    """One thing the law gives a reporter; `source` is a key of the sources, None if no source was found."""

    code: str
    labels: Labels
    source: str | None
    status: Literal["confirmed", "not-confirmed"]


class Rights(Frozen):
    """What reporters are told about their rights, as of a version."""

    version: str
    sources: dict[str, Labels]
    statements: tuple[Statement, ...] = Field(min_length=1)


class Result(Frozen):
    """How an incident may end; our own word, not one of the law."""

    code: str
    labels: Labels


class Articles(Frozen):
    """Articles of the law that a disclosure may break, and how an incident may end."""

    version: str
    sources: dict[str, Labels]
    results: tuple[Result, ...] = Field(min_length=1)
    articles: tuple[Statement, ...] = Field(min_length=1)


@cache
def load_rights() -> Rights:
    """The rights in force."""
    return load(Rights, "protection/rights")


@cache
def load_articles() -> Articles:
    """The articles a disclosure incident may name."""
    return load(Articles, "protection/articles")


def article_codes() -> frozenset[str]:
    """The codes of the articles."""
    return frozenset(article.code for article in load_articles().articles)


def result_codes() -> frozenset[str]:
    """The codes of how an incident may end."""
    return frozenset(result.code for result in load_articles().results)


def may_end_incident(recorded_by: UUID, by: UUID) -> bool:
    """Whether a person may end an incident: what one lead recorded, another one ends."""
    return recorded_by != by
