"""SQL of who can read a case: assignments and grants. A grant is deleted, an assignment ends and stays in the history."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.models import assignments, grants


@dataclass(frozen=True)
class NewGrant:
    """Key `key_n` of a report (0: that of the manifest), sealed to a holder: a desk's id or a person's UUID."""

    holder: str
    role: str
    key_n: int
    sealed: bytes


async def grants_for(conn: AsyncConnection, report_id: uuid.UUID, holders: Sequence[str]) -> list[Row[Any]]:
    """For each key the grant of the first of the holders that has one, in the order given; by key."""
    rows = (
        await conn.execute(
            select(grants).where(grants.c.report_id == report_id, grants.c.holder.in_(holders))
        )
    ).all()
    best: dict[int, Row[Any]] = {}
    for row in sorted(rows, key=lambda row: holders.index(row.holder)):
        best.setdefault(row.key_n, row)
    return [best[key] for key in sorted(best)]


async def holders_of(conn: AsyncConnection, report_id: uuid.UUID) -> dict[str, str]:
    """Who holds a grant of the report at present, and as what."""
    rows = await conn.execute(
        select(grants.c.holder, grants.c.role)
        .where(grants.c.report_id == report_id)
        .order_by(grants.c.holder)
    )
    return {row.holder: row.role for row in rows}


async def present_roles(conn: AsyncConnection, report_id: uuid.UUID) -> dict[uuid.UUID, str]:
    """Who is assigned to the report at present, and as what."""
    rows = await conn.execute(
        select(assignments.c.person, assignments.c.role).where(
            assignments.c.report_id == report_id, assignments.c.ended.is_(None)
        )
    )
    return {row.person: row.role for row in rows}


async def assign(
    conn: AsyncConnection, report_id: uuid.UUID, person: uuid.UUID, role: str, by: uuid.UUID, day: date
) -> bool:
    """Give a person the case; False when they have it already."""
    added = await conn.scalar(
        pg_insert(assignments)
        .values(id=uuid.uuid4(), report_id=report_id, person=person, role=role, assigned_by=by, day=day)
        .on_conflict_do_nothing()
        .returning(assignments.c.id)
    )
    return added is not None


async def end(conn: AsyncConnection, report_id: uuid.UUID, person: uuid.UUID, day: date) -> None:
    """End a person's assignment."""
    await conn.execute(
        update(assignments)
        .where(
            assignments.c.report_id == report_id,
            assignments.c.person == person,
            assignments.c.ended.is_(None),
        )
        .values(ended=day)
    )


async def add_grants(conn: AsyncConnection, report_id: uuid.UUID, day: date, new: Sequence[NewGrant]) -> None:
    """Store grants of a report."""
    lines = [
        {
            "id": uuid.uuid4(),
            "report_id": report_id,
            "holder": grant.holder,
            "role": grant.role,
            "day": day,
            "sealed": grant.sealed,
            "key_n": grant.key_n,
        }
        for grant in new
    ]
    await conn.execute(insert(grants), lines)


async def delete_grants(conn: AsyncConnection, report_id: uuid.UUID, holders: Sequence[str]) -> None:
    """Delete every grant of these holders for a report."""
    await conn.execute(delete(grants).where(grants.c.report_id == report_id, grants.c.holder.in_(holders)))
