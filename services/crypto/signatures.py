"""Who said it: Ed25519 over a label and canonical JSON, and documents that several keys sign.

The label `adal/v1/<type>` keeps a signature made for one kind of document from passing for another.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.crypto import canonical
from services.crypto.canonical import b64u, members, unb64u
from services.crypto.errors import BadSignature, FormatError

TYPES = frozenset(
    {"payload", "manifest", "promise", "directory", "certificate", "key-split", "access-token"}
    | {"disclosure", "identity-request", "identity-decision", "identity-release", "undertaking"}
    | {"call-note", "case-note", "evidence"}
)
MAX_SIGNATURES = 16


class SigningKey:
    """A secret Ed25519 key, kept as its 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise FormatError("wrong number of bytes")
        self.seed = bytes(seed)
        self._key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.verify_key = self._key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "SigningKey":
        """A fresh key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key of a 32-byte seed. Error: FormatError."""
        return cls(seed)

    def sign(self, type: str, body: Any) -> bytes:  # noqa: A002 - the name of the format
        """The 64-byte signature of `body` as a document of `type`. Error: FormatError."""
        return self.sign_raw(message(type, body))

    def sign_raw(self, data: bytes) -> bytes:
        """The 64-byte signature of bytes that carry a label of their own (signed notes, tokens)."""
        return self._key.sign(data)

    def __repr__(self) -> str:
        return "SigningKey(...)"


@dataclass(frozen=True)
class Signed:
    """A body and the signatures under it, pairs of verify key and signature, not yet checked."""

    body: dict[str, Any]
    signatures: tuple[tuple[bytes, bytes], ...]

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical body; signatures do not change it."""
        return sha256(canonical.dumps(self.body)).digest()

    def to_json(self) -> dict[str, Any]:
        """The JSON shape `{"body", "signatures": [{"key", "sig"}]}`."""
        lines = [{"key": b64u(key), "sig": b64u(sig)} for key, sig in self.signatures]
        return {"body": self.body, "signatures": lines}

    @classmethod
    def from_json(cls, value: Any) -> "Signed":
        """Parse the JSON shape strictly, at most 16 signatures. Error: FormatError."""
        found = members(value, ("body", "signatures"))
        body, lines = found["body"], found["signatures"]
        if not isinstance(body, dict) or not isinstance(lines, list) or len(lines) > MAX_SIGNATURES:
            raise FormatError("not a signed document")
        canonical.dumps(body)
        return cls(body, tuple(_line(line) for line in lines))


def message(type: str, body: Any) -> bytes:  # noqa: A002
    """The bytes that are signed: `adal/v1/<type>`, a line feed, the canonical body. Error: FormatError."""
    if type not in TYPES:
        raise FormatError("unknown type of signature")
    return b"adal/v1/" + type.encode() + b"\n" + canonical.dumps(body)


def verify(verify_key: bytes, type: str, body: Any, sig: bytes) -> None:  # noqa: A002
    """Return if `sig` is `verify_key`'s signature of `body` as `type`. Error: BadSignature, FormatError."""
    verify_raw(verify_key, message(type, body), sig)


def verify_raw(verify_key: bytes, data: bytes, sig: bytes) -> None:
    """Return if `sig` is `verify_key`'s signature of exactly `data`. Error: BadSignature."""
    try:
        Ed25519PublicKey.from_public_bytes(verify_key).verify(sig, data)
    except (InvalidSignature, ValueError):
        raise BadSignature("wrong signature") from None


def sign_document(type: str, body: dict[str, Any], keys: Sequence[SigningKey]) -> Signed:  # noqa: A002
    """`body` signed by each of `keys`. Error: FormatError."""
    data = message(type, body)
    return Signed(body, tuple((key.verify_key, key.sign_raw(data)) for key in keys))


def check_document(type: str, doc: Signed, keys: Collection[bytes], threshold: int) -> None:  # noqa: A002
    """Return if at least `threshold` different keys of `keys` signed. Error: BadSignature, FormatError."""
    data = message(type, doc.body)
    good = {key for key, sig in doc.signatures if key in keys and _holds(key, data, sig)}
    if len(good) < max(threshold, 1):
        raise BadSignature("too few valid signatures")


def _holds(key: bytes, data: bytes, sig: bytes) -> bool:
    try:
        verify_raw(key, data, sig)
    except BadSignature:
        return False
    return True


def _line(value: Any) -> tuple[bytes, bytes]:
    found = members(value, ("key", "sig"))
    return unb64u(found["key"], 32), unb64u(found["sig"], 64)
