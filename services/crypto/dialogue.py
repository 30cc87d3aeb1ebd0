"""Who wrote each part of a dialogue, and that none is missing: the two chains of a report, checked from their start.

The reporter's chain may change hands: a `reporter-keys` part, signed with the old key, names the key of all that
follow. The desk's chain is written by desk keys of the directory and by staff whose certificate travels along.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

from services.crypto import rules
from services.crypto.age import HybridRecipient
from services.crypto.attachments import Envelope, envelopes
from services.crypto.canonical import members
from services.crypto.certificates import Certificate, check_certificate
from services.crypto.directories import Directory
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.packages import reporter_from_json
from services.crypto.payloads import ZERO32, OpenedPayload
from services.crypto.signatures import Signed

MAX_TEXT = 100_000


@dataclass(frozen=True)
class Reporter:
    """The keys a reporter answers to now: replies are sealed to the recipient, parts signed by the verify key."""

    recipient: HybridRecipient = field(repr=False)
    verify_key: bytes


@dataclass(frozen=True)
class Message:
    """A checked message body."""

    text: str = field(repr=False)
    envelopes: tuple[Envelope, ...] = field(repr=False)


def message_body(
    text: str, lines: Sequence[Envelope] = (), certificate: Signed | None = None
) -> dict[str, Any]:
    """The body of a `message`; the certificate only if a member of staff signs."""
    body: dict[str, Any] = {"attachments": [line.to_json() for line in lines], "text": text}
    return body if certificate is None else {**body, "certificate": certificate.to_json()}


def read_message(body: Any) -> Message:
    """Parse the body of a `message`. Error: FormatError."""
    found = members(body, ("attachments", "text"), ("certificate",))
    return Message(rules.text(found["text"], MAX_TEXT), envelopes(found["attachments"]))


def check_reporter_chain(rid: bytes, chain: Sequence[OpenedPayload | bytes], reporter: Reporter) -> Reporter:
    """The reporter's present keys, if every part is in its place and signed by the key of its time.

    `chain` starts with the narrative; a part that this reader cannot open (an identity) stands as its age file's
    SHA-256. `reporter` is what the narrative names. Errors: FormatError, Refused, BadSignature.
    """
    prev = ZERO32
    for n, part in enumerate(chain):
        if isinstance(part, bytes):
            prev = part
            continue
        kind = part.header.type
        if (n == 0) != (kind == "narrative"):
            raise Refused("the part is out of its place")
        part.check(rid=rid, type=kind, by="reporter", n=n, prev=prev, verify_key=reporter.verify_key)
        if kind == "reporter-keys":
            reporter = Reporter(*reporter_from_json(members(part.body, ("reporter",))["reporter"]))
        prev = part.file_sha256
    return reporter


def check_desk_chain(
    rid: bytes,
    chain: Sequence[OpenedPayload],
    desk_keys: Collection[bytes],
    directory: Directory,
    days: Sequence[date],
) -> None:
    """Return if the desk's messages are all there, in order, and each written by a desk key or certified staff.

    `desk_keys` are verify keys of desks from directories this reader has checked; `days` is, for each message, the
    day its author's certificate must cover. Errors: FormatError, Refused, BadSignature.
    """
    prev = ZERO32
    for n, (part, day) in enumerate(zip(chain, days, strict=True)):
        by, kind = part.header.by, part.header.type
        if kind not in ("message", "report-keys", "outcome"):
            raise Refused("the part is of another type or author")
        key = _staff_key(part, directory, day) if by == "staff" else _desk_key(part, desk_keys)
        part.check(rid=rid, type=kind, by=by, n=n, prev=prev, verify_key=key)
        prev = part.file_sha256


def may_renew(certificate: Certificate) -> bool:
    """Whether a member of staff may give a report a new key: desk and leads may, an investigator may not."""
    return bool({"desk", "lead"} & set(certificate.roles))


def next_place(chain: Sequence[bytes]) -> tuple[int, bytes]:
    """`n` and `prev` of the part that follows these age files."""
    return len(chain), sha256(chain[-1]).digest() if chain else ZERO32


def _staff_key(part: OpenedPayload, directory: Directory, day: date) -> bytes:
    if "certificate" not in part.body:
        raise FormatError("no certificate")
    certificate = check_certificate(Signed.from_json(part.body["certificate"]), directory, day)
    if part.header.type == "report-keys" and not may_renew(certificate):
        raise BadSignature("signed by nobody who may give a report a new key")
    return certificate.verify_key


def _desk_key(part: OpenedPayload, desk_keys: Collection[bytes]) -> bytes:
    if part.header.by != "desk":
        raise Refused("the part is of another type or author")
    for key in desk_keys:
        try:
            part.check_signature(key)
        except BadSignature:
            continue
        return key
    raise BadSignature("wrong signature")
