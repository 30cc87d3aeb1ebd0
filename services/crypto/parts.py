"""What a report is made of, once sealed: parts in a package or uploaded before, and the public half of its key."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.canonical import b64
from services.crypto.directories import Directory
from services.crypto.grants import seal_grant
from services.crypto.segments import Segments

#: So much of the start of an uploaded part is enough to check it: the header of 8 stanzas has about 14 KiB.
HEAD = 65536


@dataclass(frozen=True)
class NewAttachment:
    """A file the reporter adds: its name, media type and bytes."""

    name: str = field(repr=False)
    type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class SealedPart:
    """One age file of a report: narrative, identity or attachment."""

    role: str
    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return len(self.data)

    @cached_property
    def sha256(self) -> bytes:
        """The hash of the file."""
        return sha256(self.data).digest()

    def to_json(self) -> dict[str, Any]:
        """The line that is sent."""
        return {"data": b64(self.data), "role": self.role}


@dataclass(frozen=True)
class UploadedPart(SealedPart):
    """An attachment that lies elsewhere, under the id `upload`: `data` is only its start, `HEAD` bytes or none.

    `stored` is the length of the file and `digest` its hash.
    """

    upload: str
    stored: int
    digest: bytes

    @property
    def size(self) -> int:
        """Length of the whole file in bytes."""
        return self.stored

    @cached_property
    def sha256(self) -> bytes:
        """The hash of the whole file."""
        return self.digest

    def to_json(self) -> dict[str, Any]:
        """The line that is sent."""
        return {"role": self.role, "upload": self.upload}


@dataclass(frozen=True)
class SealedFile:
    """An attachment sealed beforehand to the report's recipient.

    `size` is that of the true bytes, `digest` their SHA-256 (None in plain mode); `part` is what became of them.
    """

    name: str = field(repr=False)
    type: str
    size: int
    digest: bytes | None
    part: SealedPart
    segments: Segments | None = None


@dataclass(frozen=True)
class SealedGrant:
    """The report key, sealed to a desk of the directory."""

    desk: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class ReportKey:
    """The public half of a report's key. Its secret exists in the grant only: who made the key has forgotten it."""

    recipient: HybridRecipient
    grant: SealedGrant

    @classmethod
    def make(cls, directory: Directory, desk_id: str, today: date | None = None) -> "ReportKey":
        """A fresh key, granted to a desk; `today` (UTC) picks the desk's key. Error: Refused for no such desk."""
        desk, secret = directory.desk(desk_id, today or datetime.now(UTC).date()), HybridIdentity.generate()
        return cls(secret.recipient, SealedGrant(desk.id, seal_grant(secret, "desk", desk.recipient)))
