"""Scheduled work of the law's clocks: reminders, escalation, and all limits anew when the calendar changes."""

from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake import clock_store, clock_upkeep, clocks, events
from services.intake.calendar import Calendar, NoCalendar
from services.intake.clock_figures import last_soon
from services.intake.clocks import Facts
from services.kit import logs
from services.kit.clock import day_of
from services.kit.jobs import Job, State

SOON, PASSED = "deadline-soon", "deadline-passed"
BATCH = 500
#: Data of a coming year are asked for when limits begin to reach into it.
AHEAD = timedelta(days=120)


async def remind(state: State, now: datetime) -> int:
    """Tell once of each limit that is due within two working days, and once more when it has passed, which takes it to
    the lead; the number told of.
    """
    today, calendar = day_of(now), state.context.calendar
    soon = last_soon(today, calendar)
    async with state.engine.begin() as conn:
        await clock_upkeep.open_registrations(conn, soon)
        near = await clock_upkeep.take_near(conn, today, soon)
        await _tell(conn, SOON, near, today)
        passed = await clock_upkeep.take_passed(conn, today)
        await _tell(conn, PASSED, passed, today)
    return len(near) + len(passed)


async def _tell(conn: AsyncConnection, kind: str, reports: list[clock_upkeep.ReportId], today: date) -> None:
    """An event for each limit; one message for each person, however many limits theirs are."""
    for _ in reports:
        await events.tell(conn, kind, today)
    for person in await clock_upkeep.people_of(conn, reports):
        await events.notify(conn, kind, today, person)


async def recompute(state: State, now: datetime) -> int:
    """Compute open limits again when the working days changed, and those that yesterday's code left out; the number of
    days changed and limits added. Met limits stay as they were.
    """
    calendar, today = state.context.calendar, day_of(now)
    if (today + AHEAD).year not in calendar.years:
        logs.info("calendar-ends")
    done = await _registrations(state, calendar)
    done += await _histories(state, calendar)
    async with state.engine.begin() as conn:
        known = await clock_upkeep.digest(conn)
    if known == calendar.digest:
        return done
    if known is not None:
        done += await _days(state, calendar, today)
    # Last of all: a run that was cut off begins again.
    async with state.engine.begin() as conn:
        await clock_upkeep.set_digest(conn, calendar.digest, today)
    return done


async def _registrations(state: State, calendar: Calendar) -> int:
    """Reports that yesterday's code filed, or that came when nobody knew the working days yet."""
    done, after = 0, clock_upkeep.FIRST
    while True:
        async with state.engine.begin() as conn:
            rows = await clock_upkeep.without_registration(conn, after, BATCH)
            for row in rows:
                try:
                    by = calendar.on_or_after(row.filed_on)
                except NoCalendar:
                    continue
                await clock_upkeep.set_registration(conn, row.id, by)
                done += 1
        if len(rows) < BATCH:
            return done
        after = rows[-1].id


async def _histories(state: State, calendar: Calendar) -> int:
    """Cases that yesterday's code moved on: their limits follow from their history."""
    done, after = 0, clock_upkeep.FIRST
    while True:
        async with state.engine.begin() as conn:
            found = await clock_upkeep.without_limits(conn, after, BATCH)
            for report_id in found:
                done += await _history(conn, calendar, report_id)
        if len(found) < BATCH:
            return done
        after = found[-1]


async def _history(conn: AsyncConnection, calendar: Calendar, report_id: clock_upkeep.ReportId) -> int:
    await clock_upkeep.lock(conn, report_id)
    if await clock_store.limits_of(conn, report_id):
        return 0
    try:
        facts = await clock_store.facts_of(conn, calendar, report_id)
        limits = clocks.replay(await clock_upkeep.steps_of(conn, report_id), calendar, facts)
    except NoCalendar:
        return 0
    await clock_store.add(conn, report_id, limits)
    return len(limits)


async def _days(state: State, calendar: Calendar, today: date) -> int:
    """New last days of what is open: registrations, then limits."""
    done, after = 0, clock_upkeep.FIRST
    while True:
        async with state.engine.begin() as conn:
            rows = await clock_upkeep.open_cases(conn, after, BATCH)
            for row in rows:
                done += await _case_again(conn, calendar, row, today)
        if len(rows) < BATCH:
            return done
        after = rows[-1].id


async def _case_again(
    conn: AsyncConnection, calendar: Calendar, row: clock_upkeep.OpenCase, today: date
) -> int:
    try:
        by = calendar.registered_again(row.filed_on, row.register_by)
        facts = Facts(row.filed_on, by)
        limits = [limit for limit in await clock_store.limits_of(conn, row.id) if limit.running]
        moved = [(limit, clocks.computed_again(limit, calendar, facts)) for limit in limits]
    except NoCalendar:
        return 0
    changed = [(limit, day) for limit, day in moved if limit.due != day]
    for limit, day in changed:
        await clock_upkeep.set_due(conn, limit, day, today)
    if row.waits and by != row.register_by:
        await clock_upkeep.set_registration(conn, row.id, by)
    return len(changed) + (row.waits and by != row.register_by)


RECOMPUTE = Job("intake.recompute-deadlines", recompute, hour=6)
REMIND = Job("intake.remind", remind, hour=7)
