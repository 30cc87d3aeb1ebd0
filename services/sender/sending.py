"""Fetch, keep, deliver, again and again."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.kit import feed_reader, logs
from services.kit.feed_reader import FeedBroken, FeedUnreachable, Source
from services.sender.channels import Channel, DeliveryFailed, Gone
from services.sender.queues import Queues


def _now() -> int:
    return int(time.time())


@dataclass(frozen=True)
class Feed:
    """A consumer's feed and the channels that get its events."""

    consumer: str
    source: Source
    channels: Sequence[Channel]


@dataclass
class Sender:
    """All feeds with their queues. Two of them must not share a file."""

    queues: Queues
    feeds: Sequence[Feed]
    clock: Callable[[], int] = field(default=_now)

    async def run(self, pause: float, stop: asyncio.Event) -> None:
        """Look again and again until `stop`; `pause` seconds apart on average."""
        while not stop.is_set():
            await self.once()
            # Jitter, so that the minute of an event cannot be read in the minute of its mail.
            wait = asyncio.create_task(stop.wait())
            await asyncio.wait({wait}, timeout=pause * (0.5 + random.random()))
            wait.cancel()

    async def once(self) -> int:
        """Fetch everything new and deliver what may be delivered now; the number of events that left the queues."""
        for feed in self.feeds:
            try:
                await self._fetch(feed)
            except (FeedUnreachable, FeedBroken) as exc:
                logs.error("feed-not-read", where=feed.consumer, error=type(exc).__name__)
        channels = [channel for feed in self.feeds for channel in feed.channels]
        return sum(await asyncio.gather(*(self._deliver(channel) for channel in channels)))

    async def _fetch(self, feed: Feed) -> None:
        """Everything new, kept in the file before the next question lets intake forget it."""
        names = [channel.name for channel in feed.channels]
        async with feed.source.client() as client:
            while True:
                position = self.queues.positions.get(feed.consumer, 0)
                page = await feed_reader.fetch(client, position)
                if not page.events and page.dropped <= position:
                    return
                if dropped := self.queues.add(feed.consumer, names, page):
                    logs.error("queue-full", where=feed.consumer, count=dropped)

    async def _deliver(self, channel: Channel) -> int:
        """In order, until the queue is empty or its head must wait."""
        done = 0
        while queue := self.queues.waiting.get(channel.name):
            head, now = queue[0], self.clock()
            if head.not_before > now:
                break
            try:
                await channel.deliver(head.event, now)
            except DeliveryFailed as exc:
                logs.error("not-delivered", where=channel.name, error=str(exc))
                again = head.failed(now)
                queue[:1] = [again] if again else []
                done += again is None
            except Gone as exc:
                logs.info("not-wanted", where=channel.name, error=str(exc))
                del queue[0]
                done += 1
            else:
                kept = [one for one in queue if not channel.covers(head.event, one.event)]
                done += len(queue) - len(kept)
                queue[:] = kept
            self.queues.save()
        return done
