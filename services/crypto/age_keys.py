"""Recipients (who may open a file) and identities (who can): hybrid post-quantum, X25519 and passphrase.

Parts of a report use the hybrid kind only: ML-KEM-768 with X25519, both of which must fall before a part can
be read. X25519 is there for files of others, passphrases for staff keys at rest. `str` of an identity is its
secret; `repr` never is. Formats: C2SP age.md, "Recipient types"; the nonce of a wrap is zero, since each wrap
key is used once.
"""

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from services.crypto import bech32
from services.crypto.age_header import Stanza, b64decode, b64encode
from services.crypto.errors import FormatError, Refused

FILE_KEY = 16
HYBRID, X25519, SCRYPT = "mlkem768x25519", "X25519", "scrypt"
_WRAPPED = FILE_KEY + 16  # the file key and its tag
_SEED = 32
_SALT = 16
_X25519_PUBLIC, _MLKEM_PUBLIC, _MLKEM_ENC = 32, 1184, 1088
_HYBRID_INFO = b"age-encryption.org/mlkem768x25519"
_X25519_INFO = b"age-encryption.org/v1/X25519"
_SCRYPT_INFO = b"age-encryption.org/v1/scrypt"
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_ZERO_NONCE = bytes(12)
_ANY_X25519 = X25519PrivateKey.from_private_bytes(bytes(32))


class Recipient(Protocol):
    """Somebody a file can be sealed to."""

    @property
    def kind(self) -> str:
        """The stanza type it writes; kinds are never mixed in one file."""

    def wrap(self, file_key: bytes) -> Stanza:
        """A stanza from which only the recipient gets the 16-byte file key back."""


class Identity(Protocol):
    """Somebody who may be able to open a file."""

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """The file key, None when the stanza is for somebody else, FormatError when it is malformed."""


@dataclass(frozen=True)
class _PublicKey(ABC):
    """A public key as bytes, checked when made; its text form is bech32, lower case."""

    key: bytes = field(repr=False)
    HRP: ClassVar[str]

    def __post_init__(self) -> None:
        if not self._is_key():
            raise FormatError("recipient: not a key")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text form; FormatError for anything else or an unusable key."""
        if text != text.lower():
            raise FormatError("recipient: not in lower case")
        parsed = cls(_decode(text, cls.HRP))
        # Bech32 has one spelling in lower case, so this is what encoding it again would give.
        parsed.__dict__["_text"] = text
        return parsed

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return bech32.encode(self.HRP, self.key)

    @abstractmethod
    def _is_key(self) -> bool: ...


@dataclass(frozen=True)
class _SecretKey:
    """A secret key as a 32-byte seed; its text form is bech32, upper case, and is a secret."""

    seed: bytes = field(repr=False)
    HRP: ClassVar[str]

    def __post_init__(self) -> None:
        if len(self.seed) != _SEED:
            raise FormatError("identity: seed is not 32 bytes")

    @classmethod
    def generate(cls) -> Self:
        """A fresh identity from the system's random source."""
        return cls(os.urandom(_SEED))

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The identity of 32 secret bytes; FormatError for another length."""
        return cls(bytes(seed))

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text form; FormatError for anything else."""
        if text != text.upper():
            raise FormatError("identity: not in upper case")
        return cls(_decode(text, cls.HRP))

    def __str__(self) -> str:
        return bech32.encode(self.HRP, self.seed).upper()


class HybridRecipient(_PublicKey):
    """Public half of a hybrid key: 1,184 bytes of ML-KEM-768, 32 of X25519; text form `age1pq1...`."""

    kind: ClassVar[str] = HYBRID
    HRP: ClassVar[str] = "age1pq"

    def wrap(self, file_key: bytes) -> Stanza:
        """An `mlkem768x25519` stanza."""
        sealed = _SUITE.encrypt(file_key, self._public, info=_HYBRID_INFO)
        return Stanza(HYBRID, (b64encode(sealed[:-_WRAPPED]),), sealed[-_WRAPPED:])

    @cached_property
    def _public(self) -> hpke.MLKEM768X25519PublicKey:
        mlkem = MLKEM768PublicKey.from_public_bytes(self.key[:_MLKEM_PUBLIC])
        return hpke.MLKEM768X25519PublicKey(
            mlkem, X25519PublicKey.from_public_bytes(self.key[_MLKEM_PUBLIC:])
        )

    def _is_key(self) -> bool:
        if len(self.key) != _MLKEM_PUBLIC + _X25519_PUBLIC or not _is_sound(self.key[_MLKEM_PUBLIC:]):
            return False
        try:
            _ = self._public
        except ValueError:  # a coefficient that is not reduced
            return False
        return True


class HybridIdentity(_SecretKey):
    """Secret half of a hybrid key; text form `AGE-SECRET-KEY-PQ-1...`."""

    HRP: ClassVar[str] = "age-secret-key-pq-"

    @cached_property
    def recipient(self) -> HybridRecipient:
        """The public half, always the same for a seed."""
        mlkem, x25519 = self._halves
        return HybridRecipient(mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw())

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """See `Identity`."""
        if stanza.type != HYBRID:
            return None
        enc = check_hybrid(stanza)
        try:
            return _SUITE.decrypt(enc + stanza.body, self._private, info=_HYBRID_INFO)
        except (InvalidTag, ValueError):
            if not _is_sound(enc[_MLKEM_ENC:]):
                raise FormatError("age header: low-order share") from None
            return None

    @cached_property
    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        seeds = hashlib.shake_256(self.seed).digest(96)
        return MLKEM768PrivateKey.from_seed_bytes(seeds[:64]), X25519PrivateKey.from_private_bytes(seeds[64:])

    @cached_property
    def _private(self) -> hpke.MLKEM768X25519PrivateKey:
        return hpke.MLKEM768X25519PrivateKey(*self._halves)


