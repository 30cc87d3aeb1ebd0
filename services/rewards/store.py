"""All SQL of the rewards service."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.outcomes import RewardsOutcome
from services.kit import outcomes as kept
from services.rewards.models import mci_values, outcomes
from services.rewards.rules import Mci


async def all_mci(conn: AsyncConnection) -> list[Mci]:
    """Every known value of the index, oldest first."""
    rows = await conn.execute(select(mci_values).order_by(mci_values.c.valid_from, mci_values.c.scope))
    return [Mci(row.valid_from, row.scope, row.tenge, row.source, row.status) for row in rows]


async def add_outcome(conn: AsyncConnection, outcome: RewardsOutcome, received: date) -> bool:
    """Keep an outcome that intake told; False when another one has its id already."""
    own = {"claim": outcome.claim, "reported": outcome.reported}
    return await kept.add(conn, outcomes, outcome, own, received)
