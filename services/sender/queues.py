"""What was fetched and not delivered yet, in one file that survives a crash: written before the feed is told to forget.

Delivery is at least once and in order for each channel. A receiver knows an event it got before by its id.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from services.contracts.feed import FeedEvent, FeedPage
from services.crypto import rules
from services.crypto.canonical import members
from services.kit.files import write_private

#: Seconds from each failed try to the next one; after the last the event is given up.
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000)
#: A receiver that is away for long must not fill the disk; the oldest events go first.
MOST = 10_000


@dataclass(frozen=True)
class Waiting:
    """An event in a queue, how often it was tried, and when it may be tried again (POSIX seconds)."""

    event: FeedEvent
    attempts: int = 0
    not_before: int = 0

    def failed(self, now: int) -> "Waiting | None":
        """The same after one more failure; None when it is given up."""
        if self.attempts >= len(PAUSES):
            return None
        return Waiting(self.event, self.attempts + 1, now + PAUSES[self.attempts])

    def to_json(self) -> dict[str, Any]:
        return {"attempts": self.attempts, "event": self.event.to_json(), "not_before": self.not_before}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse strictly. Error: FormatError."""
        found = members(value, ("attempts", "event", "not_before"))
        return cls(
            FeedEvent.from_json(found["event"]),
            rules.integer(found["attempts"]),
            rules.integer(found["not_before"]),
        )


@dataclass
class Queues:
    """Position in each consumer's feed, and the queue of each channel."""

    path: Path
    positions: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, list[Waiting]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """From the file; empty without one. Errors: OSError, ValueError when it was spoilt."""
        if not path.exists():
            return cls(path)
        found = members(json.loads(path.read_bytes()), ("positions", "waiting"))
        return cls(
            path,
            {name: rules.integer(position) for name, position in found["positions"].items()},
            {name: [Waiting.from_json(line) for line in lines] for name, lines in found["waiting"].items()},
        )

    def save(self) -> None:
        """Durably, whole or not at all. Error: OSError."""
        lines = {name: [one.to_json() for one in found] for name, found in self.waiting.items() if found}
        write_private(self.path, json.dumps({"positions": self.positions, "waiting": lines}).encode())

    def keep_only(self, channels: set[str]) -> None:
        """Forget what waits for channels that are no more."""
        self.waiting = {name: found for name, found in self.waiting.items() if name in channels}

    def add(self, consumer: str, channels: list[str], page: FeedPage) -> int:
        """Take a page into the queues of these channels; the number of events dropped because one was full."""
        position, dropped = self.positions.get(consumer, 0), 0
        new = [Waiting(event) for event in page.events if event.position > position]
        for channel in channels:
            found = [*self.waiting.get(channel, []), *new]
            dropped += max(0, len(found) - MOST)
            self.waiting[channel] = found[-MOST:]
        last = page.events[-1].position if page.events else page.dropped
        self.positions[consumer] = max(position, last)
        self.save()
        return dropped
