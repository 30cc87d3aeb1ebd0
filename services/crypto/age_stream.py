"""The payload of an age v1 file: STREAM over ChaCha20-Poly1305, in chunks of 64 KiB and constant memory.

Only authenticated plaintext is released, in order. A file that was cut gives the chunks before the cut and
then an error, never a silent end: the nonce of a chunk holds its number and whether it is the last.
Format: C2SP age.md, "Payload".
"""

from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from services.crypto.age_header import Source
from services.crypto.errors import FormatError

CHUNK = 64 * 1024
TAG = 16


def seal_stream(key: bytes, plaintext: Source) -> Iterator[bytes]:
    """Encrypted chunks under the 32-byte payload `key`; an empty plaintext gives one chunk, its tag."""
    aead = ChaCha20Poly1305(key)
    counter, chunk = 0, plaintext.read(CHUNK)
    while following := plaintext.read(CHUNK):
        yield aead.encrypt(_nonce(counter, last=False), chunk, None)
        counter, chunk = counter + 1, following
    yield aead.encrypt(_nonce(counter, last=True), chunk, None)


class StreamSealer:
    """Like `seal_stream`, for plaintext that is pushed: it holds back at most one chunk, which may be the last."""

    def __init__(self, key: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._counter = 0
        self._held = bytearray()

    def push(self, data: bytes) -> bytes:
        """The chunks that are complete and certainly not the last."""
        self._held += data
        made = []
        while len(self._held) > CHUNK:
            made.append(self._seal(bytes(self._held[:CHUNK]), last=False))
            del self._held[:CHUNK]
        return b"".join(made)

    def close(self) -> bytes:
        """The last chunk."""
        return self._seal(bytes(self._held), last=True)

    def _seal(self, chunk: bytes, *, last: bool) -> bytes:
        nonce = _nonce(self._counter, last=last)
        self._counter += 1
        return self._aead.encrypt(nonce, chunk, None)


def open_stream(key: bytes, ciphertext: Source) -> Iterator[bytes]:
    """Plaintext chunks; FormatError at the first that is altered, out of place, missing or too many."""
    aead = ChaCha20Poly1305(key)
    counter, chunk = 0, ciphertext.read(CHUNK + TAG)
    while following := ciphertext.read(CHUNK + TAG):
        plain = _open(aead, counter, chunk, last=False)
        if plain is None:
            yield _or_altered(_open(aead, counter, chunk, last=True))
            raise FormatError("age payload: data after the final chunk")
        yield plain
        counter, chunk = counter + 1, following
    plain = _open(aead, counter, chunk, last=True)
    if plain is None:
        # A chunk that is not the last one must be full.
        yield _or_altered(_open(aead, counter, chunk, last=False) if len(chunk) == CHUNK + TAG else None)
        raise FormatError("age payload: truncated")
    if plain:
        yield plain
    elif counter:
        # Otherwise one plaintext would have two lengths of ciphertext.
        raise FormatError("age payload: empty final chunk")


def _or_altered(plain: bytes | None) -> bytes:
    """A chunk that is genuine although the file ends wrongly after it, so that it may be released."""
    if plain is None:
        raise FormatError("age payload: altered or truncated")
    return plain


def _open(aead: ChaCha20Poly1305, counter: int, chunk: bytes, *, last: bool) -> bytes | None:
    try:
        return aead.decrypt(_nonce(counter, last=last), chunk, None)
    except InvalidTag:
        return None


def _nonce(counter: int, *, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + bytes([last])
