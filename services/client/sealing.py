"""Attachments of a message: sealed files and their lines, for one recipient or two."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from services.crypto.age import HybridRecipient
from services.crypto.attachments import Envelope, seal_attachment_stream
from services.crypto.canonical import b64
from services.crypto.packages import NewAttachment


@dataclass(frozen=True)
class SealedFiles:
    """`lines` go into the signed body, `files` (base64 of age files) beside the part."""

    lines: list[dict[str, Any]] = field(repr=False)
    files: list[str] = field(repr=False)


def seal_files(items: Sequence[NewAttachment], recipients: Sequence[HybridRecipient]) -> SealedFiles:
    """Seal every item to all recipients. Error: FormatError for an unusable name or media type."""
    lines, files = [], []
    for i, item in enumerate(items):
        file = b"".join(seal_attachment_stream([item.data], len(item.data), recipients))
        line = Envelope(
            i, item.name, item.type, len(item.data), sha256(item.data).digest(), sha256(file).digest()
        )
        lines.append(Envelope.from_json(line.to_json()).to_json())
        files.append(b64(file))
    return SealedFiles(lines, files)
