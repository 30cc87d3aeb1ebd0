"""Working days against a counter that goes day by day over the raw files and knows nothing of the code."""

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.intake import calendar as calendars
from services.intake.calendar import (
    Calendar,
    NoCalendar,
    Year,
    add_months,
    make_calendar,
    read_years,
    zone_of,
)
from services.intake.settings import Settings

ONE = timedelta(days=1)
ALMATY = timezone(timedelta(hours=5))
YEARS = range(2012, 2028)
days = st.dates(date(2012, 1, 1), date(2027, 12, 31))
early = st.dates(date(2012, 1, 1), date(2027, 10, 31))


@pytest.fixture(scope="module", name="calendar")
def _calendar() -> Calendar:
    return make_calendar(read_years(), zone_of("Asia/Almaty"), time(9), time(17))


@cache
def raw() -> tuple[dict[str, str], dict[str, str]]:
    """(day off -> its name, worked day -> the day off it was given for), as they stand in the files."""
    off: dict[str, str] = {}
    worked: dict[str, str] = {}
    for file in sorted(calendars.FOLDER.glob("*.json")):
        year = json.loads(file.read_text())
        off |= {line["day"]: line["name"] for line in year["days_off"]}
        off |= {line["to"]: "moved" for line in year["moved"]}
        worked |= {line["was"]: line["to"] for line in year["moved"]}
    return off, worked


def rests(day: date) -> bool:
    off, worked = raw()
    if day.isoformat() in worked:
        return False
    return day.isoformat() in off or day.strftime("%A") in ("Saturday", "Sunday")


def counted(day: date, count: int) -> date:
    """The independent counter: one day after the other, a stroke for each day that is worked."""
    strokes = 0
    while strokes < count:
        day += ONE
        strokes += not rests(day)
    return day


def shared() -> Calendar:
    return make_calendar(read_years(), zone_of("Asia/Almaty"), time(9), time(17))


@given(days)
def test_every_day_is_worked_or_not_as_the_files_say(day: date) -> None:
    assert shared().works(day) is not rests(day)


@settings(max_examples=300)
@given(early, st.integers(0, 30))
@example(date(2013, 12, 27), 15)
@example(date(2020, 5, 7), 3)
@example(date(2026, 3, 20), 15)
def test_working_days_are_counted_from_the_next_day(day: date, count: int) -> None:
    assert shared().add(day, count) == counted(day, count)


@given(early)
def test_a_limit_that_ends_on_a_day_off_moves_to_the_next_working_day(day: date) -> None:
    moved = shared().on_or_after(day)
    assert not rests(moved)
    assert all(rests(day + ONE * i) for i in range((moved - day).days))


@given(early, st.times())
def test_the_day_of_registration_follows_from_hour_and_day_alone(day: date, hour: time) -> None:
    arrived = datetime.combine(day, hour, ALMATY).astimezone(UTC)
    # Before 1 March 2024 the clocks of Almaty stood at UTC+6.
    local = arrived.astimezone(ZoneInfo("Asia/Almaty"))
    kept = not rests(local.date()) and local.time() < time(17)
    assert shared().register_by(arrived) == (local.date() if kept else counted(local.date(), 1))


@pytest.mark.parametrize(
    ("arrives", "by"),
    [
        ("2026-11-25 00:00:00", "2026-11-25"),
        ("2026-11-25 08:59:59", "2026-11-25"),
        ("2026-11-25 16:59:59.999999", "2026-11-25"),
        ("2026-11-25 17:00:00", "2026-11-26"),
        ("2026-11-25 23:59:59", "2026-11-26"),
        ("2026-11-27 16:59:59", "2026-11-27"),
        ("2026-11-27 17:00:00", "2026-11-30"),
        ("2026-11-28 10:00:00", "2026-11-30"),
        ("2026-11-29 23:59:00", "2026-11-30"),
        ("2026-12-15 18:00:00", "2026-12-17"),
        ("2026-12-31 17:00:00", "2027-01-05"),
        ("2026-03-20 17:00:00", "2026-03-26"),
        ("2025-01-05 10:00:00", "2025-01-05"),
        ("2026-08-31 10:00:00", "2026-08-31"),
    ],
)
def test_borders_of_office_hours_weekends_and_holidays(calendar: Calendar, arrives: str, by: str) -> None:
    arrived = datetime.fromisoformat(arrives).replace(tzinfo=ALMATY)
    for zone in (UTC, ALMATY, timezone(timedelta(hours=-11))):  # the zone of the machine changes nothing
        assert calendar.register_by(arrived.astimezone(zone)) == date.fromisoformat(by)


def test_another_zone_and_other_hours_are_settings() -> None:
    calendar = make_calendar(read_years(), zone_of("UTC"), time(8), time(18, 30))
    assert calendar.register_by(datetime(2026, 11, 25, 18, 29, tzinfo=UTC)) == date(2026, 11, 25)
    assert calendar.register_by(datetime(2026, 11, 25, 18, 30, tzinfo=UTC)) == date(2026, 11, 26)


