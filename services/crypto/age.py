"""age v1 files: sealed to recipients, opened by identities, of any size, in constant memory.

Stock `age` >= 1.3 reads them. Whatever `decrypt` and `decrypt_stream` give out was authenticated first.
A **part** is an age file under the part rule: 1 to 8 stanzas, all `mlkem768x25519`, so that no classical key
opens what is promised to be post-quantum. `seal`, `open_part` and `check_part` hold to it; `encrypt` and
`decrypt` also take X25519 and passphrases. Byte layouts: docs/sealing-format.md and C2SP age.md.
"""

import os
from collections.abc import Iterable, Iterator, Sequence

from services.crypto.age_armor import armor, dearmor
from services.crypto.age_header import Header, Source, Stanza, read_header, write_header
from services.crypto.age_keys import (
    FILE_KEY,
    HYBRID,
    SCRYPT,
    HybridIdentity,
    HybridRecipient,
    Identity,
    Passphrase,
    Recipient,
    X25519Identity,
    X25519Recipient,
    check_hybrid,
    hkdf,
    unwrap_first,
)
from services.crypto.age_stream import CHUNK, StreamSealer, open_stream, seal_stream
from services.crypto.errors import FormatError, Refused, WrongKey

__all__ = [
    "MAX_STANZAS",
    "HybridIdentity",
    "HybridRecipient",
    "Identity",
    "PartSealer",
    "Passphrase",
    "Recipient",
    "X25519Identity",
    "X25519Recipient",
    "armor",
    "check_part",
    "dearmor",
    "decrypt",
    "decrypt_stream",
    "encrypt",
    "encrypt_stream",
    "open_part",
    "open_part_stream",
    "seal",
    "seal_part_stream",
    "stanza_types",
]

MAX_STANZAS = 8
_NONCE = 16


def encrypt(plaintext: bytes, recipients: Sequence[Recipient]) -> bytes:
    """An age file; Refused for no recipient, recipients of two kinds, or a passphrase beside another."""
    return b"".join(encrypt_stream(_pieces(plaintext), recipients))


def decrypt(data: bytes, identities: Sequence[Identity]) -> bytes:
    """The plaintext; WrongKey when no identity fits, FormatError when the file is altered or cut."""
    return b"".join(decrypt_stream(_pieces(data), identities))


def encrypt_stream(chunks: Iterable[bytes], recipients: Sequence[Recipient]) -> Iterator[bytes]:
    """Like `encrypt`, piece by piece; recipients are checked and the header is made at the call."""
    _check_recipients(recipients)
    start, key = _start(recipients)
    return _file(start, seal_stream(key, Source(chunks)))


def decrypt_stream(chunks: Iterable[bytes], identities: Sequence[Identity]) -> Iterator[bytes]:
    """Like `decrypt`, piece by piece, releasing only authenticated chunks.

    The header is read at the call, which raises WrongKey or FormatError. FormatError while iterating means:
    what came out so far is genuine, but the file is altered or cut after it.
    """
    source = Source(chunks)
    return _open(read_header(source), source, identities)


def stanza_types(data: bytes) -> list[str]:
    """Types of the stanzas, in order, of a file or a prefix that holds its header. Needs no key."""
    return [stanza.type for stanza in _header(data).stanzas]


def check_part(data: bytes) -> None:
    """Refused unless a file (or a prefix with its header) obeys the part rule; FormatError. Needs no key."""
    _check_part_rule(_header(data).stanzas)


def seal(plaintext: bytes, recipients: Sequence[HybridRecipient]) -> bytes:
    """A part: an age file for 1 to 8 hybrid recipients; Refused otherwise."""
    return b"".join(seal_part_stream(_pieces(plaintext), recipients))


def seal_part_stream(chunks: Iterable[bytes], recipients: Sequence[HybridRecipient]) -> Iterator[bytes]:
    """Like `seal`, piece by piece."""
    _check_hybrid_recipients(recipients)
    return encrypt_stream(chunks, recipients)


class PartSealer:
    """Like `seal`, for plaintext that comes by and by: `push` and `close` give the next bytes of the file."""

    def __init__(self, recipients: Sequence[HybridRecipient]) -> None:
        _check_hybrid_recipients(recipients)
        self._start, key = _start(recipients)
        self._stream = StreamSealer(key)

    def push(self, data: bytes) -> bytes:
        """More plaintext."""
        start, self._start = self._start, b""
        return start + self._stream.push(data)

    def close(self) -> bytes:
        """The end of the file."""
        return self.push(b"") + self._stream.close()


def open_part(data: bytes, identity: HybridIdentity) -> bytes:
    """The plaintext; Refused, before the key is tried, for a file that is no part; else as `decrypt`."""
    return b"".join(open_part_stream(_pieces(data), identity))


def open_part_stream(chunks: Iterable[bytes], *identities: HybridIdentity) -> Iterator[bytes]:
    """Like `open_part`, piece by piece; see `decrypt_stream`."""
    source = Source(chunks)
    header = read_header(source)
    _check_part_rule(header.stanzas)
    return _open(header, source, identities)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))


def _header(data: bytes) -> Header:
    return read_header(Source(_pieces(data)))


def _start(recipients: Sequence[Recipient]) -> tuple[bytes, bytes]:
    """Header and nonce of a new file, and the key of its payload."""
    file_key, nonce = os.urandom(FILE_KEY), os.urandom(_NONCE)
    header = write_header([recipient.wrap(file_key) for recipient in recipients], _mac_key(file_key))
    return header + nonce, _payload_key(file_key, nonce)


def _file(start: bytes, payload: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from payload


def _open(header: Header, source: Source, identities: Sequence[Identity]) -> Iterator[bytes]:
    file_key = unwrap_first(header.stanzas, identities)
    if file_key is None:
        raise WrongKey("age file: no identity opens it")
    header.check_mac(_mac_key(file_key))
    nonce = source.read(_NONCE)
    if len(nonce) < _NONCE:
        raise FormatError("age header: truncated nonce")
    return open_stream(_payload_key(file_key, nonce), source)


def _check_recipients(recipients: Sequence[Recipient]) -> None:
    kinds = {recipient.kind for recipient in recipients}
    # One classical recipient would undo the post-quantum promise of the others.
    if len(kinds) != 1 or (SCRYPT in kinds and len(recipients) > 1):
        raise Refused("age file: needs recipients of one kind")


def _check_hybrid_recipients(recipients: Sequence[HybridRecipient]) -> None:
    if not 1 <= len(recipients) <= MAX_STANZAS or any(recipient.kind != HYBRID for recipient in recipients):
        raise Refused("part: needs 1 to 8 hybrid recipients")


def _check_part_rule(stanzas: Sequence[Stanza]) -> None:
    if len(stanzas) > MAX_STANZAS or any(stanza.type != HYBRID for stanza in stanzas):
        raise Refused("part: needs 1 to 8 stanzas, all hybrid")
    for stanza in stanzas:
        check_hybrid(stanza)


def _mac_key(file_key: bytes) -> bytes:
    return hkdf(file_key, salt=b"", info=b"header")


def _payload_key(file_key: bytes, nonce: bytes) -> bytes:
    return hkdf(file_key, salt=nonce, info=b"payload")
