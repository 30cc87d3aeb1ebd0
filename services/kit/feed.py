"""The publisher's side of the pulled feed: an outbox that is written in the caller's transaction, and its pages.

A consumer sees every event of its own once its transaction is committed, each exactly once and in one order for ever.
Positions are given when a page is read, never when an event is written: transactions commit out of order, so a number
taken while writing would let a cursor pass over rows that appear behind it. What a consumer has acknowledged is gone.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.feed import FeedEvent, FeedPage

#: First half of the advisory lock under which positions of one consumer are given.
_LOCK = 0xFEED


@dataclass(frozen=True)
class Feed:
    """The two tables of a publisher: the outbox, and how far each consumer is."""

    outbox: Table
    consumers: Table


def feed_tables(metadata: MetaData) -> Feed:
    """The outbox of a service. An event's row stays until its consumer acknowledges it."""
    outbox = Table(
        "outbox",
        metadata,
        Column("id", Uuid, primary_key=True),
        # Only orders the events that one page numbers together: what was committed first was written first.
        Column("written", BigInteger, Identity(always=True), nullable=False),
        Column("consumer", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("day", Date, nullable=False),
        Column("person", Uuid, comment="member of staff to be notified"),
        Column("sealed", LargeBinary, comment="age file to the consumer"),
        Column("position", BigInteger, comment="given when the feed is read"),
        Index("uq_outbox_consumer_position", "consumer", "position", unique=True),
    )
    consumers = Table(
        "feed_consumers",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("given", BigInteger, nullable=False, comment="highest position given"),
        Column("acknowledged", BigInteger, nullable=False, comment="events up to here are gone"),
    )
    return Feed(outbox, consumers)


async def put(
    conn: AsyncConnection, feed: Feed, consumer: str, kind: str, sealed: bytes | None, day: date
) -> None:
    """Write an event for one consumer; it exists if, and only if, the caller's transaction commits."""
    row = {"id": uuid4(), "consumer": consumer, "kind": kind, "sealed": sealed, "day": day}
    await conn.execute(insert(feed.outbox).values(row))


async def tell(
    conn: AsyncConnection, feed: Feed, consumers: frozenset[str], kind: str, day: date, person: UUID | None
) -> None:
    """Write an event without content for those of `consumers` that have ever read: nobody else would fetch it."""
    found = select(feed.consumers.c.consumer).where(feed.consumers.c.consumer.in_(sorted(consumers)))
    rows = [
        {"id": uuid4(), "consumer": consumer, "kind": kind, "day": day, "person": person}
        for consumer in await conn.scalars(found)
    ]
    if rows:
        await conn.execute(insert(feed.outbox), rows)


async def read_page(conn: AsyncConnection, feed: Feed, consumer: str, after: int, limit: int) -> FeedPage:
    """The next events after a position. Asking after N acknowledges N and everything before it.

    The caller commits before it answers, so that a position which was seen is a position for ever.
    """
    await conn.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(consumer))))
    dropped = await _acknowledge(conn, feed, consumer, after)
    await _number(conn, feed, consumer)
    outbox = feed.outbox.c
    rows = await conn.execute(
        select(outbox.position, outbox.id, outbox.kind, outbox.day, outbox.person, outbox.sealed)
        .where(outbox.consumer == consumer, outbox.position > after)
        .order_by(outbox.position)
        .limit(limit)
    )
    return FeedPage(dropped, tuple(FeedEvent(*row) for row in rows))


async def _acknowledge(conn: AsyncConnection, feed: Feed, consumer: str, after: int) -> int:
    """Drop what was consumed; the highest position acknowledged before."""
    heads = feed.consumers.c
    before = await conn.scalar(select(heads.acknowledged).where(heads.consumer == consumer))
    new = pg_insert(feed.consumers).values(consumer=consumer, given=after, acknowledged=after)
    # A consumer that is ahead of us saw events that a restored database has forgotten: go on above them.
    await conn.execute(
        new.on_conflict_do_update(
            index_elements=[heads.consumer],
            set_={
                "given": func.greatest(heads.given, new.excluded.given),
                "acknowledged": func.greatest(heads.acknowledged, new.excluded.acknowledged),
            },
        )
    )
    outbox = feed.outbox.c
    await conn.execute(delete(feed.outbox).where(outbox.consumer == consumer, outbox.position <= after))
    return before or 0


async def _number(conn: AsyncConnection, feed: Feed, consumer: str) -> None:
    """Give positions to the events that are visible now and have none."""
    outbox, heads = feed.outbox.c, feed.consumers.c
    given = select(heads.given).where(heads.consumer == consumer).scalar_subquery()
    place = func.row_number().over(order_by=outbox.written)
    new = (
        select(outbox.id, (place + given).label("position"))
        .where(outbox.consumer == consumer, outbox.position.is_(None))
        .subquery()
    )
    numbered = await conn.execute(
        update(feed.outbox).where(outbox.id == new.c.id).values(position=new.c.position)
    )
    if numbered.rowcount:
        await conn.execute(
            update(feed.consumers)
            .where(heads.consumer == consumer)
            .values(given=heads.given + literal(numbered.rowcount, BigInteger))
        )


async def waiting(conn: AsyncConnection, feed: Feed) -> dict[str, int]:
    """Consumer -> number of events that it has not acknowledged."""
    outbox = feed.outbox.c
    rows = await conn.execute(select(outbox.consumer, func.count()).group_by(outbox.consumer))
    return {row.consumer: row[1] for row in rows}


async def forget(conn: AsyncConnection, feed: Feed, consumers: frozenset[str], before: date) -> int:
    """Drop events without content of an earlier day that nobody fetched; the number dropped."""
    outbox = feed.outbox.c
    gone = delete(feed.outbox).where(
        outbox.consumer.in_(sorted(consumers)), outbox.sealed.is_(None), outbox.day < before
    )
    return (await conn.execute(gone)).rowcount
