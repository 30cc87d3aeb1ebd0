"""SQL over many cases' limits: which cases are due, and how punctual the desk is."""

from datetime import date, timedelta

from sqlalchemy import ColumnElement, and_, case, extract, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake import clocks, rules
from services.intake.calendar import Calendar, NoCalendar
from services.intake.clock_models import deadlines
from services.intake.clock_schemas import DeadlineFigure
from services.intake.models import reports

RUNNING = and_(deadlines.c.met_on.is_(None), deadlines.c.ended_on.is_(None))

#: Limits this near are "soon", in working days.
SOON_DAYS = 2


def due_cases(wanted: str, today: date, calendar: Calendar) -> ColumnElement[bool]:
    """Reports with a running limit that is `overdue`, due `soon`, or `escalated`.

    A report that nobody registered yet may have no limits as rows, only its day of registration.
    """
    if wanted == "escalated":
        return reports.c.id.in_(
            select(deadlines.c.report_id).where(RUNNING, deadlines.c.escalated_on.is_not(None))
        )
    if wanted == "overdue":
        not_registered = and_(reports.c.state == rules.RECEIVED, reports.c.register_by < today)
        return or_(reports.c.next_due < today, not_registered)
    waiting = reports.alias("waiting")
    soon = last_soon(today, calendar)
    limits = select(deadlines.c.report_id).where(RUNNING, deadlines.c.due.between(today, soon))
    unregistered = select(waiting.c.id).where(
        waiting.c.state == rules.RECEIVED, waiting.c.register_by.between(today, soon)
    )
    return reports.c.id.in_(limits.union(unregistered))


def last_soon(today: date, calendar: Calendar) -> date:
    """The last day that is "soon"; where the calendar ends, that many days and a weekend from today."""
    try:
        return calendar.add(today, SOON_DAYS)
    except NoCalendar:
        return today + timedelta(days=SOON_DAYS + 2)


async def figures(conn: AsyncConnection, year: int, today: date) -> list[DeadlineFigure]:
    """Numbers of limits by month of their last day and by kind."""
    month = extract("month", deadlines.c.due)
    state = case(
        (and_(deadlines.c.met_on.is_not(None), deadlines.c.met_on <= deadlines.c.due), "met"),
        (deadlines.c.met_on.is_not(None), "late"),
        (deadlines.c.reason == clocks.EXTENDED, "extended"),
        (deadlines.c.ended_on.is_not(None), "ended"),
        (deadlines.c.due < today, "overdue"),
        else_="running",
    )
    query = (
        select(month.label("month"), deadlines.c.kind, state.label("state"), func.count().label("number"))
        .where(deadlines.c.due.between(date(year, 1, 1), date(year, 12, 31)))
        .group_by(month, deadlines.c.kind, state)
    )
    found: dict[tuple[int, str], dict[str, int]] = {}
    for row in await conn.execute(query):
        found.setdefault((int(row.month), row.kind), {})[row.state] = row.number
    return [_figure(year, at, kind, counts) for (at, kind), counts in sorted(found.items())]


def _figure(year: int, month: int, kind: str, counts: dict[str, int]) -> DeadlineFigure:
    rule = clocks.load_rules().find(kind)
    states = ("met", "late", "running", "overdue", "extended", "ended")
    return DeadlineFigure(
        month=f"{year}-{month:02}",
        kind=kind,
        labels=rule.labels,
        benchmark=rule.benchmark,
        **{state: counts.get(state, 0) for state in states},
    )
