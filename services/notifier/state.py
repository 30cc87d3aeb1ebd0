"""What the notifier remembers on its disk: how far it read the feed, and which events of the next page are done."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from services.crypto import rules
from services.crypto.canonical import members
from services.kit.files import write_private


@dataclass(frozen=True)
class State:
    """A position of the feed and ids of events behind it; an id is random and names nothing."""

    position: int = 0
    done: frozenset[UUID] = frozenset()

    def after(self, event: UUID) -> "State":
        """The same with one event more."""
        return replace(self, done=self.done | {event})

    @classmethod
    def read(cls, path: Path) -> "State":
        """The state in a file; a fresh one where there is none. Errors: OSError, ValueError when it was spoilt."""
        if not path.exists():
            return cls()
        found = members(json.loads(path.read_bytes()), ("done", "position"))
        return cls(
            rules.integer(found["position"]), frozenset(UUID(rules.uuid(one)) for one in found["done"])
        )

    def write(self, path: Path) -> None:
        """Put it on the disk at once, readable by its owner only."""
        found = {"done": sorted(map(str, self.done)), "position": self.position}
        write_private(path, json.dumps(found).encode())