class X25519Recipient(_PublicKey):
    """Public X25519 key of 32 bytes; text form `age1...`. For files of others, never for parts."""

    kind: ClassVar[str] = X25519
    HRP: ClassVar[str] = "age"

    def wrap(self, file_key: bytes) -> Stanza:
        """An `X25519` stanza."""
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.key))
        return Stanza(X25519, (b64encode(share),), _wrap(_x25519_key(shared, share, self.key), file_key))

    def _is_key(self) -> bool:
        return len(self.key) == _X25519_PUBLIC and _is_sound(self.key)


class X25519Identity(_SecretKey):
    """Secret X25519 key of 32 bytes; text form `AGE-SECRET-KEY-1...`."""

    HRP: ClassVar[str] = "age-secret-key-"

    @cached_property
    def recipient(self) -> X25519Recipient:
        """The public half, always the same for a seed."""
        return X25519Recipient(self._private.public_key().public_bytes_raw())

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """See `Identity`."""
        if stanza.type != X25519:
            return None
        (share,) = _sized(stanza, _X25519_PUBLIC)
        if not _is_sound(share):
            raise FormatError("age header: low-order share")
        shared = self._private.exchange(X25519PublicKey.from_public_bytes(share))
        return _unwrap(_x25519_key(shared, share, self.recipient.key), stanza.body)

    @cached_property
    def _private(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True)
class Passphrase:
    """A passphrase, as recipient and as identity, stretched with scrypt (N = 2^log_n, r = 8, p = 1).

    `log_n` is the work of sealing; 18 takes 256 MiB and about a second. A file that asks for more than
    `max_log_n` is refused untried, so that a hostile one cannot occupy the machine.
    """

    text: str = field(repr=False)
    log_n: int = 18
    max_log_n: int = 20
    kind: ClassVar[str] = SCRYPT

    def __post_init__(self) -> None:
        if not 1 <= self.log_n <= self.max_log_n:
            raise Refused("passphrase: work factor out of range")

    def wrap(self, file_key: bytes) -> Stanza:
        """A `scrypt` stanza; it must be the only one of its file."""
        salt = os.urandom(_SALT)
        body = _wrap(self._stretch(salt, self.log_n), file_key)
        return Stanza(SCRYPT, (b64encode(salt), str(self.log_n)), body)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """See `Identity`; Refused when the file asks for too much work."""
        if stanza.type != SCRYPT:
            return None
        salt, log_n = _scrypt_arguments(stanza)
        if log_n > self.max_log_n:
            raise Refused("age header: work factor too high")
        return _unwrap(self._stretch(salt, log_n), stanza.body)

    def _stretch(self, salt: bytes, log_n: int) -> bytes:
        scrypt = Scrypt(salt=_SCRYPT_INFO + salt, length=32, n=1 << log_n, r=8, p=1)
        return scrypt.derive(self.text.encode("utf-8", "surrogatepass"))


def unwrap_first(stanzas: Sequence[Stanza], identities: Sequence[Identity]) -> bytes | None:
    """The file key from the first stanza that one of the identities opens, or None; FormatError."""
    if len(stanzas) > 1 and any(stanza.type == SCRYPT for stanza in stanzas):
        raise FormatError("age header: scrypt stanza is not alone")
    keys = (identity.unwrap(stanza) for identity in identities for stanza in stanzas)
    return next((key for key in keys if key is not None), None)


def check_hybrid(stanza: Stanza) -> bytes:
    """The 1,120-byte encapsulation of an `mlkem768x25519` stanza, its lengths checked; needs no key."""
    (enc,) = _sized(stanza, _MLKEM_ENC + _X25519_PUBLIC)
    return enc


def hkdf(ikm: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 with 32 bytes of output."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(ikm)


def _decode(text: str, hrp: str) -> bytes:
    found, key = bech32.decode(text)
    if found != hrp:
        raise FormatError("key: of another kind")
    return key


def _is_sound(share: bytes) -> bool:
    """False for a low-order point, with which the exchange gives zero whatever the secret."""
    try:
        _ANY_X25519.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError:
        return False
    return True


def _sized(stanza: Stanza, *sizes: int) -> list[bytes]:
    """The base64 arguments of a stanza, which must be so many and so long."""
    args = [b64decode(arg.encode()) for arg in stanza.args]
    # The body's length is checked before anything is decrypted: a longer one could open under two keys.
    if [len(arg) for arg in args] != list(sizes) or len(stanza.body) != _WRAPPED:
        raise FormatError("age header: stanza with wrong lengths")
    return args


def _scrypt_arguments(stanza: Stanza) -> tuple[bytes, int]:
    if len(stanza.args) != 2 or not re.fullmatch("[1-9][0-9]?", stanza.args[1]):
        raise FormatError("age header: bad scrypt stanza")
    (salt,) = _sized(Stanza(SCRYPT, stanza.args[:1], stanza.body), _SALT)
    return salt, int(stanza.args[1])


def _x25519_key(shared: bytes, share: bytes, recipient: bytes) -> bytes:
    return hkdf(shared, salt=share + recipient, info=_X25519_INFO)


def _wrap(key: bytes, file_key: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(_ZERO_NONCE, file_key, None)


def _unwrap(key: bytes, body: bytes) -> bytes | None:
    try:
        return ChaCha20Poly1305(key).decrypt(_ZERO_NONCE, body, None)
    except InvalidTag:
        return None