@pytest.mark.parametrize("year", YEARS)
def test_every_year_is_there_with_its_holidays_and_sources(calendar: Calendar, year: int) -> None:
    (found,) = (one for one in read_years() if one.year == year)
    names = {line.name for line in found.days_off}
    assert {"new-year", "christmas", "womens-day", "nauryz", "kurban-ait", "independence-day"} <= names
    assert date(year, 1, 7) in {line.day for line in found.days_off if line.kind == "religious"}
    assert sum(line.name == "kurban-ait" for line in found.days_off) == 1
    worked = sum(calendar.works(date(year, 1, 1) + ONE * i) for i in range(365))
    assert 240 <= worked <= 252
    assert all(found.sources.values())


def test_a_holiday_on_a_weekend_day_gives_the_next_free_working_day_and_a_religious_day_does_not() -> None:
    for year in read_years():
        instead = {line.instead_of: line.day for line in year.days_off if line.kind == "instead"}
        for line in year.days_off:
            if line.kind in ("national", "state"):
                assert (line.day in instead) is (line.day.weekday() >= 5), line.day
            elif line.kind == "religious":
                assert line.day not in instead
        assert all(day < given and given.weekday() < 5 for day, given in instead.items() if day)


def test_what_was_moved_was_free_and_became_work() -> None:
    off, worked = raw()
    for was, to in worked.items():
        day = date.fromisoformat(was)
        assert day.weekday() >= 5 or off[was] == "victory-day"
        assert date.fromisoformat(to).weekday() < 5
        assert not rests(day)
        assert rests(date.fromisoformat(to))


def test_the_constitution_day_moved_in_2026(calendar: Calendar) -> None:
    names = {
        year.year: {line.day for line in year.days_off if line.name == "constitution-day"}
        for year in read_years()
    }
    assert date(2025, 8, 30) in names[2025]
    assert names[2026] == set()
    assert names[2027] == {date(2027, 3, 15)}
    assert calendar.works(date(2026, 8, 31))


def test_a_year_without_data_is_an_error_and_never_a_guess(calendar: Calendar) -> None:
    for ask in (calendar.works, calendar.on_or_after, calendar.after):
        with pytest.raises(NoCalendar) as refused:
            ask(date(2028, 1, 3))
        assert refused.value.year == 2028
    with pytest.raises(NoCalendar):
        calendar.add(date(2027, 12, 20), 15)
    with pytest.raises(NoCalendar):
        calendar.register_by(datetime(2027, 12, 31, 18, tzinfo=ALMATY))
    with pytest.raises(NoCalendar):
        calendar.works(date(2011, 12, 30))


def test_what_is_not_confirmed_is_said(calendar: Calendar) -> None:
    assert calendar.unconfirmed == {2027}
    (last,) = (year for year in read_years() if year.year == 2027)
    assert last.note.startswith("NOT CONFIRMED")


def test_the_digest_changes_with_the_days_and_with_nothing_else(calendar: Calendar) -> None:
    years = read_years()
    other_hours = make_calendar(years, UTC, time(1), time(2))
    assert other_hours.digest == calendar.digest
    more = years[0].model_copy(
        update={
            "moved": (calendars.Moved(was="2012-02-04", to="2012-02-06", source="HOL", status="confirmed"),)
        }
    )
    assert make_calendar((more, *years[1:]), UTC, time(1), time(2)).digest != calendar.digest


def test_a_file_with_a_day_of_another_year_or_an_unnamed_source_is_refused() -> None:
    good = json.loads((calendars.FOLDER / "2026.json").read_text())
    day = good["days_off"][0]
    changes: tuple[dict[str, Any], ...] = (
        {"days_off": [{**day, "day": "2025-01-01"}]},
        {"days_off": [{**day, "source": "NOBODY"}]},
        {"days_off": []},
        {"extra": 1},
    )
    for bad in changes:
        with pytest.raises(ValidationError):
            Year.model_validate({**good, **bad})


def test_a_registration_under_another_calendar_never_comes_earlier_than_its_day() -> None:
    calendar = shared()
    assert calendar.registered_again(date(2026, 11, 25), date(2026, 11, 25)) == date(2026, 11, 25)
    assert calendar.registered_again(date(2026, 12, 16), date(2026, 12, 16)) == date(2026, 12, 17)
    assert calendar.registered_again(date(2026, 11, 27), date(2026, 11, 30)) == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [("2026-01-31", 1, "2026-02-28"), ("2023-12-31", 2, "2024-02-29"), ("2026-11-15", 2, "2027-01-15")],
)
def test_months_end_on_the_same_day_or_on_the_last_one(day: str, months: int, later: str) -> None:
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(later)


def test_an_unknown_zone_and_hours_that_end_before_they_begin_stop_the_start(
    environment: dict[str, str],
) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        zone_of("Asia/Nowhere")
    assert str(zone_of("Asia/Almaty")) == "Asia/Almaty"
    changes: tuple[dict[str, Any], ...] = ({"office_zone": "Asia/Nowhere"}, {"office_opens": "18:00"})
    for change in changes:
        with pytest.raises(ValidationError):
            Settings(**change)
