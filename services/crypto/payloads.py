"""What is inside a sealed part: a header that binds it to a report and a place in it, a body, a signature.

A part moved to another report, replayed in another place, unsigned or signed by somebody else is refused,
because `rid`, author, number and the hash of the part before stand under the signature.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from services.crypto import canonical, rules
from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.canonical import b64u, members, unb64u
from services.crypto.errors import FormatError, Refused
from services.crypto.padding import LEAST, frame, unframe
from services.crypto.signatures import SigningKey, verify

ZERO32 = bytes(32)
TYPES = ("narrative", "identity", "message", "reporter-keys", "retaliation", "report-keys", "outcome")
AUTHORS = ("reporter", "desk", "staff")
IDENTITY_SIZE = LEAST


@dataclass(frozen=True)
class Header:
    """Type, author, report, directory, place `n` in the author's chain and the hash of the file before."""

    type: str
    by: str
    rid: bytes
    dir_seq: int
    n: int
    prev: bytes

    def to_json(self) -> dict[str, Any]:
        """The JSON object under the signature."""
        return {
            "by": self.by, "dir_seq": self.dir_seq, "n": self.n, "prev": b64u(self.prev),
            "rid": b64u(self.rid), "type": self.type, "v": 1,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> "Header":
        """Parse strictly. Error: FormatError."""
        found = members(value, ("by", "dir_seq", "n", "prev", "rid", "type", "v"))
        rules.version(found["v"])
        if found["type"] not in TYPES or found["by"] not in AUTHORS:
            raise FormatError("unknown word")
        if (found["type"], found["by"]) == ("outcome", "reporter"):
            raise FormatError("an outcome is no reporter's to write")
        return cls(
            found["type"], found["by"], rules.bytes32(found["rid"]), rules.integer(found["dir_seq"], 1),
            rules.integer(found["n"]), rules.bytes32(found["prev"]),
        )  # fmt: skip


@dataclass(frozen=True)
class OpenedPayload:
    """A payload that was opened but whose author is not believed before `check`."""

    header: Header
    body: dict[str, Any] = field(repr=False)
    sig: bytes = field(repr=False)
    file_sha256: bytes

    def check(
        self,
        *,
        rid: bytes,
        type: str,  # noqa: A002 - the name of the format
        by: str,
        n: int,
        prev: bytes,
        verify_key: bytes,
    ) -> None:
        """Return if report, type, author, place and signature are these. Errors: Refused, BadSignature."""
        header = self.header
        if header.rid != rid:
            raise Refused("the part is of another report")
        if (header.type, header.by) != (type, by):
            raise Refused("the part is of another type or author")
        if (header.n, header.prev) != (n, prev):
            raise Refused("the part is out of its place")
        self.check_signature(verify_key)

    def check_signature(self, verify_key: bytes) -> None:
        """Return if `verify_key` signed it. Error: BadSignature."""
        verify(verify_key, "payload", _signed(self.header, self.body), self.sig)


def seal_payload(
    header: Header,
    body: dict[str, Any],
    signing: SigningKey,
    recipients: Sequence[HybridRecipient],
    exact: int | None = None,
) -> bytes:
    """The age file of a signed payload; `exact` fixes the size of its plaintext in bytes.

    Identity payloads have 4096 bytes whatever `exact` says. Errors: FormatError for a body that is not JSON,
    Refused if it does not fit or the recipients break the part rule.
    """
    signed = _signed(Header.from_json(header.to_json()), body)
    document = canonical.dumps({**signed, "sig": b64u(signing.sign("payload", signed))})
    return seal(frame(document, _exact(header) or exact), recipients)


def open_payload(data: bytes, identity: HybridIdentity) -> OpenedPayload:
    """Open a part and check rule, padding and canonical form, not yet whose it is.

    Errors: FormatError, WrongKey, Refused.
    """
    plaintext = open_part(data, identity)
    # The size is checked once the header says which rule holds; `_cut` only finds the document.
    found = members(canonical.loads(_cut(plaintext)), ("body", "header", "sig"))
    header = Header.from_json(found["header"])
    unframe(plaintext, _exact(header))
    if not isinstance(found["body"], dict):
        raise FormatError("not an object")
    return OpenedPayload(header, found["body"], unb64u(found["sig"], 64), sha256(data).digest())


def _exact(header: Header) -> int | None:
    return IDENTITY_SIZE if header.type == "identity" else None


def _cut(plaintext: bytes) -> bytes:
    return unframe(plaintext, len(plaintext))


def _signed(header: Header, body: dict[str, Any]) -> dict[str, Any]:
    return {"body": body, "header": header.to_json()}
