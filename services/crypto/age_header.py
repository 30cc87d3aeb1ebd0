"""The header of an age v1 file: strict in, canonical out.

Whatever `read_header` accepts, `write_header` would write byte for byte; a header that could be spelled in
two ways is refused. It is at most 1 MiB long (about 650 hybrid recipients). Format: C2SP age.md, "Header".
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.crypto.errors import FormatError

MAX_HEADER = 1 << 20
_VERSION_LINE = b"age-encryption.org/v1\n"
_COLUMNS = 64
_MAC_COLUMNS = 43
_VISIBLE = bytes(range(33, 127))


class Source:
    """Bytes from chunks of any size, taken by line or by count; holds one chunk and what was asked for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._buffer = bytearray()
        self._line_bytes_left = MAX_HEADER

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end of the data."""
        while len(self._buffer) < size and self._more():
            pass
        return self._take(size)

    def line(self) -> bytes:
        """One line without its newline; FormatError when there is none, or all lines exceed 1 MiB."""
        limit, seen = self._line_bytes_left, 0
        while (end := self._buffer.find(b"\n", seen, limit)) < 0:
            seen = len(self._buffer)
            if seen >= limit or not self._more():
                raise FormatError("age header: truncated or too long")
        self._line_bytes_left -= end + 1
        return self._take(end + 1)[:-1]

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._buffer += chunk
        return True

    def _take(self, size: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:size])
        del self._buffer[:size]
        return taken


@dataclass(frozen=True)
class Stanza:
    """One way to the file key: its type, further arguments, and the wrapped key."""

    type: str
    args: tuple[str, ...]
    body: bytes

    def encode(self) -> bytes:
        """The stanza's lines; the last body line is always shorter than 64 columns, if need be empty."""
        text = b64encode(self.body)
        lines = [" ".join(("->", self.type, *self.args))]
        lines += [text[start : start + _COLUMNS] for start in range(0, len(text) + 1, _COLUMNS)]
        return "\n".join(lines).encode() + b"\n"


@dataclass(frozen=True)
class Header:
    """A parsed header: its stanzas and the MAC, which proves nothing until it was checked."""

    stanzas: tuple[Stanza, ...]
    mac: bytes

    def check_mac(self, mac_key: bytes) -> None:
        """FormatError unless the header was made by somebody who knew the file key."""
        if not hmac.compare_digest(self.mac, _mac(self.stanzas, mac_key)):
            raise FormatError("age header: wrong MAC")


def write_header(stanzas: Sequence[Stanza], mac_key: bytes) -> bytes:
    """The header's bytes, up to and including the newline after the MAC."""
    return _unsigned(stanzas) + b" " + b64encode(_mac(stanzas, mac_key)).encode() + b"\n"


def read_header(source: Source) -> Header:
    """Takes the header off `source`; FormatError for anything but its one canonical spelling."""
    if source.read(len(_VERSION_LINE)) != _VERSION_LINE:
        raise FormatError("age header: not an age v1 file")
    stanzas: list[Stanza] = []
    while not (line := source.line()).startswith(b"---"):
        kind, *args = _arguments(line)
        stanzas.append(Stanza(kind, tuple(args), _body(source)))
    if not stanzas:
        raise FormatError("age header: no stanza")
    return Header(tuple(stanzas), _parse_mac(line))


def b64encode(data: bytes) -> str:
    """Standard base64 without padding, as age headers have it."""
    return base64.b64encode(data).decode().rstrip("=")


def b64decode(text: bytes) -> bytes:
    """Strict inverse of `b64encode`.

    FormatError for padding, white space, characters outside the alphabet and spare bits that are not zero.
    """
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise FormatError("age header: bad base64") from None
    if b64encode(data).encode() != text:
        raise FormatError("age header: non-canonical base64")
    return data


def _unsigned(stanzas: Sequence[Stanza]) -> bytes:
    return _VERSION_LINE + b"".join(stanza.encode() for stanza in stanzas) + b"---"


def _mac(stanzas: Sequence[Stanza], mac_key: bytes) -> bytes:
    return hmac.digest(mac_key, _unsigned(stanzas), hashlib.sha256)


def _parse_mac(line: bytes) -> bytes:
    dashes, text = line[:4], line[4:]
    if dashes != b"--- " or len(text) != _MAC_COLUMNS:
        raise FormatError("age header: bad MAC line")
    return b64decode(text)


def _arguments(line: bytes) -> list[str]:
    arrow, *words = line.split(b" ")
    if arrow != b"->" or not words:
        raise FormatError("age header: bad stanza line")
    if any(not word or word.translate(None, _VISIBLE) for word in words):
        raise FormatError("age header: bad stanza argument")
    return [word.decode() for word in words]


def _body(source: Source) -> bytes:
    body = bytearray()
    while True:
        line = source.line()
        if len(line) > _COLUMNS:
            raise FormatError("age header: body line too long")
        body += b64decode(line)
        if len(line) < _COLUMNS:
            return bytes(body)
