"""A file sealed in segments, while it comes: each segment is an age file of its own, so that a cut loses little.

The stored file is the concatenation of the segments; only the last is padded, to `padme` of its own length. The list
of [plain bytes, file bytes] stands in the envelope. Memory stays constant, and no key is kept between segments.
Layout: docs/sealing-format.md, section 3.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from services.crypto import rules
from services.crypto.age import HybridRecipient, PartSealer
from services.crypto.errors import FormatError, Refused
from services.crypto.padding import padme

SEGMENT = 8 << 20  # most plaintext bytes of a segment
MAX_SEGMENTS = 4096
_ZEROS = 65536

#: (plain bytes, file bytes) of each segment, in order.
Segments = tuple[tuple[int, int], ...]


class SegmentSealer:
    """One segment for `recipients`, in pieces: `push` and `close` give the next bytes of the age file.

    `plain` and `file` count what went in and what came out. Error: Refused as `age.seal`.
    """

    def __init__(self, recipients: Sequence[HybridRecipient]) -> None:
        self._sealer = PartSealer(recipients)
        self.plain = self.file = 0

    def push(self, data: bytes) -> bytes:
        """Seal more plaintext. Error: Refused above 8 MiB."""
        self.plain += len(data)
        if self.plain > SEGMENT:
            raise Refused("a segment is too long")
        return self._counted(self._sealer.push(data))

    def close(self, *, last: bool) -> bytes:
        """End the segment; the last of a file is padded."""
        made = b""
        if last:
            made = b"".join(map(self._sealer.push, _zeros(padme(self.plain) - self.plain)))
        return self._counted(made + self._sealer.close())

    def _counted(self, made: bytes) -> bytes:
        self.file += len(made)
        return made


def segments_from_json(value: Any, size: int) -> Segments:
    """The `segments` of an envelope of `size` true bytes. Error: FormatError."""
    found = tuple(_pair(line) for line in rules.items(value, MAX_SEGMENTS))
    if not found or sum(plain for plain, _ in found) != size:
        raise FormatError("segments of another size")
    if any(plain == 0 for plain, _ in found) and len(found) > 1:
        raise FormatError("an empty segment")
    return found


def _pair(value: Any) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise FormatError("not a segment")
    return rules.integer(value[0], 0, SEGMENT), rules.integer(value[1], 1)


def _zeros(count: int) -> Iterator[bytes]:
    for start in range(0, count, _ZEROS):
        yield bytes(min(_ZEROS, count - start))
