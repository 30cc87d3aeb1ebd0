"""A report gets a new key when somebody's access ends; this is how everybody learns it and nobody can be told another.

A `report-keys` part of the desk's chain names the recipient to which later parts are sealed. A reporter who replaces
the receipt code notes the newest one for the new code, which cannot open what was sealed to the old one.
"""

from dataclasses import dataclass, field
from typing import Any

from services.crypto import rules
from services.crypto.age import HybridRecipient
from services.crypto.canonical import members
from services.crypto.errors import Refused
from services.crypto.payloads import Header, open_payload, seal_payload
from services.crypto.receipts import ReceiptKeys

TYPE = "report-keys"


def key_number(n: int) -> int:
    """The number of the key that the `report-keys` part at place `n` names; 0 is the manifest's."""
    return n + 1


def report_keys_body(recipient: HybridRecipient, certificate: dict[str, Any] | None = None) -> dict[str, Any]:
    """The body of a `report-keys` part; the certificate (JSON) only if a member of staff signs."""
    body: dict[str, Any] = {"report": {"recipient": str(recipient)}}
    return body if certificate is None else {**body, "certificate": certificate}


def report_recipient_of(body: Any) -> HybridRecipient:
    """The recipient that a `report-keys` part names. Error: FormatError."""
    found = members(body, ("report",), ("certificate",))
    return rules.recipient(members(found["report"], ("recipient",))["recipient"])


@dataclass(frozen=True)
class Carried:
    """The newest report recipient, noted for a new code: that of the part at place `n`, by the hash of its file."""

    n: int
    part: bytes
    recipient: HybridRecipient = field(repr=False)


def seal_carried(rid: bytes, dir_seq: int, newest: Carried, to: ReceiptKeys) -> bytes:
    """The note for a new code, sealed to it and signed by it: whoever lacks the code can neither read nor make one."""
    header = Header(TYPE, "reporter", rid, dir_seq, newest.n, newest.part)
    return seal_payload(header, report_keys_body(newest.recipient), to.signing, [to.identity.recipient])


def open_carried(data: bytes, keys: ReceiptKeys, rid: bytes) -> Carried:
    """Read one's own note. Errors: FormatError, WrongKey, Refused, BadSignature."""
    opened = open_payload(data, keys.identity)
    header = opened.header
    if (header.type, header.by, header.rid) != (TYPE, "reporter", rid):
        raise Refused("the part is of another type or author")
    opened.check_signature(keys.signing.verify_key)
    return Carried(header.n, header.prev, report_recipient_of(opened.body))
