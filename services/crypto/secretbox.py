"""Secrets the service keeps for itself: authenticated encryption, key derivation and keyed hashes.

A box can be opened only with its key and the same associated data, and boxes may be made without limit under
one key: each has a key of its own, derived from 32 random bytes that travel in front.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.crypto.errors import FormatError, WrongKey

KEY_SIZE = 32
OVERHEAD = 1 + 32 + 16
"""How many bytes a box is longer than its plaintext: version, salt, tag."""
MIN_MAC_KEY = 16
_VERSION, _SALT_SIZE = b"\x01", 32
# Safe to repeat: the derived key is used once.
_NONCE = bytes(12)


def seal(key: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
    """Box: u8 version 1 | 32-byte salt | ChaCha20-Poly1305 ciphertext and tag. `key` is 32 bytes."""
    salt = os.urandom(_SALT_SIZE)
    return _VERSION + salt + _cipher(key, salt).encrypt(_NONCE, plaintext, aad)


def open_box(key: bytes, data: bytes, aad: bytes = b"") -> bytes:
    """Plaintext of a box. Raises FormatError for no box, WrongKey for another key or aad or any change."""
    if len(data) < OVERHEAD or data[:1] != _VERSION:
        raise FormatError("not a box")
    salt, sealed = data[1 : 1 + _SALT_SIZE], data[1 + _SALT_SIZE :]
    try:
        return _cipher(key, salt).decrypt(_NONCE, sealed, aad)
    except InvalidTag:
        raise WrongKey("the box does not open") from None


def _cipher(key: bytes, salt: bytes) -> ChaCha20Poly1305:
    if len(key) != KEY_SIZE:
        raise FormatError("a box key is 32 bytes long")
    return ChaCha20Poly1305(HKDF(SHA256(), KEY_SIZE, salt, b"adal/v1/box").derive(key))


def hkdf(ikm: bytes, info: str, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) with an empty salt; `info` is the label of the use, `length` 1..8160 bytes."""
    return HKDF(SHA256(), length, None, info.encode()).derive(ikm)


def mac(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 over the parts, each after its length as u64, so that no two lists of parts collide.

    32 bytes. Raises FormatError for a key under 16 bytes.
    """
    if len(key) < MIN_MAC_KEY:
        raise FormatError("a key for a keyed hash is at least 16 bytes long")
    message = b"".join(len(part).to_bytes(8) + part for part in parts)
    return hmac.digest(key, message, hashlib.sha256)


def equal(left: bytes, right: bytes) -> bool:
    """Whether two byte strings are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(left, right)
