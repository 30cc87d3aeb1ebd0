"""A consumer of rewards' events in a process of its own, to be killed: `python -m tests.system.consumer PAUSE`.

It says `fetched`, `handled` and `committed`, and waits PAUSE seconds after each, so that a kill hits just there.
"""

import asyncio
import os
import sys
from typing import Any

import httpx2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.feed import FeedEvent
from services.kit.db import make_engine
from services.kit.feed_reader import Source, poll
from services.rewards.models import READER


async def say(word: str, pause: float) -> None:
    print(word, flush=True)
    await asyncio.sleep(pause)


class Telling(httpx2.AsyncHTTPTransport):
    """Says what the next request means: all before it is committed; and that its answer is there."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.pause, self.asked = pause, False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.asked:
            await say("committed", self.pause)
        self.asked = True
        answer = await super().handle_async_request(request)
        await answer.aread()
        await say("fetched", self.pause)
        return answer


async def main(pause: float) -> None:
    engine = make_engine(os.environ["CONSUMER_DATABASE"], 2)

    async def handle(conn: AsyncConnection, event: FeedEvent) -> Any:
        await conn.execute(
            text("INSERT INTO rewards.handled (position, word) VALUES (:position, :word)"),
            {"position": event.position, "word": event.id},
        )
        await say("handled", pause)

    source = Source(os.environ["CONSUMER_URL"], os.environ["CONSUMER_TOKEN"], Telling(pause))
    await poll(engine, READER, source, handle, limit=4)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
