"""What the machine gives at the moment: a stretching of a receipt and an empty request, right before and after.

On a machine that others use too, milliseconds of one minute are not those of the next. Multiples of a fixed piece of
work measured at the same time are nearer to each other.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bench import load
from services.crypto.receipts import derive, new_receipt

T = TypeVar("T")
STRETCHINGS, REQUESTS = 3, 25


@dataclass(frozen=True)
class Yardstick:
    """CPU seconds of one stretching (19 MiB, two passes), seconds of one request to an empty route."""

    stretching: float
    empty: float


def _stretching() -> float:
    receipt = new_receipt()
    begun = time.thread_time()
    derive(receipt)
    return time.thread_time() - begun


def now(port: int) -> Yardstick:
    """The medians of a few; `port` is that of the empty service."""
    requests = [load.get("/healthz")] * REQUESTS
    empty = asyncio.run(load.run(port, requests, 1, 200)).latencies
    stretching = statistics.median(_stretching() for _ in range(STRETCHINGS))
    return Yardstick(stretching, statistics.median(empty))


def around(port: int, run: Callable[[], T]) -> tuple[T, Yardstick]:
    """What `run` gives, and the mean of the yardsticks right before and right after it."""
    before = now(port)
    found = run()
    after = now(port)
    return found, Yardstick((before.stretching + after.stretching) / 2, (before.empty + after.empty) / 2)
