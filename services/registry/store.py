"""All SQL of the registry service."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.outcomes import RegistryOutcome
from services.kit import outcomes as kept
from services.registry.models import outcomes, publication
from services.registry.rules import Publication


async def publications(conn: AsyncConnection) -> list[Publication]:
    """Every decision on publication, oldest first."""
    rows = await conn.execute(select(publication).order_by(publication.c.valid_from))
    return [Publication(row.valid_from, row.state, row.ground, row.status) for row in rows]


async def add_outcome(conn: AsyncConnection, outcome: RegistryOutcome, received: date) -> bool:
    """Keep an outcome that intake told; False when another one has its id already."""
    own = {"persons": [person.to_json() for person in outcome.persons], "region": outcome.region}
    return await kept.add(conn, outcomes, outcome, own, received)
