"""What intake tells others: events in an outbox, written in the transaction of the change they tell of.

Outcomes are sealed to their consumer by the client (`services/contracts/outcomes.py`); everything else has no content.
Intake never sends: consumers fetch what is theirs from the internal port (`services/intake/internal.py`).
"""

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.outbox_models import FEED
from services.kit import feed

#: Consumers of sealed events.
REWARDS, REGISTRY = "rewards", "registry"
#: Consumers of events without content: a security monitoring system, signed webhooks, e-mail to staff.
SIEM, WEBHOOKS, MAIL = "siem", "webhooks", "mail"
#: Who tells reporters that there is something new; gets the address they left, sealed to it.
NOTIFIER = "notifier"
EVERYBODY = frozenset({SIEM, WEBHOOKS})
CONSUMERS = frozenset({REWARDS, REGISTRY, SIEM, WEBHOOKS, MAIL, NOTIFIER})

#: An event without content that nobody fetched for so long tells nobody anything new.
KEEP = timedelta(days=30)


async def put(conn: AsyncConnection, consumer: str, kind: str, sealed: bytes | None, day: date) -> None:
    """Write an event for one consumer in the caller's transaction.

    `sealed` is the age file of an outcome, padded by the client. Error: ValueError for a consumer that is not ours.
    """
    if consumer not in CONSUMERS:
        raise ValueError("not a consumer")
    await feed.put(conn, FEED, consumer, kind, sealed, day)


async def tell(conn: AsyncConnection, kind: str, day: date, *, person: UUID | None = None) -> None:
    """Tell monitoring and webhooks that something of this kind happened, and notify `person` by e-mail if given.

    Who is notified stands in the e-mail event alone: the others learn the kind and the day.
    """
    await feed.tell(conn, FEED, EVERYBODY, kind, day, None)
    if person is not None:
        await feed.tell(conn, FEED, frozenset({MAIL}), kind, day, person)


async def notify(conn: AsyncConnection, kind: str, day: date, person: UUID) -> None:
    """Notify a person by e-mail, and tell nobody else: of what was told already, once for each case."""
    await feed.tell(conn, FEED, frozenset({MAIL}), kind, day, person)


async def waiting(conn: AsyncConnection) -> dict[str, int]:
    """Consumer -> number of events that it has not acknowledged."""
    return await feed.waiting(conn, FEED)


async def forget_unread(conn: AsyncConnection, today: date) -> int:
    """Drop events without content that nobody fetched in 30 days; sealed ones stay until they are fetched."""
    return await feed.forget(conn, FEED, frozenset({SIEM, WEBHOOKS, MAIL}), today - KEEP)
