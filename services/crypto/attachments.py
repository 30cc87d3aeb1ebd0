"""Attachments are bytes and zeros in an age file; a line in the signed part, the envelope, makes them evidence.

Nothing an attachment gives out counts before its last chunk and its hashes passed.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from services.crypto import rules
from services.crypto.age import HybridIdentity, HybridRecipient, open_part_stream, seal_part_stream
from services.crypto.age_header import Source
from services.crypto.canonical import b64u, members
from services.crypto.errors import FormatError, Refused
from services.crypto.padding import padme
from services.crypto.segments import Segments, segments_from_json

MAX_NAME = 255
_CHUNK = 65536
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,63}/[A-Za-z0-9!#$&^_.+-]{1,63}")
_PATH = re.compile(r"[\\/:]")


@dataclass(frozen=True)
class Envelope:
    """Line `i` of a part's attachments: name as given, media type, true size, hash of the true bytes (None in
    plain mode) and of the age file; where that is a concatenation of age files, the sizes of its segments."""

    i: int
    name: str = field(repr=False)
    type: str
    size: int
    sha256: bytes | None
    file_sha256: bytes
    segments: Segments | None = None

    @property
    def safe_name(self) -> str:
        """The name without folders, control and direction characters; never empty, never hidden."""
        last = _PATH.split(self.name)[-1]
        kept = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip(" .")
        return kept or f"attachment-{self.i + 1}"

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the line."""
        line = {
            "file_sha256": b64u(self.file_sha256),
            "i": self.i,
            "name": self.name,
            "sha256": None if self.sha256 is None else b64u(self.sha256),
            "size": self.size,
            "type": self.type,
        }
        return line if self.segments is None else {**line, "segments": [list(pair) for pair in self.segments]}

    @classmethod
    def of(
        cls, i: int, name: str, media_type: str, data: bytes, file: bytes, *, plain: bool = False
    ) -> "Envelope":
        """The envelope of true bytes and their age file; plain mode keeps no hash of the true bytes.

        Error: FormatError for an unusable name or media type.
        """
        digest = None if plain else sha256(data).digest()
        envelope = cls(i, name, media_type, len(data), digest, sha256(file).digest())
        return cls.from_json(envelope.to_json())

    @classmethod
    def from_json(cls, value: Any) -> "Envelope":
        """Parse strictly. Error: FormatError."""
        found = members(value, ("file_sha256", "i", "name", "sha256", "size", "type"), ("segments",))
        media, digest = found["type"], found["sha256"]
        if not isinstance(media, str) or not _MEDIA_TYPE.fullmatch(media):
            raise FormatError("not a media type")
        size = rules.integer(found["size"])
        return cls(
            i=rules.integer(found["i"]),
            name=rules.text(found["name"], MAX_NAME),
            type=media,
            size=size,
            sha256=None if digest is None else rules.bytes32(digest),
            file_sha256=rules.bytes32(found["file_sha256"]),
            segments=segments_from_json(found["segments"], size) if "segments" in found else None,
        )


def envelopes(value: Any, limit: int = 100) -> tuple[Envelope, ...]:
    """The `attachments` of a body: at most `limit`, numbered from 0. Error: FormatError."""
    found = tuple(Envelope.from_json(line) for line in rules.items(value, limit))
    if [envelope.i for envelope in found] != list(range(len(found))):
        raise FormatError("attachments are not numbered from 0")
    return found


def seal_attachment(data: bytes, recipient: HybridRecipient) -> bytes:
    """The age file of an attachment."""
    return b"".join(seal_attachment_stream([data], len(data), [recipient]))


def seal_attachment_stream(
    chunks: Iterable[bytes], size: int, recipients: Sequence[HybridRecipient]
) -> Iterator[bytes]:
    """The age file of an attachment of `size` bytes, in constant memory.

    Error: Refused, while iterating, if `chunks` give another size.
    """
    return seal_part_stream(_padded(chunks, size), recipients)


def open_attachment(file: bytes, envelope: Envelope, identity: HybridIdentity) -> bytes:
    """The true bytes. Errors: FormatError, WrongKey; Refused if a hash or the size is not the envelope's."""
    if sha256(file).digest() != envelope.file_sha256:
        raise Refused("not the file of the envelope")
    return b"".join(open_attachment_stream([file], envelope, identity))


def open_attachment_stream(
    chunks: Iterable[bytes], envelope: Envelope, *identities: HybridIdentity
) -> Iterator[bytes]:
    """The true bytes, in constant memory; they count only once the iterator ended without an error.

    One of the identities must open it: whoever reads a case may hold several keys of the report.

    Errors: as `open_attachment`, at the call for the header of a file in one piece, else while iterating.
    """
    file_hash = sha256()
    pieces = _hashed(chunks, file_hash)
    if envelope.segments is None:
        opened = open_part_stream(pieces, *identities)
        plaintext = _without_padding(opened, envelope.size, padme(envelope.size))
    else:
        plaintext = _joined(Source(pieces), envelope.segments, identities)
    return _true_bytes(plaintext, envelope, file_hash)


def _hashed(chunks: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        # One large chunk would be copied whole into the reader's buffer.
        for start in range(0, len(chunk), _CHUNK):
            yield chunk[start : start + _CHUNK]


def _joined(file: Source, segments: Segments, identities: Sequence[HybridIdentity]) -> Iterator[bytes]:
    """The true bytes of all segments; only the last one is padded."""
    for i, (plain, size) in enumerate(segments):
        total = padme(plain) if i == len(segments) - 1 else plain
        yield from _without_padding(open_part_stream(_taken(file, size), *identities), plain, total)
    if file.read(1):
        raise FormatError("data after the last segment")


def _taken(file: Source, size: int) -> Iterator[bytes]:
    for start in range(0, size, _CHUNK):
        yield file.read(min(_CHUNK, size - start))


def _without_padding(plaintext: Iterator[bytes], size: int, total: int) -> Iterator[bytes]:
    """The first `size` bytes of a plaintext of `total` bytes, zeros after those. Error: FormatError."""
    left, seen = size, 0
    for chunk in plaintext:
        seen += len(chunk)
        kept = chunk[:left]
        left -= len(kept)
        if chunk.count(0, len(kept)) != len(chunk) - len(kept):
            raise FormatError("padding is not zero")
        if kept:
            yield kept
    if seen != total:
        raise FormatError("wrong padded length")


def _true_bytes(plaintext: Iterator[bytes], envelope: Envelope, file_hash: Any) -> Iterator[bytes]:
    digest = sha256()
    for chunk in plaintext:
        digest.update(chunk)
        yield chunk
    if file_hash.digest() != envelope.file_sha256 or envelope.sha256 not in (None, digest.digest()):
        raise Refused("not the file of the envelope")


def _padded(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    left = size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        for start in range(0, len(chunk), _CHUNK):
            yield chunk[start : start + _CHUNK]
    if left:
        raise Refused("the size is not the announced one")
    zeros = padme(size) - size
    while zeros > 0:
        yield bytes(min(zeros, _CHUNK))
        zeros -= _CHUNK
