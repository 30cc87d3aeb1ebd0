"""What a page of the pulled feed looks like: the publisher writes it, consumers and the sender read it.

An event says what kind of thing happened and on which day; what may be read of it is either nothing, the member of
staff to be notified, or an age file sealed to the one consumer whose event it is.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self
from uuid import UUID

from services.crypto import rules
from services.crypto.canonical import b64, members, unb64
from services.crypto.errors import FormatError

#: Everything of one page has its place, and a page of sealed events stays within a few megabytes.
MOST_EVENTS = 500


@dataclass(frozen=True)
class FeedEvent:
    """One event of one consumer: `position` orders the feed from 1 on, `id` names the event for ever."""

    position: int
    id: UUID
    kind: str
    day: date
    person: UUID | None = None
    sealed: bytes | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The event as it stands in a page, and as one line for a SIEM."""
        found: dict[str, Any] = {
            "day": self.day.isoformat(), "id": str(self.id), "kind": self.kind, "position": self.position,
        }  # fmt: skip
        if self.person is not None:
            found["person"] = str(self.person)
        if self.sealed is not None:
            found["sealed"] = b64(self.sealed)
        return found

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse strictly. Error: FormatError."""
        found = members(value, ("day", "id", "kind", "position"), ("person", "sealed"))
        return cls(
            rules.integer(found["position"], 1), UUID(rules.uuid(found["id"])), rules.code(found["kind"]),
            rules.day(found["day"]),
            UUID(rules.uuid(found["person"])) if "person" in found else None,
            unb64(found["sealed"]) if "sealed" in found else None,
        )  # fmt: skip


@dataclass(frozen=True)
class FeedPage:
    """The next events after a position, in order.

    `dropped` is the highest position that was acknowledged before: a consumer that asks from below it was restored
    from an old copy and has missed what lay between.
    """

    dropped: int
    events: tuple[FeedEvent, ...]

    def to_json(self) -> dict[str, Any]:
        return {"dropped": self.dropped, "events": [event.to_json() for event in self.events]}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse strictly; positions must rise. Error: FormatError."""
        found = members(value, ("dropped", "events"))
        events = tuple(FeedEvent.from_json(line) for line in rules.items(found["events"], MOST_EVENTS))
        if not _rise(event.position for event in events):
            raise FormatError("events out of order")
        return cls(rules.integer(found["dropped"]), events)


def _rise(positions: Iterable[int]) -> bool:
    found = list(positions)
    return all(low < high for low, high in itertools.pairwise(found))
