"""Rules of rewards as pure functions over dated data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

#: Who may call which staff route; there is none yet, so everybody is refused.
ACCESS: Mapping[str, frozenset[str]] = {}


@dataclass(frozen=True)
class Mci:
    """A value of the monthly calculation index: whole tenge, valid from a day, with its source and its certainty."""

    valid_from: date
    scope: str
    tenge: int
    source: str
    status: str


class NoMciError(LookupError):
    """No value is known for that day: a missing year is an error, never a guess."""


def mci_on(values: Iterable[Mci], day: date, scope: str = "general") -> Mci:
    """The index in force on a day.

    A budget law fixes the index for its calendar year, so a value of one year never serves the next.
    Errors: NoMciError.
    """
    known = [v for v in values if v.scope == scope and v.valid_from <= day and v.valid_from.year == day.year]
    if not known:
        raise NoMciError("no index is known for this day")
    return max(known, key=lambda v: v.valid_from)
