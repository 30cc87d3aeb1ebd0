"""SQL of steps and classifications. Reports are locked by the caller."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.models import reports, states
from services.intake.step_models import classifications


@dataclass(frozen=True)
class NewLine:
    """A line of a case's history: where it came to, by which step, by whom, with which codes."""

    state: str
    day: date
    person: uuid.UUID
    step: str
    ground: str | None = None
    body: str | None = None
    outcome: str | None = None


async def add_line(conn: AsyncConnection, report_id: uuid.UUID, line: NewLine) -> None:
    """Move a locked report on and keep the step in its history. Only a closed case has an outcome."""
    place = await conn.scalar(select(func.count()).select_from(states).where(states.c.report_id == report_id))
    await conn.execute(insert(states).values(id=uuid.uuid4(), report_id=report_id, place=place, **vars(line)))
    now = {"state": line.state, "outcome": line.outcome, "outcome_on": line.outcome and line.day}
    await conn.execute(update(reports).where(reports.c.id == report_id).values(**now))


async def lines_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[Any]]:
    """The history of a report, oldest first."""
    rows = await conn.execute(select(states).where(states.c.report_id == report_id).order_by(states.c.place))
    return rows.all()


async def classifications_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[Any]]:
    """Who found the case criminal or not, oldest first."""
    rows = await conn.execute(
        select(classifications)
        .where(classifications.c.report_id == report_id)
        .order_by(classifications.c.place)
    )
    return rows.all()


async def classify(
    conn: AsyncConnection, report_id: uuid.UUID, found: str, person: uuid.UUID, role: str, day: date
) -> None:
    """Add a classification to a locked report; it is the one in force."""
    place = await conn.scalar(
        select(func.count()).select_from(classifications).where(classifications.c.report_id == report_id)
    )
    await conn.execute(
        insert(classifications).values(
            id=uuid.uuid4(),
            report_id=report_id,
            place=place,
            classification=found,
            person=person,
            role=role,
            day=day,
        )
    )
    await conn.execute(update(reports).where(reports.c.id == report_id).values(classification=found))


async def set_body(conn: AsyncConnection, report_id: uuid.UUID, body: str | None) -> None:
    """Record which body a report is about."""
    await conn.execute(update(reports).where(reports.c.id == report_id).values(body=body))
