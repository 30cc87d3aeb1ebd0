"""A filed report as the reporter keeps it: the receipt, and the authority's signed promise, checked.

`to_json` is what may be saved: it proves the filing and opens nothing.
"""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from services.client.directory import log_of
from services.crypto import rules
from services.crypto.canonical import b64u, members, unb64u
from services.crypto.directories import Directory
from services.crypto.errors import Refused
from services.crypto.manifests import Manifest
from services.crypto.packages import NewAttachment
from services.crypto.promises import check_promise, report_record
from services.crypto.signatures import Signed

_SAVED = ("day", "manifest", "promise", "record", "reference", "salt")


@dataclass(frozen=True)
class FileAttachment:
    """A file the reporter adds: where it lies (a path, or an open stream that can be rewound), name, media type.

    It is never read whole when it is large.
    """

    source: Path | BinaryIO = field(repr=False)
    name: str = field(repr=False)
    type: str


Attached = NewAttachment | FileAttachment


@contextmanager
def opened(item: Attached) -> Iterator[BinaryIO]:
    """The bytes of an attachment, from their start; a caller's stream stays open. Errors: OSError."""
    source = io.BytesIO(item.data) if isinstance(item, NewAttachment) else item.source
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
        return
    source.seek(0)
    yield source


def size_of(item: Attached) -> int:
    """How many bytes an attachment has now. Errors: OSError."""
    if isinstance(item, NewAttachment):
        return len(item.data)
    with opened(item) as file:
        return file.seek(0, os.SEEK_END)


def in_memory(item: Attached) -> NewAttachment:
    """An attachment with its bytes. Errors: OSError."""
    if isinstance(item, NewAttachment):
        return item
    with opened(item) as file:
        return NewAttachment(item.name, item.type, file.read())


@dataclass(frozen=True)
class NewReport:
    """What a reporter wrote: clear `fields`, `answers`, `mode` anonymous, confidential or open, who they are."""

    fields: dict[str, Any] = field(repr=False)
    answers: dict[str, Any] = field(repr=False)
    mode: str = "anonymous"
    identity: dict[str, str] | None = field(default=None, repr=False)
    attachments: Sequence[Attached] = field(default=(), repr=False)


@dataclass(frozen=True)
class Filed:
    """A report that is stored for good. `receipt` (24 digits) is the only key to the inbox; nobody else has it."""

    receipt: str = field(repr=False)
    reference: str
    rid: bytes = field(repr=False)
    day: date
    promise: Signed = field(repr=False)
    record: dict[str, Any] = field(repr=False)
    salt: bytes = field(repr=False)
    manifest: Manifest = field(repr=False)
    register_by: date | None = None

    @property
    def leaf(self) -> bytes:
        """The 32 bytes that will stand in the log."""
        return unb64u(self.promise.body["leaf"], 32)

    @property
    def origin(self) -> str:
        """The name of the log that promised."""
        return str(self.promise.body["origin"])

    def check(self, directory: Directory) -> None:
        """Return if the log of the directory promised exactly this report. Errors: CryptoError."""
        if self.record != report_record(self.manifest, self.day):
            raise Refused("the promise is of another record")
        origin = rules.text(self.promise.body.get("origin"), 255)
        check_promise(self.promise, log_of(directory, origin).verify_key, self.record, self.salt)

    def to_json(self) -> dict[str, Any]:
        """All but the receipt, as JSON."""
        return {
            "day": self.day.isoformat(),
            "manifest": self.manifest.to_json(),
            "promise": self.promise.to_json(),
            "record": self.record,
            "reference": self.reference,
            "salt": b64u(self.salt),
        }

    @classmethod
    def from_json(cls, value: Any, receipt: str = "") -> "Filed":
        """Read what `to_json` wrote; nothing is checked but the form. Errors: FormatError."""
        found = members(value, _SAVED)
        manifest = Manifest.from_json(found["manifest"])
        return cls(
            receipt, rules.text(found["reference"], 64), manifest.rid, rules.day(found["day"]),
            Signed.from_json(found["promise"]), dict(found["record"]), rules.bytes32(found["salt"]), manifest,
        )  # fmt: skip
