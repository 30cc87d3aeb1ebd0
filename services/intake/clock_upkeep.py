"""SQL of the scheduled work on limits: what is near, what passed, what an earlier calendar or older code left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, insert, literal, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake import clocks, rules
from services.intake.clock_figures import RUNNING
from services.intake.clock_models import calendars, deadlines
from services.intake.clocks import Limit
from services.intake.models import assignments, reports, states

ReportId = UUID
#: Before every id: where a walk over all reports begins.
FIRST = UUID(int=0)
_NAME = "kz"
#: State -> the step that led there, for rows of the time before there were steps.
_STEPS = {"registered": "register", "in_review": "review", "closed": "close"}


@dataclass(frozen=True)
class OpenCase:
    """A report with an open limit; `waits`: nobody registered it yet."""

    id: UUID
    filed_on: date
    register_by: date
    waits: bool


# --- reminders


async def open_registrations(conn: AsyncConnection, soon: date) -> None:
    """Give reports that must be registered by `soon`, and are not, the row of that limit."""
    kind = clocks.REGISTER
    has = exists().where(deadlines.c.report_id == reports.c.id, deadlines.c.kind == kind)
    source = clocks.load_rules().find(kind).source
    # Locked, so that a step that registers one of them at this moment is waited for and seen.
    waiting = (
        select(
            func.gen_random_uuid(),
            reports.c.id,
            literal(kind),
            reports.c.filed_on,
            reports.c.register_by,
            literal(source),
        )
        .where(reports.c.state == rules.RECEIVED, reports.c.register_by <= soon, ~has)
        .with_for_update(of=reports)
    )
    columns = ["id", "report_id", "kind", "started", "due", "source"]
    await conn.execute(insert(deadlines).from_select(columns, waiting))


async def take_near(conn: AsyncConnection, today: date, soon: date) -> list[ReportId]:
    """The reports of limits that end from today until `soon`, one entry for each limit; each limit is taken once."""
    found = await conn.execute(
        update(deadlines)
        .where(RUNNING, deadlines.c.due.between(today, soon), deadlines.c.warned_on.is_(None))
        .values(warned_on=today)
        .returning(deadlines.c.report_id)
    )
    return list(found.scalars())


async def take_passed(conn: AsyncConnection, today: date) -> list[ReportId]:
    """The reports of limits that have passed, one entry for each limit; each limit is taken once."""
    found = await conn.execute(
        update(deadlines)
        .where(RUNNING, deadlines.c.due < today, deadlines.c.escalated_on.is_(None))
        .values(escalated_on=today)
        .returning(deadlines.c.report_id)
    )
    return list(found.scalars())


async def people_of(conn: AsyncConnection, found: Iterable[ReportId]) -> list[UUID]:
    """Everybody to whom one of these reports is assigned at present."""
    people = await conn.execute(
        select(assignments.c.person)
        .where(assignments.c.report_id == func.any(list(set(found))), assignments.c.ended.is_(None))
        .distinct()
        .order_by(assignments.c.person)
    )
    return list(people.scalars())


# --- the calendar


async def digest(conn: AsyncConnection) -> bytes | None:
    """The working days that open limits rest on; None when they were never noted."""
    found: bytes | None = await conn.scalar(select(calendars.c.digest).where(calendars.c.name == _NAME))
    return found


async def set_digest(conn: AsyncConnection, value: bytes, day: date) -> None:
    statement = pg_insert(calendars).values(name=_NAME, digest=value, day=day)
    await conn.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"digest": value, "day": day})
    )


async def open_cases(conn: AsyncConnection, after: UUID, count: int) -> list[OpenCase]:
    """The next reports by id that wait for registration or have a running limit, locked."""
    running = exists().where(deadlines.c.report_id == reports.c.id, RUNNING)
    waits = reports.c.state == rules.RECEIVED
    rows = await conn.execute(
        select(reports.c.id, reports.c.filed_on, reports.c.register_by, waits.label("waits"))
        .where(reports.c.id > after, reports.c.register_by.is_not(None), or_(waits, running))
        .order_by(reports.c.id)
        .limit(count)
        .with_for_update()
    )
    return [OpenCase(row.id, row.filed_on, row.register_by, row.waits) for row in rows]


async def set_due(conn: AsyncConnection, limit: Limit, due: date, today: date) -> None:
    """Move the last day of a running limit; one that lies ahead again has not been reminded of."""
    told = {} if due < today else {"warned_on": None, "escalated_on": None}
    await conn.execute(update(deadlines).where(deadlines.c.id == limit.id, RUNNING).values(due=due, **told))


async def set_registration(conn: AsyncConnection, report_id: UUID, day: date) -> None:
    await conn.execute(update(reports).where(reports.c.id == report_id).values(register_by=day))


# --- what yesterday's code left out


async def without_registration(conn: AsyncConnection, after: UUID, count: int) -> Sequence[Any]:
    """The next reports by id (id, filed_on) without a day of registration, locked."""
    query = (
        select(reports.c.id, reports.c.filed_on)
        .where(reports.c.id > after, reports.c.register_by.is_(null()))
        .order_by(reports.c.id)
        .limit(count)
        .with_for_update()
    )
    return (await conn.execute(query)).all()


async def without_limits(conn: AsyncConnection, after: UUID, count: int) -> list[ReportId]:
    """The next reports by id that were moved on and have no limits."""
    has = exists().where(deadlines.c.report_id == reports.c.id)
    rows = await conn.execute(
        select(reports.c.id)
        .where(reports.c.id > after, reports.c.state != rules.RECEIVED, ~has)
        .order_by(reports.c.id)
        .limit(count)
    )
    return list(rows.scalars())


async def lock(conn: AsyncConnection, report_id: UUID) -> None:
    await conn.execute(select(reports.c.id).where(reports.c.id == report_id).with_for_update())


async def steps_of(conn: AsyncConnection, report_id: UUID) -> list[tuple[str, date]]:
    """The history of a case as (step, day), without its filing."""
    rows = await conn.execute(
        select(states.c.step, states.c.state, states.c.day)
        .where(states.c.report_id == report_id, states.c.state != rules.RECEIVED)
        .order_by(states.c.place)
    )
    return [(row.step or _STEPS.get(row.state, row.state), row.day) for row in rows]
