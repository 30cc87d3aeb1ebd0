"""SQL of protections and of disclosure incidents."""

import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.disclosure_models import disclosure_ends
from services.intake.models import disclosures, protections, reports
from services.intake.protection import ASKED


async def protection_of(conn: AsyncConnection, report_id: uuid.UUID) -> Row[Any] | None:
    """The protection of a report, if retaliation was ever reported."""
    query = select(protections).where(protections.c.report_id == report_id)
    return (await conn.execute(query)).one_or_none()


async def start(conn: AsyncConnection, report_id: uuid.UUID, started: date, ends: date) -> None:
    """Flag a locked report and start its clock; a later report of retaliation asks for action again."""
    await conn.execute(
        pg_insert(protections)
        .values(id=uuid.uuid4(), report_id=report_id, started=started, ends=ends, status=ASKED)
        .on_conflict_do_update(index_elements=[protections.c.report_id], set_={"status": ASKED})
    )
    flag = update(reports).where(reports.c.id == report_id, reports.c.retaliation_on.is_(None))
    await conn.execute(flag.values(retaliation_on=started))


async def set_status(conn: AsyncConnection, report_id: uuid.UUID, status: str) -> None:
    """What the desk makes of a protection; the report is locked."""
    await conn.execute(update(protections).where(protections.c.report_id == report_id).values(status=status))


async def add_disclosure(
    conn: AsyncConnection, report_id: uuid.UUID, day: date, article: str, by: uuid.UUID, sealed: bytes
) -> uuid.UUID:
    """Store an incident; its id."""
    id_ = uuid.uuid4()
    values = {"day": day, "article": article, "recorded_by": by, "sealed": sealed, "status": "recorded"}
    await conn.execute(insert(disclosures).values(id=id_, report_id=report_id, **values))
    return id_


async def disclosures_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[Any]]:
    """Incidents of a report in order of day, each with `ended_on`, `ended_by`, `result`: null while it is open."""
    ordered = _incidents(report_id).order_by(disclosures.c.day, disclosures.c.id)
    rows: Sequence[Row[Any]] = (await conn.execute(ordered)).all()
    return rows


async def disclosure(conn: AsyncConnection, report_id: uuid.UUID, incident: uuid.UUID) -> Row[Any] | None:
    """An incident of this report, as `disclosures_of` gives it."""
    query = _incidents(report_id).where(disclosures.c.id == incident)
    row: Row[Any] | None = (await conn.execute(query)).one_or_none()
    return row


def _incidents(report_id: uuid.UUID) -> Select[Any]:
    ends = disclosure_ends.c
    return (
        select(disclosures, ends.day.label("ended_on"), ends.ended_by, ends.result)
        .outerjoin(disclosure_ends)
        .where(disclosures.c.report_id == report_id)
    )


async def end_disclosure(
    conn: AsyncConnection, incident: uuid.UUID, day: date, by: uuid.UUID, result: str
) -> bool:
    """End an incident; False when it has ended already."""
    statement = pg_insert(disclosure_ends).values(disclosure_id=incident, day=day, ended_by=by, result=result)
    added = await conn.scalar(statement.on_conflict_do_nothing().returning(disclosure_ends.c.disclosure_id))
    return added is not None
