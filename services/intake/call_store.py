"""SQL of calls, of notes for the desk, and of codes that somebody else used."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.call_models import call_notes, calls
from services.intake.models import reports, states

PHONE = "phone-1424"


async def add_call(conn: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Store a call; False when this id is taken."""
    added = await conn.scalar(
        pg_insert(calls).values(**values).on_conflict_do_nothing().returning(calls.c.id)
    )
    return added is not None


async def add_note(conn: AsyncConnection, values: Mapping[str, Any]) -> uuid.UUID:
    """Store the note of a call; its id."""
    id_ = uuid.uuid4()
    await conn.execute(insert(call_notes).values(id=id_, **values))
    return id_


async def call(conn: AsyncConnection, call_id: uuid.UUID) -> Row[Any] | None:
    """A call with its note: `note` is the id and `sealed` the bytes, None without one."""
    query = (
        select(calls, call_notes.c.id.label("note"), call_notes.c.sealed)
        .outerjoin(call_notes, call_notes.c.call_id == calls.c.id)
        .where(calls.c.id == call_id)
    )
    return (await conn.execute(query)).one_or_none()


async def tallies(conn: AsyncConnection, day: date) -> Sequence[Row[Any]]:
    """How many calls of a day agree in operator and all codes."""
    codes = (calls.c.operator, calls.c.kind, calls.c.language, calls.c.wrap_up, calls.c.named)
    query = select(*codes, func.count().label("calls")).where(calls.c.day == day).group_by(*codes)
    return (await conn.execute(query)).all()


async def reports_by_phone(conn: AsyncConnection, day: date) -> int:
    """How many reports of a day came by telephone."""
    query = select(func.count()).where(reports.c.filed_on == day, reports.c.channel == PHONE)
    return int(await conn.scalar(query.select_from(reports)) or 0)


async def open_notes(conn: AsyncConnection) -> int:
    """How many notes wait for the desk."""
    query = select(func.count()).select_from(call_notes).where(call_notes.c.done_on.is_(None))
    return int(await conn.scalar(query) or 0)


# --- notes


async def list_notes(
    conn: AsyncConnection, kind: str, done: bool, after: tuple[date, uuid.UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """Notes of a kind with the codes of their calls, oldest first."""
    conditions: list[ColumnElement[bool]] = [
        call_notes.c.kind == kind,
        call_notes.c.done_on.is_not(None) if done else call_notes.c.done_on.is_(None),
    ]
    if after is not None:
        conditions.append(tuple_(call_notes.c.day, call_notes.c.id) > after)
    query = (
        select(call_notes, calls.c.kind.label("call_kind"), calls.c.language, calls.c.region)
        .join(calls, calls.c.id == call_notes.c.call_id)
        .where(*conditions)
        .order_by(call_notes.c.day, call_notes.c.id)
        .limit(limit)
    )
    return (await conn.execute(query)).all()


async def lock_note(conn: AsyncConnection, note_id: uuid.UUID) -> Row[Any] | None:
    """A note, locked until the end of the transaction."""
    query = select(call_notes).where(call_notes.c.id == note_id).with_for_update()
    return (await conn.execute(query)).one_or_none()


async def finish_note(conn: AsyncConnection, note_id: uuid.UUID, day: date, person: uuid.UUID) -> None:
    """Mark a locked note as done."""
    values = {"done_on": day, "done_by": person}
    await conn.execute(update(call_notes).where(call_notes.c.id == note_id).values(**values))


async def waiting_notes(conn: AsyncConnection) -> Sequence[Row[Any]]:
    """How many open notes (`grants`) are sealed for a desk (`holder`), by `day` and `dir_seq`, as desk grants are."""
    codes = (call_notes.c.desk, call_notes.c.day, call_notes.c.dir_seq)
    query = (
        select(codes[0].label("holder"), codes[1], codes[2], func.count().label("grants"))
        .where(call_notes.c.done_on.is_(None))
        .group_by(*codes)
    )
    return (await conn.execute(query)).all()


# --- reports by their reference


async def report_by_reference(conn: AsyncConnection, reference: str) -> Row[Any] | None:
    """The report with this reference, spelled in capitals."""
    return (await conn.execute(select(reports).where(reports.c.reference == reference))).one_or_none()


async def state_since(conn: AsyncConnection, report_id: uuid.UUID) -> date | None:
    """The day since which a report is in its state."""
    query = select(states.c.day).where(states.c.report_id == report_id).order_by(states.c.place.desc())
    return await conn.scalar(query.limit(1))


async def flag_code(conn: AsyncConnection, report_id: uuid.UUID, day: date) -> None:
    """The code in force of this report was used by somebody else."""
    values = {"code_suspect": True, "code_suspect_on": day}
    await conn.execute(update(reports).where(reports.c.id == report_id).values(**values))
