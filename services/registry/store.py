"""All SQL of the registry service."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.models import publication
from services.registry.rules import Publication


async def publications(conn: AsyncConnection) -> list[Publication]:
    """Every decision on publication, oldest first."""
    rows = await conn.execute(select(publication).order_by(publication.c.valid_from))
    return [Publication(row.valid_from, row.state, row.ground, row.status) for row in rows]
