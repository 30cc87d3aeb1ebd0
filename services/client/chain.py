"""Both chains of a report, checked link by link; used by the reporter's inbox and by the desk.

A part counts only if it is the file the list names, stands in its place, follows the part before, and was signed by
somebody the directory vouches for. What does not count is named with the reason, never shown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

from services.crypto import rules
from services.crypto.attachments import Envelope, envelopes
from services.crypto.certificates import check_certificate
from services.crypto.dialogue import may_renew
from services.crypto.directories import Directory
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused, WrongKey
from services.crypto.outcomes import TYPE as OUTCOME
from services.crypto.outcomes import Outcome, read_outcome
from services.crypto.payloads import ZERO32, OpenedPayload
from services.crypto.signatures import Signed

MAX_TEXT = 1 << 20


@dataclass(frozen=True)
class Part:
    """A line of the list of parts: `n` is the place in the author's chain, None for an attachment."""

    number: int
    role: str
    by: str
    n: int | None
    size: int
    sha256: bytes
    day: date

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Part":
        """Read a line of the API. Errors: FormatError, KeyError."""
        n = None if value["n"] is None else rules.integer(value["n"])
        return cls(
            rules.integer(value["number"]), str(value["role"]), str(value["by"]), n,
            rules.integer(value["size"]), rules.bytes32(value["sha256"]), rules.day(value["day"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Message:
    """A message that was opened, checked and believed. `signer` is a desk's id or the UUID of a person.

    `role` is message or retaliation.
    """

    number: int
    n: int
    by: str
    day: date
    signer: str
    text: str = field(repr=False)
    envelopes: tuple[Envelope, ...] = field(repr=False)
    role: str = "message"


@dataclass(frozen=True)
class Ended:
    """An outcome that was opened, checked and believed: how the case ended on `day`. `signer` as of a message."""

    number: int
    n: int
    by: str
    day: date
    signer: str
    outcome: Outcome = field(repr=False)


@dataclass(frozen=True)
class Rejected:
    """A part that does not count; `reason` is key, signature, place or form."""

    number: int
    by: str
    n: int
    day: date
    reason: str


@dataclass(frozen=True)
class Place:
    """Where the next part of a chain goes: its number and the hash of the file before."""

    n: int = 0
    prev: bytes = ZERO32

    def after(self, file_sha256: bytes) -> "Place":
        """The place behind a part with this hash."""
        return Place(self.n + 1, file_sha256)


def chain_of(parts: Iterable[Part], reporter: bool) -> list[Part]:
    """The parts of one chain in order. Refused if a number is missing or taken twice."""
    chain = [part for part in parts if part.n is not None and (part.by == "reporter") == reporter]
    chain.sort(key=lambda part: part.n or 0)
    if [part.n for part in chain] != list(range(len(chain))):
        raise Refused("a part of the chain is missing")
    return chain


def end_of(chain: Sequence[Part]) -> Place:
    """The place behind the last part."""
    return Place(len(chain), chain[-1].sha256) if chain else Place()


def hash_of(file: bytes) -> bytes:
    """SHA-256 of an age file, as lists and links name it."""
    return sha256(file).digest()


def check_file(part: Part, data: bytes) -> bytes:
    """The file itself, if it is the one the list names. Error: Refused."""
    if len(data) != part.size or hash_of(data) != part.sha256:
        raise Refused("the file is not the one of the list")
    return data


def check_link(opened: OpenedPayload, part: Part, rid: bytes, place: Place, signers: dict[bytes, str]) -> str:
    """Who of `signers` (verify key -> name) wrote this part for this place. Errors: Refused, BadSignature."""
    for key, name in signers.items():
        try:
            opened.check(rid=rid, type=part.role, by=part.by, n=place.n, prev=place.prev, verify_key=key)
        except BadSignature:
            continue
        return name
    raise BadSignature("signed by nobody the directory names")


def signers_of(opened: OpenedPayload, part: Part, directories: Sequence[Directory]) -> dict[bytes, str]:
    """Who may have written an answer: the desks of the directories, or the person of its certificate."""
    if part.by == "desk":
        return {desk.verify_key: desk.id for directory in directories for desk in directory.desks}
    certificate = Signed.from_json(opened.body.get("certificate"))
    for directory in directories:
        try:
            found = check_certificate(certificate, directory, part.day)
        except CryptoError:
            continue
        if part.role == "report-keys" and not may_renew(found):
            break
        return {found.verify_key: found.person}
    raise BadSignature("no certificate that the directory vouches for")


def message_of(opened: OpenedPayload, part: Part, signer: str) -> Message:
    """The words of a checked message. Error: FormatError."""
    text = opened.body.get("text")
    if part.role == OUTCOME:
        raise FormatError("an outcome is no message")
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise FormatError("a message without text")
    found = envelopes(opened.body.get("attachments"))
    return Message(part.number, part.n or 0, part.by, part.day, signer, text, found, part.role)


def ended_of(opened: OpenedPayload, part: Part, signer: str) -> Ended:
    """The outcome in a checked part. Error: FormatError."""
    return Ended(part.number, part.n or 0, part.by, part.day, signer, read_outcome(opened.body))


def rejected(part: Part, error: CryptoError) -> Rejected:
    """Why a part does not count."""
    reasons = {WrongKey: "key", BadSignature: "signature", Refused: "place"}
    return Rejected(part.number, part.by, part.n or 0, part.day, reasons.get(type(error), "form"))


def numbers_by_hash(parts: Iterable[Part]) -> dict[bytes, int]:
    """Part numbers of attachments by the hash of their age file."""
    return {part.sha256: part.number for part in parts if part.role == "attachment"}
