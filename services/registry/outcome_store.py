"""SQL of the outcomes that intake told registry."""

from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.outcomes import RegistryOutcome
from services.registry.models import outcomes


async def add(conn: AsyncConnection, outcome: RegistryOutcome, received: date) -> bool:
    """Keep an outcome, the first time it comes; False when another one has its id already."""
    row = _row(outcome) | {"received": received}
    new = insert(outcomes).values(row).on_conflict_do_nothing().returning(outcomes.c.event)
    if await conn.scalar(new) is not None:
        return True
    known = select(outcomes.c.digest).where(outcomes.c.event == outcome.event)
    return bool(await conn.scalar(known) == outcome.digest)


def _row(outcome: RegistryOutcome) -> dict[str, Any]:
    act = outcome.act
    return {
        "event": outcome.event,
        "kind": outcome.kind,
        "act_court": act and act.court,
        "act_number": act and act.number,
        "act_date": act and act.day,
        "act_in_force": act and act.in_force,
        "gravity": outcome.gravity,
        "articles": list(outcome.articles),
        "bribe": outcome.bribe,
        "damage": outcome.damage,
        "value_of_benefits": outcome.value_of_benefits,
        "excluded": list(outcome.excluded),
        "replaces": outcome.replaces,
        "digest": outcome.digest,
        "persons": [person.to_json() for person in outcome.persons],
        "region": outcome.region,
    }
