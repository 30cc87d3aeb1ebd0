"""Words of the steps of a case, grounds of a return, kinds of outcomes, and which categories tell of a crime: dated
data with sources.
"""

from collections.abc import Iterable
from datetime import date
from functools import cache

from pydantic import Field

from services.intake.dated import CODE, Frozen, Status, Word, load
from services.intake.form import load_form


class OutcomeKind(Word):
    """How a case may end; with a final act it is told to rewards, and may be told to the registry."""

    final_act: bool


class StepWords(Frozen):
    """Every list of words that a step uses."""

    as_of: date
    note: str
    sources: dict[str, str]
    states: tuple[Word, ...]
    steps: tuple[Word, ...]
    grounds: tuple[Word, ...]
    classifications: tuple[Word, ...]
    outcomes: tuple[OutcomeKind, ...]
    gravities: tuple[Word, ...]


class Told(Frozen):
    """Whether a category tells of a crime."""

    code: str = Field(pattern=CODE)
    tells_of_crime: bool
    source: str | None
    status: Status
    note: str | None = None


class Crimes(Frozen):
    """What each category of the form tells of."""

    as_of: date
    note: str
    sources: dict[str, str]
    categories: tuple[Told, ...]


@cache
def words() -> StepWords:
    """The words in force."""
    return load(StepWords, "steps/words")


@cache
def crimes() -> Crimes:
    """What each category tells of."""
    return load(Crimes, "steps/crimes")


def tells_of_crime(category: str) -> bool:
    """Whether a report of this category may tell of a crime; an unknown category does."""
    return all(line.tells_of_crime for line in crimes().categories if line.code == category)


def outcome_kind(code: str) -> OutcomeKind | None:
    """The kind of outcome with this code."""
    return next((kind for kind in words().outcomes if kind.code == code), None)


def is_body(code: str) -> bool:
    """Whether the list of bodies has this code, of whatever time: a case may be about a body of the past."""
    return load_form().lists["bodies"].find(code) is not None


def codes(lines: Iterable[Word]) -> frozenset[str]:
    """The codes of a list."""
    return frozenset(line.code for line in lines)
