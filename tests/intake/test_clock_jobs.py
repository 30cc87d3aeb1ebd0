"""Scheduled work on limits: told once, escalated once, and everything anew when somebody changes the calendar."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.intake import clock_jobs, clock_upkeep
from services.intake.calendar import Calendar
from services.intake.jobs import JOBS
from services.kit.jobs import run_job
from tests.intake.builders import Filed, Sql, World, assign, filed
from tests.intake.test_calendar import counted
from tests.intake.test_deadlines import ONE, at, case, deadlines, listed, step, today

__all__ = ["case", "today"]

SOON, PASSED = "deadline-soon", "deadline-passed"


async def remind(world: World) -> int:
    return await run_job(world.app.state, clock_jobs.REMIND, world.now())


async def recompute(world: World) -> int:
    return await run_job(world.app.state, clock_jobs.RECOMPUTE, world.now())


def told(sql: Sql, consumer: str = "siem") -> dict[str, int]:
    rows = sql(
        "SELECT kind, count(*) FROM intake.outbox WHERE consumer = %s AND kind LIKE 'deadline%%' GROUP BY 1",
        consumer,
    )
    return {str(kind): int(count) for kind, count in rows}


@pytest.fixture(autouse=True)
def _listening(sql: Sql) -> None:
    """Consumers that have read once: for others nothing is kept."""
    for consumer in ("siem", "webhooks", "mail"):
        sql("INSERT INTO intake.feed_consumers (consumer, given, acknowledged) VALUES (%s, 0, 0)", consumer)


@pytest.fixture
def set_calendar(world: World) -> Iterator[Callable[..., Calendar]]:
    """Put another calendar into the service, as a start with changed data does."""
    context = world.app.state.context

    def change(**changes: object) -> Calendar:
        calendar: Calendar = replace(context.calendar, digest=repr(sorted(changes)).encode(), **changes)
        world.app.state.context = replace(context, calendar=calendar)
        return calendar

    yield change
    world.app.state.context = context


def test_both_jobs_are_scheduled_by_name() -> None:
    names = [job.name for job in JOBS]
    assert names.index("intake.recompute-deadlines") < names.index("intake.remind")


# --- reminders


async def test_a_report_that_nobody_registers_is_told_of_once_and_then_escalated_once(
    world: World, case: Filed, today: date, sql: Sql
) -> None:
    assert await remind(world) == 1
    assert told(sql) == {SOON: 1}
    assert await remind(world) == 0
    at(world, today + ONE)
    assert await remind(world) == 1
    assert await remind(world) == 0
    assert told(sql) == told(sql, "webhooks") == {SOON: 1, PASSED: 1}
    seen = (await deadlines(world, case))["register"]
    assert (seen["state"], seen["escalated_on"]) == ("overdue", (today + ONE).isoformat())
    assert await listed(world, "escalated") == {case.reference}
    await step(world, case, "register")
    assert (await deadlines(world, case))["register"]["state"] == "late"
    assert await listed(world, "escalated") == set()


async def test_a_case_is_told_of_two_working_days_before_its_limit(
    world: World, case: Filed, today: date, sql: Sql
) -> None:
    await step(world, case, "register")
    await step(world, case, "review")
    at(world, counted(today, 12))
    await remind(world)
    assert told(sql) == {}
    at(world, counted(today, 13))
    assert await remind(world) == 1
    assert told(sql) == {SOON: 1}


async def test_what_was_met_is_never_told_of(world: World, case: Filed, today: date, sql: Sql) -> None:
    await step(world, case, "register")
    await step(world, case, "review")
    sql("UPDATE intake.deadlines SET met_on = started WHERE ended_on IS NULL AND met_on IS NULL")
    at(world, counted(today, 40))
    assert await remind(world) == 0
    assert told(sql) == {}


async def test_everybody_who_has_the_case_is_notified_once_a_day_however_many_limits(
    world: World, today: date, sql: Sql
) -> None:
    member = world.member("investigator")
    leads = set()
    for _ in range(2):
        one = await filed(world)
        await step(world, one, "register")
        await assign(world, one, member)
        assert one.lead
        leads.add(one.lead.id)
    at(world, counted(today, 1))
    assert await remind(world) == 4  # forwarding and return of two cases
    rows = sql("SELECT kind, person::text FROM intake.outbox WHERE consumer = 'mail' AND kind = %s", SOON)
    assert sorted(rows) == sorted((SOON, person) for person in {member.id, *leads})
    assert told(sql) == {SOON: 4}


async def test_whose_access_ended_is_not_notified(world: World, case: Filed, today: date, sql: Sql) -> None:
    member = world.member("investigator")
    await step(world, case, "register")
    await assign(world, case, member)
    sql("UPDATE intake.assignments SET ended = day")
    at(world, counted(today, 1))
    await remind(world)
    assert sql("SELECT count(*) FROM intake.outbox WHERE consumer = 'mail' AND kind = %s", SOON) == [(0,)]


async def test_events_of_limits_say_kind_and_day_and_nothing_of_the_case(
    world: World, case: Filed, today: date, sql: Sql
) -> None:
    await remind(world)
    rows = sql("SELECT row_to_json(o)::text FROM intake.outbox o WHERE kind = %s", SOON)
    assert rows
    for (row,) in rows:
        assert case.id not in row
        assert case.reference not in row


async def test_registration_at_the_moment_of_the_reminder_leaves_one_limit(
    world: World, case: Filed, sql: Sql
) -> None:
    await asyncio.gather(remind(world), step(world, case, "register"))
    assert sql("SELECT count(*), count(met_on) FROM intake.deadlines WHERE kind = 'register'") == [(1, 1)]


# --- the calendar changes


async def test_a_new_day_off_moves_what_is_open_and_keeps_what_was_met(
    world: World, case: Filed, today: date, sql: Sql, set_calendar: Callable[..., Calendar]
) -> None:
    await recompute(world)
    await step(world, case, "register")
    calendar = world.app.state.context.calendar
    new_holiday = counted(today, 2)
    set_calendar(free=calendar.free | {new_holiday}, worked=calendar.worked - {new_holiday})
    moved = await recompute(world)
    seen = await deadlines(world, case)
    assert seen["decide"]["due"] == counted(today, 16).isoformat()
    assert seen["forward"]["due"] == seen["return"]["due"] == counted(today, 4).isoformat()
    assert seen["register"]["due"] == today.isoformat()
    assert seen["eu_feedback"]["state"] == "running"
    assert moved == 3
    assert await recompute(world) == 0
    assert sql("SELECT name, day FROM intake.calendars") == [("kz", today)]


async def test_a_report_that_waits_for_registration_moves_too(
    world: World, case: Filed, today: date, sql: Sql, set_calendar: Callable[..., Calendar]
) -> None:
    await recompute(world)
    calendar = world.app.state.context.calendar
    set_calendar(free=calendar.free | {today}, worked=calendar.worked - {today})
    assert await recompute(world) == 1
    assert (await deadlines(world, case))["register"]["due"] == counted(today, 1).isoformat()


async def test_a_limit_that_lies_ahead_again_is_told_of_again(
    world: World, case: Filed, today: date, sql: Sql, set_calendar: Callable[..., Calendar]
) -> None:
    await recompute(world)
    await step(world, case, "register")
    await step(world, case, "review")
    last = counted(today, 15)
    at(world, last + ONE)
    await remind(world)
    assert await listed(world, "escalated") == {case.reference}
    calendar = world.app.state.context.calendar
    off = {last - ONE * i for i in range(12)}
    set_calendar(free=calendar.free | off, worked=calendar.worked - off)
    await recompute(world)
    assert await listed(world, "escalated") == set()
    assert (await deadlines(world, case))["decide"]["state"] == "running"


async def test_an_extension_keeps_its_day(
    world: World, case: Filed, today: date, sql: Sql, set_calendar: Callable[..., Calendar]
) -> None:
    await recompute(world)
    await step(world, case, "register")
    until = counted(today, 30)
    sql("UPDATE intake.deadlines SET ended_on = started, reason = 'extended' WHERE kind = 'decide'")
    sql(
        "INSERT INTO intake.deadlines (id, report_id, kind, started, due, source, extended_from) "
        "SELECT gen_random_uuid(), report_id, kind, started, %s, source, id FROM intake.deadlines WHERE kind = 'decide'",
        until,
    )
    calendar = world.app.state.context.calendar
    early = counted(today, 2)
    set_calendar(free=calendar.free | {early}, worked=calendar.worked)
    await recompute(world)
    assert (await deadlines(world, case))["decide"]["due"] == until.isoformat()
    set_calendar(free=calendar.free | {early, until}, worked=calendar.worked - {until}, closes=calendar.opens)
    await recompute(world)
    assert (await deadlines(world, case))["decide"]["due"] == counted(until, 1).isoformat()


async def test_a_year_that_is_missing_leaves_days_as_they_are(
    world: World, case: Filed, set_calendar: Callable[..., Calendar]
) -> None:
    await recompute(world)
    await step(world, case, "register")
    before = await deadlines(world, case)
    set_calendar(years=frozenset(), free=frozenset())
    assert await recompute(world) == 0
    assert {kind: line["due"] for kind, line in (await deadlines(world, case)).items()} == {
        kind: line["due"] for kind, line in before.items()
    }


# --- what yesterday's code left


async def test_a_report_without_a_day_of_registration_gets_one(
    world: World, case: Filed, today: date, sql: Sql
) -> None:
    sql("UPDATE intake.reports SET register_by = NULL")
    assert (await deadlines(world, case))["register"]["due"] == today.isoformat()
    assert await recompute(world) == 1
    assert sql("SELECT register_by FROM intake.reports") == [(today,)]
    assert await recompute(world) == 0


async def test_a_case_that_yesterday_s_code_moved_gets_the_limits_of_its_history(
    world: World, case: Filed, today: date, sql: Sql
) -> None:
    sql("UPDATE intake.reports SET register_by = NULL, state = 'in_review'")
    for place, (state, day) in enumerate([("registered", today), ("in_review", today + ONE)], 1):
        sql(
            "INSERT INTO intake.states (id, report_id, place, state, day, person) VALUES (%s, %s, %s, %s, %s, %s)",
            uuid.uuid4(), case.id, place, state, day, uuid.uuid4(),
        )  # fmt: skip
    at(world, today + timedelta(days=2))
    assert await recompute(world) == 1 + 6
    seen = await deadlines(world, case)
    assert {kind: line["state"] for kind, line in seen.items()} == {
        "register": "met",
        "eu_ack": "met",
        "eu_feedback": "running",
        "decide": "running",
        "forward": "ended",
        "return": "ended",
    }
    assert seen["decide"]["due"] == counted(today, 15).isoformat()
    assert await recompute(world) == 0


async def test_a_run_over_many_reports_loses_none(
    world: World,
    today: date,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    set_calendar: Callable[..., Calendar],
) -> None:
    monkeypatch.setattr(clock_jobs, "BATCH", 2)
    cases = [await filed(world) for _ in range(5)]
    await recompute(world)
    for one in cases:
        await step(world, one, "register")
    calendar = world.app.state.context.calendar
    off = counted(today, 5)
    set_calendar(free=calendar.free | {off}, worked=calendar.worked - {off})
    assert await recompute(world) == 5
    due = sql("SELECT DISTINCT due FROM intake.deadlines WHERE kind = 'decide'")
    assert due == [(counted(today, 16),)]


async def test_a_run_that_is_cut_off_begins_again(
    world: World,
    case: Filed,
    today: date,
    monkeypatch: pytest.MonkeyPatch,
    set_calendar: Callable[..., Calendar],
) -> None:
    await recompute(world)
    await step(world, case, "register")
    calendar = world.app.state.context.calendar
    off = counted(today, 5)
    set_calendar(free=calendar.free | {off}, worked=calendar.worked - {off})

    async def cut(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(clock_upkeep, "set_digest", cut)
        with pytest.raises(RuntimeError):
            await recompute(world)
    assert (await deadlines(world, case))["decide"]["due"] == counted(today, 16).isoformat()
    assert await recompute(world) == 0
