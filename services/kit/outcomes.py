"""Outcomes as rewards and registry keep them: one table and one way in, with a few columns of each one's own.

Nothing here leads to a report; money is whole tenge.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Column, Date, LargeBinary, MetaData, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.schema import SchemaItem

from services.contracts.outcomes import Outcome


def outcomes_table(metadata: MetaData, *own: SchemaItem) -> Table:
    """The outcomes of cases as intake told them, with the columns that only this service has."""
    return Table(
        "outcomes",
        metadata,
        Column("event", Uuid, primary_key=True, comment="id of the outcome, made for this service alone"),
        Column("kind", Text, nullable=False),
        Column("act_court", Text),
        Column("act_number", Text),
        Column("act_date", Date),
        Column("act_in_force", Date),
        Column("gravity", Text),
        Column("articles", ARRAY(Text), nullable=False),
        Column("bribe", BigInteger),
        Column("damage", BigInteger),
        Column("value_of_benefits", BigInteger),
        Column("excluded", ARRAY(Uuid), nullable=False, comment="staff who may not decide on it"),
        Column("replaces", Uuid, comment="the outcome that this one corrects"),
        *own,
        Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the canonical event"),
        Column("received", Date, nullable=False),
    )


async def add(
    conn: AsyncConnection, table: Table, outcome: Outcome, own: Mapping[str, Any], received: date
) -> bool:
    """Keep an outcome, the first time it comes; False when another one has its id already.

    `own` are the values of the columns that only this service has.
    """
    row = {**_row(outcome), **own, "received": received}
    new = insert(table).values(row).on_conflict_do_nothing().returning(table.c.event)
    if await conn.scalar(new) is not None:
        return True
    known = select(table.c.digest).where(table.c.event == outcome.event)
    return bool(await conn.scalar(known) == outcome.digest)


def _row(outcome: Outcome) -> dict[str, Any]:
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
    }
