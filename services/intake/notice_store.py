"""SQL of the addresses that reporters left for notices, and of the notices that wait for the notifier."""

import uuid

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.call_models import notice_addresses
from services.intake.events import NOTIFIER
from services.intake.outbox_models import outbox


async def address_of(conn: AsyncConnection, report_id: uuid.UUID) -> bytes | None:
    """The sealed address of a report, if its reporter left one."""
    query = select(notice_addresses.c.sealed).where(notice_addresses.c.report_id == report_id)
    return await conn.scalar(query)


async def set_address(conn: AsyncConnection, report_id: uuid.UUID, sealed: bytes) -> None:
    """Keep the address of a locked report in place of an earlier one, whose notices are forgotten."""
    await drop_address(conn, report_id)
    await conn.execute(pg_insert(notice_addresses).values(report_id=report_id, sealed=sealed))


async def drop_address(conn: AsyncConnection, report_id: uuid.UUID) -> bool:
    """Forget the address of a locked report and the notices that wait; False when there was none."""
    gone = delete(notice_addresses).where(notice_addresses.c.report_id == report_id)
    sealed = await conn.scalar(gone.returning(notice_addresses.c.sealed))
    if sealed is None:
        return False
    await conn.execute(delete(outbox).where(outbox.c.consumer == NOTIFIER, outbox.c.sealed == sealed))
    return True


async def waits(conn: AsyncConnection, sealed: bytes) -> bool:
    """Whether a notice to this address waits for the notifier already."""
    query = select(outbox.c.id).where(outbox.c.consumer == NOTIFIER, outbox.c.sealed == sealed)
    return (await conn.scalar(query.limit(1))) is not None
