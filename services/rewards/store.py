"""All SQL of the rewards service."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.rewards.models import mci_values
from services.rewards.rules import Mci


async def all_mci(conn: AsyncConnection) -> list[Mci]:
    """Every known value of the index, oldest first."""
    rows = await conn.execute(select(mci_values).order_by(mci_values.c.valid_from, mci_values.c.scope))
    return [Mci(row.valid_from, row.scope, row.tenge, row.source, row.status) for row in rows]
