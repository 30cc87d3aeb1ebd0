"""Time limits as they are shown: to staff all of them, to the reporter those that say something to them."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake import clock_store, clocks
from services.intake.calendar import Calendar, NoCalendar
from services.intake.clock_schemas import DeadlineLine, StaffDeadlineLine
from services.intake.clocks import Facts, Limit


def facts_of(report: Row[Any], calendar: Calendar) -> Facts:
    """What the limits of a report rest on; where yesterday's code filed it, its day counts. Error: NoCalendar."""
    register_by = report.register_by or calendar.on_or_after(report.filed_on)
    return Facts(report.filed_on, register_by, report.classification)


def with_expected(rows: list[Limit], calendar: Calendar, report: Row[Any], today: date) -> list[Limit]:
    """The limits of a report, with those that run from the filing on and have no row before the first step."""
    try:
        facts = facts_of(report, calendar)
        return [*rows, *clocks.changes(clocks.FILING, rows, today, calendar, facts).new]
    except NoCalendar:
        return rows


def line(limit: Limit, calendar: Calendar, today: date) -> DeadlineLine:
    """A limit as it stands on a day."""
    rules = clocks.load_rules()
    rule = rules.find(limit.kind)
    years = {limit.started.year, limit.due.year}
    return DeadlineLine(
        kind=limit.kind,
        labels=rule.labels,
        article=rule.article,
        source=rule.source,
        source_labels=rules.sources[rule.source],
        confirmed=rule.status == "confirmed" and not (rule.counts_work and years & calendar.unconfirmed),
        benchmark=rule.benchmark,
        started=limit.started,
        due=limit.due,
        state=limit.state(today),
        met_on=limit.met_on,
        ended_on=limit.ended_on,
        reason=limit.reason,
        extension=limit.extended_from is not None,
    )


def for_reporter(limits: Iterable[Limit], calendar: Calendar, today: date) -> list[DeadlineLine]:
    """What a reporter is shown: no limits that only staff know, none that stopped to matter."""
    rules = clocks.load_rules()
    lines = [line(limit, calendar, today) for limit in limits if rules.find(limit.kind).reporter]
    return [one for one in lines if one.state != "ended"]


async def reporter_sees(
    conn: AsyncConnection, calendar: Calendar, report: Row[Any], today: date
) -> list[DeadlineLine]:
    """The limits of a report as its inbox shows them."""
    rows = await clock_store.limits_of(conn, report.id)
    return for_reporter(with_expected(rows, calendar, report, today), calendar, today)


async def staff_see(
    conn: AsyncConnection, calendar: Calendar, report: Row[Any], today: date
) -> list[StaffDeadlineLine]:
    """The limits of a case, oldest first."""
    rows = await clock_store.limits_of(conn, report.id)
    escalated = await clock_store.escalations_of(conn, report.id)
    return [
        StaffDeadlineLine(
            **dict(line(limit, calendar, today)), escalated_on=limit.id and escalated.get(limit.id)
        )
        for limit in with_expected(rows, calendar, report, today)
    ]
