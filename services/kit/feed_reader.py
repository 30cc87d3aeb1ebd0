"""The consumer's side of the pulled feed: each event is handled exactly once, in order, whatever is killed when.

Cursor, ids seen and whatever the handler writes stand in one transaction. Before its commit nothing has happened and
the page comes again; after it the next question acknowledges the page, and the publisher drops it.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date

import httpx2
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.contracts.feed import FeedEvent, FeedPage
from services.crypto.errors import CryptoError
from services.kit import logs

#: (connection inside the page's transaction, an event never seen before). What it raises undoes the page.
Handler = Callable[[AsyncConnection, FeedEvent], Awaitable[None]]

PAGE = 100
MAX_PAGE_BYTES = 32 << 20


class FeedUnreachable(RuntimeError):
    """The publisher did not answer, or refused us."""


class FeedBroken(RuntimeError):
    """The publisher answered with something that is no page."""


@dataclass(frozen=True)
class Source:
    """Where a feed is fetched from. `transport` is for an app in the same process."""

    url: str
    token: str = field(repr=False)
    transport: httpx2.AsyncBaseTransport | None = None

    def client(self) -> httpx2.AsyncClient:
        """A client that follows no redirect and asks no proxy."""
        return httpx2.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            transport=self.transport,
            trust_env=False,
            timeout=30,
        )


async def fetch(client: httpx2.AsyncClient, after: int, limit: int = PAGE) -> FeedPage:
    """The page after a position. Errors: FeedUnreachable, FeedBroken; their texts repeat nothing of the answer."""
    try:
        answer = await client.get("/internal/events", params={"after": after, "limit": limit})
    except httpx2.HTTPError as exc:
        raise FeedUnreachable(type(exc).__name__) from None
    if answer.status_code != 200:
        raise FeedUnreachable(f"status {answer.status_code}")
    try:
        if len(answer.content) > MAX_PAGE_BYTES:
            raise FeedBroken("too long")
        return FeedPage.from_json(json.loads(answer.content))
    except (CryptoError, ValueError, RecursionError):
        raise FeedBroken("not a page") from None


@dataclass(frozen=True)
class Reader:
    """The tables of a consumer."""

    cursor: Table
    seen: Table
    unreadable: Table


def reader_tables(metadata: MetaData) -> Reader:
    """The cursor of a consumer, the events it knows, and those it could not read."""
    cursor = Table(
        "feed_cursor",
        metadata,
        Column("publisher", Text, primary_key=True),
        Column("position", BigInteger, nullable=False),
        Column("missed", BigInteger, nullable=False, comment="events that were gone before we asked"),
    )
    seen = Table("events_seen", metadata, Column("id", Uuid, primary_key=True))
    unreadable = Table(
        "unreadable",
        metadata,
        Column("id", Uuid, primary_key=True, comment="of the event"),
        Column("kind", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False, comment="SHA-256 of what could not be read"),
        Column("reason", Text, nullable=False, comment="class of the failure"),
        Column("received", Date, nullable=False),
    )
    return Reader(cursor, seen, unreadable)


async def poll(
    engine: AsyncEngine, reader: Reader, source: Source, handle: Handler, limit: int = PAGE
) -> int:
    """Fetch and handle pages until there is none; the number of events handled.

    Errors: FeedUnreachable, FeedBroken, and what `handle` raises; pages before that are kept.
    """
    done = 0
    async with source.client() as client:
        while True:
            async with engine.connect() as conn:
                position = await position_of(conn, reader)
            page = await fetch(client, position, limit)
            if not page.events and page.dropped <= position:
                return done
            async with engine.begin() as conn:
                done += await _take(conn, reader, page, position, handle)


async def position_of(conn: AsyncConnection, reader: Reader) -> int:
    """How far the consumer is; 0 before its first event."""
    return await conn.scalar(select(func.max(reader.cursor.c.position))) or 0


async def _take(conn: AsyncConnection, reader: Reader, page: FeedPage, asked: int, handle: Handler) -> int:
    """Handle the events of a page that are new and move the cursor; nothing if somebody was faster."""
    cursor = reader.cursor
    first = pg_insert(cursor).values(publisher="intake", position=0, missed=0).on_conflict_do_nothing()
    await conn.execute(first)
    if await conn.scalar(select(cursor.c.position).with_for_update()) != asked:
        return 0
    done = 0
    for event in page.events:
        new = pg_insert(reader.seen).values(id=event.id).on_conflict_do_nothing().returning(reader.seen.c.id)
        if await conn.scalar(new) is not None:
            await handle(conn, event)
            done += 1
    missed = max(0, page.dropped - asked)
    if missed:
        # We were restored from an older copy than the publisher's: say so, and go on with what there is.
        logs.error("feed-missed", count=missed)
    last = page.events[-1].position if page.events else page.dropped
    await conn.execute(update(cursor).values(position=last, missed=cursor.c.missed + missed))
    return done


async def keep_unreadable(
    conn: AsyncConnection, reader: Reader, event: FeedEvent, digest: bytes, reason: str, day: date
) -> None:
    """Note an event that could not be read: it must not stop those behind it."""
    row = {"id": event.id, "kind": event.kind, "digest": digest, "reason": reason, "received": day}
    await conn.execute(pg_insert(reader.unreadable).values(row).on_conflict_do_nothing())
    logs.error("event-unreadable", error=reason)


async def troubles(conn: AsyncConnection, reader: Reader) -> tuple[int, int]:
    """(events that could not be read, events that were missed)."""
    unreadable = await conn.scalar(select(func.count()).select_from(reader.unreadable)) or 0
    return unreadable, await conn.scalar(select(func.max(reader.cursor.c.missed))) or 0
