"""Rules of the registry as pure functions over dated data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

#: Who may call which staff route; there is none yet, so everybody is refused.
ACCESS: Mapping[str, frozenset[str]] = {}


@dataclass(frozen=True)
class Publication:
    """Whether the register is public from a day on, on what ground, and whether that ground is confirmed."""

    valid_from: date
    state: str
    ground: str
    status: str


#: Nothing is public before somebody decided so.
NEVER_DECIDED = Publication(date.min, "off", "", "not-confirmed")


def publication_on(rows: Iterable[Publication], day: date) -> Publication:
    """The decision in force on a day; off when there is none."""
    known = [row for row in rows if row.valid_from <= day]
    return max(known, key=lambda row: row.valid_from, default=NEVER_DECIDED)
