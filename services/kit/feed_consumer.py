"""A service that is told things: opens what was sealed to it, checks it strictly, and lets nothing stop the feed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.contracts.feed import FeedEvent
from services.crypto.age import HybridIdentity
from services.crypto.errors import CryptoError
from services.kit import feed_reader
from services.kit.clock import day_of
from services.kit.feed_reader import Reader, Source
from services.kit.jobs import Job, State
from services.kit.settings import ConsumerSettings, read_identity, read_token

#: (connection, what was told, day of receipt) -> False when something else stands under its id already.
Add = Callable[[AsyncConnection, Any, date], Awaitable[bool]]


class Shape(Protocol):
    """A contract that reads itself from a sealed file. Errors: CryptoError."""

    def opened(self, file: bytes, identity: HybridIdentity, /) -> Any: ...


class Unusable(ValueError):
    """An event of another kind, or a second one under the id of a first: the first one stands."""


@dataclass(frozen=True)
class Consumer:
    """Where a service fetches its events, and the identity they are sealed to."""

    source: Source
    identity: HybridIdentity = field(repr=False)


def consumer_of(settings: ConsumerSettings) -> Consumer | None:
    """The consumer that the settings describe; None where no feed is set. Errors: SettingsError."""
    if settings.feed_token_file is None or settings.identity_file is None or not settings.feed_url:
        return None
    return Consumer(
        Source(settings.feed_url, read_token(settings.feed_token_file, "feed_token_file")),
        read_identity(settings.identity_file, "identity_file"),
    )


async def start(app: FastAPI) -> None:
    """Read the secrets of the feed, where one is set. For the startup of a service. Errors: SettingsError."""
    app.state.consumer = consumer_of(app.state.settings)


@dataclass(frozen=True)
class Told:
    """What a service is told: the kind of its events, their shape, and how one is kept."""

    kind: str
    shape: Shape
    add: Add


def reading(name: str, reader: Reader, told: Told) -> Job:
    """The job that fetches what intake tells; it does nothing where no feed is set."""

    async def run(state: State, now: datetime) -> int:
        if state.consumer is None:
            return 0
        return await read(state.engine, reader, state.consumer, told, now)

    return Job(name, run, every=timedelta(minutes=15), jitter=1.0)


async def read(engine: AsyncEngine, reader: Reader, consumer: Consumer, told: Told, now: datetime) -> int:
    """Fetch and keep everything new; the number of events handled.

    An event that cannot be opened or read is noted with its digest and passed over.
    Errors: FeedUnreachable, FeedBroken.
    """
    today = day_of(now)

    async def handle(conn: AsyncConnection, event: FeedEvent) -> None:
        try:
            await _keep(conn, event, consumer.identity, told, today)
        except (CryptoError, Unusable) as exc:
            digest = sha256(event.sealed or b"").digest()
            await feed_reader.keep_unreadable(conn, reader, event, digest, type(exc).__name__, today)

    return await feed_reader.poll(engine, reader, consumer.source, handle)


async def _keep(
    conn: AsyncConnection, event: FeedEvent, identity: HybridIdentity, told: Told, today: date
) -> None:
    if event.kind != told.kind:
        raise Unusable
    if not await told.add(conn, told.shape.opened(event.sealed or b"", identity), today):
        raise Unusable
