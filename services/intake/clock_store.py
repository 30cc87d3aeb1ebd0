"""SQL of the law's clocks. Functions take a connection inside the caller's transaction; the report is locked by it."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake import clocks
from services.intake.calendar import Calendar, NoCalendar
from services.intake.clock_models import deadlines
from services.intake.clocks import Facts, Limit
from services.intake.models import reports
from services.kit.i18n import N_
from services.kit.problems import Unavailable

_NO_CALENDAR = N_("The working days of a coming year are not known yet. Add its calendar first.")
_RUNNING = and_(deadlines.c.met_on.is_(None), deadlines.c.ended_on.is_(None))


async def moved(
    conn: AsyncConnection,
    calendar: Calendar,
    report_id: UUID,
    step: str,
    day: date,
    given: date | None = None,
) -> None:
    """Let a step of a locked case start, meet and end its limits; call it once for every step, after the classification
    of the case is stored. `given` is the day of a limit that somebody sets.

    Error: NoCalendar when a limit would reach into a year whose working days are not known.
    """
    facts = await facts_of(conn, calendar, report_id)
    rows = await limits_of(conn, report_id)
    found = clocks.changes(step, rows, day, calendar, facts, given)
    for row in found.changed:
        await end(conn, row)
    await add(conn, report_id, found.new)


@contextmanager
def known_days() -> Iterator[None]:
    """Refuse what needs the working days of a year that nobody has entered yet. Error: Unavailable."""
    try:
        yield
    except NoCalendar:
        raise Unavailable(_NO_CALENDAR) from None


async def facts_of(conn: AsyncConnection, calendar: Calendar, report_id: UUID) -> Facts:
    """What the limits of a case rest on. Where yesterday's code filed it, the day of its filing counts."""
    columns = (reports.c.filed_on, reports.c.register_by, reports.c.classification)
    query = select(*columns).where(reports.c.id == report_id)
    filed_on, register_by, found = (await conn.execute(query)).one()
    return Facts(filed_on, register_by or calendar.on_or_after(filed_on), found)


async def limits_of(conn: AsyncConnection, report_id: UUID) -> list[Limit]:
    """All limits of a case that ever ran, oldest first."""
    rows = await conn.execute(
        select(deadlines)
        .where(deadlines.c.report_id == report_id)
        .order_by(deadlines.c.started, deadlines.c.due, deadlines.c.kind)
    )
    return [limit_of(row) for row in rows]


def limit_of(row: Row[Any]) -> Limit:
    return Limit(
        row.id, row.kind, row.started, row.due, row.met_on, row.ended_on, row.reason, row.extended_from
    )


async def end(conn: AsyncConnection, limit: Limit) -> None:
    """Keep that a stored limit was met or ended."""
    await conn.execute(
        update(deadlines)
        .where(deadlines.c.id == limit.id)
        .values(met_on=limit.met_on, ended_on=limit.ended_on, reason=limit.reason)
    )


async def add(conn: AsyncConnection, report_id: UUID, limits: Iterable[Limit]) -> None:
    """Store new limits of a case."""
    rules = clocks.load_rules()
    rows: Sequence[dict[str, Any]] = [
        {
            "id": uuid.uuid4(),
            "report_id": report_id,
            "kind": limit.kind,
            "started": limit.started,
            "due": limit.due,
            "met_on": limit.met_on,
            "ended_on": limit.ended_on,
            "reason": limit.reason,
            "source": rules.find(limit.kind).source,
            "extended_from": limit.extended_from,
        }
        for limit in limits
    ]
    if rows:
        await conn.execute(insert(deadlines), rows)


async def told(conn: AsyncConnection, report_id: UUID, day: date) -> None:
    """The desk wrote to the reporter: what they had to be told in a given time, they were told."""
    notices = [rule.kind for rule in clocks.load_rules().rules if clocks.TOLD in rule.met]
    await conn.execute(
        update(deadlines)
        .where(deadlines.c.report_id == report_id, deadlines.c.kind.in_(notices), _RUNNING)
        .values(met_on=day)
    )


async def extend(
    conn: AsyncConnection, calendar: Calendar, report_id: UUID, old: Limit, new: Limit, day: date
) -> None:
    """Put a limit in the place of another one, and start the time in which the reporter is told."""
    await end(conn, replace(old, ended_on=day, reason=clocks.EXTENDED))
    await add(conn, report_id, [new])
    await moved(conn, calendar, report_id, clocks.EXTEND, day)


async def escalations_of(conn: AsyncConnection, report_id: UUID) -> dict[UUID, date]:
    """Limit -> day on which it went to the lead."""
    query = select(deadlines.c.id, deadlines.c.escalated_on).where(
        deadlines.c.report_id == report_id, deadlines.c.escalated_on.is_not(None)
    )
    return {row.id: row.escalated_on for row in await conn.execute(query)}
