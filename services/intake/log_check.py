"""The log against the database: every record still leads to its leaf, and every erased one is explained by a deletion.

An erased record has neither text nor salt; its leaf stays, so that the public log is whole for whoever has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.promises import leaf_hash
from services.intake import retention_store
from services.intake.models import log_entries, log_records
from services.intake.retention_models import tombstones

BATCH = 5000


@dataclass(frozen=True)
class Compared:
    """Numbers of records; `unexplained`: erased, and no tombstone counts it; or a tombstone whose own record is gone."""

    records: int
    waiting: int
    erased: int
    wrong: int
    unexplained: int

    @property
    def good(self) -> bool:
        return not (self.wrong or self.unexplained)


async def compare(conn: AsyncConnection) -> Compared:
    """Read every record of the log, and hash it anew."""
    records = erased = wrong = 0
    after: UUID | None = None
    while rows := await _records(conn, after):
        records += len(rows)
        erased += sum(row.salt is None for row in rows)
        wrong += sum(row.salt is not None and leaf_hash(row.salt, row.record) != row.leaf for row in rows)
        after = rows[-1].id
    explained = await retention_store.records_erased(conn)
    return Compared(records, await _waiting(conn), erased, wrong, abs(erased - explained) + await _lost(conn))


async def _records(conn: AsyncConnection, after: UUID | None) -> Sequence[Row[Any]]:
    query = select(log_records).order_by(log_records.c.id).limit(BATCH)
    if after is not None:
        query = query.where(log_records.c.id > after)
    return (await conn.execute(query)).all()


async def _waiting(conn: AsyncConnection) -> int:
    published = exists().where(log_entries.c.leaf == log_records.c.leaf)
    return int(await conn.scalar(select(func.count()).select_from(log_records).where(~published)) or 0)


async def _lost(conn: AsyncConnection) -> int:
    """Tombstones without the record of their deletion."""
    there = exists().where(log_records.c.leaf == tombstones.c.leaf, log_records.c.salt.is_not(None))
    return int(await conn.scalar(select(func.count()).select_from(tombstones).where(~there)) or 0)
