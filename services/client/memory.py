"""What a client remembers between visits: the directories it saw and the heads of the logs.

Without it a server could show an old directory, or another log to every visitor. It holds nothing about reports,
and by default it lives in memory only, so that no trace stays on a reporter's disk.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.crypto.canonical import b64u, unb64u
from services.crypto.directories import Directory, parse_directory
from services.crypto.errors import CryptoError
from services.crypto.signatures import Signed
from services.kit.files import write_private

_KEEP = 24


@dataclass(frozen=True)
class Head:
    """The largest checkpoint seen of a log: number of entries and root hash."""

    size: int
    root: bytes


class Memory:
    """Directories and log heads; in a file of mode 0600 if a path is given.

    A file that cannot be read, or that belongs to other roots, counts as empty.
    """

    def __init__(self, roots: Sequence[bytes], path: Path | None = None) -> None:
        self._roots = b64u(sha256(b"".join(sorted(roots))).digest())
        self._path = path
        self._documents: list[Signed] = []
        self._heads: dict[str, Head] = {}
        if path is not None and path.exists():
            self._load(path)

    @property
    def directories(self) -> tuple[Directory, ...]:
        """Every directory remembered, oldest first."""
        return tuple(parse_directory(document) for document in self._documents)

    @property
    def last(self) -> Directory | None:
        """The newest directory seen."""
        return self.directories[-1] if self._documents else None

    def head(self, origin: str) -> Head | None:
        """The largest head seen of a log."""
        return self._heads.get(origin)

    def saw_directory(self, document: Signed) -> None:
        """Remember a directory that was checked."""
        if any(known.digest == document.digest for known in self._documents):
            return
        self._documents = sorted([*self._documents, document], key=_sequence)[-_KEEP:]
        self._save()

    def saw_head(self, origin: str, head: Head) -> None:
        """Remember a checkpoint that was checked, if it is the largest."""
        known = self._heads.get(origin)
        if known is None or head.size > known.size:
            self._heads[origin] = head
            self._save()

    def _load(self, path: Path) -> None:
        try:
            found = json.loads(path.read_bytes())
            if found["roots"] == self._roots:
                documents = [Signed.from_json(one) for one in found["directories"]]
                self._documents = [one for one in documents if parse_directory(one)]
                self._heads = {
                    origin: Head(int(head["size"]), unb64u(head["root"], 32))
                    for origin, head in found["heads"].items()
                }
        except (CryptoError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            self._documents, self._heads = [], {}

    def _save(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        heads = {origin: {"root": b64u(head.root), "size": head.size} for origin, head in self._heads.items()}
        content: dict[str, Any] = {
            "directories": [document.to_json() for document in self._documents],
            "heads": heads,
            "roots": self._roots,
        }
        write_private(self._path, json.dumps(content).encode())


def _sequence(document: Signed) -> int:
    return int(document.body["sequence"])
