"""Working days of Kazakhstan as dated data, and the arithmetic of time limits on them. Pure once it is loaded.

A year without data is an error, never a guess. Days are counted in the zone of the settings, never in that of the
machine. Hours matter only at filing, and only the day that follows from them is kept.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from services.intake.dated import REFERENCE, Frozen
from services.intake.protection import add_months
from services.kit.clock import KAZAKHSTAN

FOLDER = REFERENCE / "calendar"
_ONE = timedelta(days=1)
_SATURDAY = 5

Confirmed = Literal["confirmed", "not-confirmed"]

__all__ = ["Calendar", "NoCalendar", "Year", "add_months", "make_calendar", "read_years", "zone_of"]


class NoCalendar(LookupError):
    """No working days are known for a year: data of it must be added before a limit can reach into it."""

    def __init__(self, year: int) -> None:
        super().__init__(f"no calendar of the year {year}")
        self.year = year


class DayOff(Frozen):
    """A day off that is no weekend: a holiday, a religious day, or the day off that replaces a holiday (`instead_of`)."""

    day: date
    name: str
    kind: Literal["national", "state", "religious", "instead"]
    instead_of: date | None = None
    source: str
    status: Confirmed


class Moved(Frozen):
    """A day off that the government moved: `was` (in most cases a weekend day) is worked, `to` is free."""

    was: date
    to: date
    source: str
    status: Confirmed


class Year(Frozen):
    """The days off of one year. `moved` stands with the year of the day that became free."""

    year: int
    status: Confirmed
    note: str
    sources: dict[str, str]
    days_off: tuple[DayOff, ...] = Field(min_length=1)
    moved: tuple[Moved, ...]

    @model_validator(mode="after")
    def _in_its_year(self) -> Self:
        keys = {line.source for line in self.days_off} | {line.source for line in self.moved}
        if not keys <= set(self.sources):
            raise ValueError("a source is not named")
        if {line.day.year for line in self.days_off} | {line.to.year for line in self.moved} != {self.year}:
            raise ValueError("a day of another year")
        return self


@dataclass(frozen=True)
class Calendar:
    """Working days. `free` are days off from Monday to Friday, `worked` the days that would be off and are worked."""

    zone: ZoneInfo | timezone
    opens: time
    closes: time
    years: frozenset[int]
    unconfirmed: frozenset[int]
    free: frozenset[date]
    worked: frozenset[date]
    digest: bytes

    def works(self, day: date) -> bool:
        """Whether a day is a working day. Error: NoCalendar."""
        if day.year not in self.years:
            raise NoCalendar(day.year)
        return day in self.worked or (day.weekday() < _SATURDAY and day not in self.free)

    def on_or_after(self, day: date) -> date:
        """The day itself, or the next working day when it is a day off. Error: NoCalendar."""
        while not self.works(day):
            day += _ONE
        return day

    def after(self, day: date) -> date:
        """The next working day after a day. Error: NoCalendar."""
        return self.on_or_after(day + _ONE)

    def add(self, day: date, count: int) -> date:
        """The last of `count` working days that follow `day`; `day` itself for none. Error: NoCalendar."""
        for _ in range(count):
            day = self.after(day)
        return day

    def register_by(self, now: datetime) -> date:
        """The day on which a report that arrives `now` is registered at the latest: that day, or the next working day
        when the office has closed already or does not open at all. Error: NoCalendar.
        """
        local = now.astimezone(self.zone)
        day = local.date()
        return self.after(day) if local.time() >= self.closes else self.on_or_after(day)

    def registered_again(self, filed_on: date, register_by: date) -> date:
        """The same under this calendar for a report of an earlier one; only the days are known. Error: NoCalendar."""
        return self.on_or_after(filed_on) if register_by == filed_on else self.after(filed_on)


def zone_of(name: str) -> ZoneInfo | timezone:
    """A time zone by name. Errors: ValueError for one that is unknown, or known here only as it was before 2024."""
    try:
        zone = ZoneInfo(name)
    except (LookupError, OSError):
        raise ValueError("no such time zone on this machine") from None
    summer = datetime(2024, 6, 1, tzinfo=zone)
    if name == str(KAZAKHSTAN) and zone.utcoffset(summer) != KAZAKHSTAN.utcoffset(None):
        raise ValueError("the time zone data of this machine is older than 1 March 2024")
    return zone


@cache
def read_years() -> tuple[Year, ...]:
    """The data of all years, oldest first. Errors: pydantic.ValidationError when a file breaks its shape."""
    files = sorted(FOLDER.glob("*.json"))
    return tuple(Year.model_validate(json.loads(file.read_text(encoding="utf-8"))) for file in files)


def make_calendar(years: tuple[Year, ...], zone: ZoneInfo | timezone, opens: time, closes: time) -> Calendar:
    """The calendar that the data of some years gives, with the hours of an office."""
    free = frozenset(line.day for year in years for line in year.days_off)
    moved = [line for year in years for line in year.moved]
    free |= {line.to for line in moved}
    worked = frozenset(line.was for line in moved)
    known = frozenset(year.year for year in years)
    facts = json.dumps([sorted(known), *(sorted(map(str, days)) for days in (free, worked))])
    unconfirmed = frozenset(year.year for year in years if year.status == "not-confirmed")
    return Calendar(
        zone, opens, closes, known, unconfirmed, free, worked, hashlib.sha256(facts.encode()).digest()
    )
