"""A case, opened on the reader's own machine: grant, manifest, narrative, both chains, every binding checked.

The desk believes nothing the server says that it cannot check: the narrative names the reporter's key, that key signed
the manifest, the manifest names every file, and each later part follows the one before.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from services.client import chain
from services.client.chain import Message, Part, Place, Rejected
from services.client.errors import understood
from services.crypto import rules
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.attachments import Envelope
from services.crypto.canonical import unb64, unb64u
from services.crypto.directories import Directory
from services.crypto.errors import CryptoError, Refused, WrongKey
from services.crypto.grants import open_grant
from services.crypto.manifests import Manifest
from services.crypto.packages import OpenedReport, open_report, reporter_from_json
from services.crypto.payloads import open_payload

Fetch = Callable[[Part], bytes]


@dataclass(frozen=True)
class CaseLine:
    """A line of the case list: coded values only."""

    id: str
    reference: str
    state: str
    filed_on: date
    mode: str
    lane: str
    desk: str
    fields: dict[str, Any] = field(repr=False)
    assignees: tuple[str, ...] = field(repr=False)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "CaseLine":
        """Read a line of the API. Errors: KeyError, FormatError."""
        return cls(
            str(value["id"]), str(value["reference"]), str(value["state"]), rules.day(value["filed_on"]),
            str(value["mode"]), str(value["lane"]), str(value["desk"]), dict(value["fields"]),
            tuple(map(str, value["assignees"])),
        )  # fmt: skip


@dataclass(frozen=True)
class SealedCase:
    """A case as the server gives it, parsed and not yet believed."""

    line: CaseLine
    manifest: Manifest = field(repr=False)
    signature: bytes = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    grant: bytes | None = field(repr=False)
    states: tuple[tuple[str, date], ...]
    code_replaced_on: date | None
    directory: Any = field(repr=False)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "SealedCase":
        """Read the API's case. Errors: BadAnswer, CryptoError."""
        with understood():
            grant, replaced = value["grant"], value["code_replaced_on"]
            case = cls(
                line=CaseLine.from_json(value),
                manifest=Manifest.from_json(value["manifest"]),
                signature=unb64u(value["signature"], 64),
                parts=tuple(Part.from_json(line) for line in value["parts"]),
                grant=None if grant is None else unb64(grant),
                states=tuple((str(line["state"]), rules.day(line["day"])) for line in value["states"]),
                code_replaced_on=None if replaced is None else rules.day(replaced),
                directory=value["directory"],
            )
            if rules.bytes32(value["rid"]) != case.manifest.rid:
                raise Refused("the manifest is of another report")
        return case

    def report_key(self, holders: Iterable[HybridIdentity]) -> HybridIdentity:
        """The key of the report, from the caller's grant. WrongKey if there is none that any holder opens."""
        for holder in holders if self.grant is not None else ():
            try:
                return open_grant(self.grant or b"", holder, self.manifest)
            except WrongKey:
                continue
        raise WrongKey("no grant that these keys open")


@dataclass(frozen=True)
class OpenedCase:
    """A case whose every part was checked. `messages` are those of both sides in order of storing.

    `reporter` is where answers are sealed to, after every replaced code; `identities` counts the identity parts that
    were added later, which only the custodians open; `place` is that of the next answer.
    """

    sealed: SealedCase = field(repr=False)
    key: HybridIdentity = field(repr=False)
    narrative: OpenedReport = field(repr=False)
    messages: tuple[Message, ...] = field(repr=False)
    rejected: tuple[Rejected, ...]
    reporter: HybridRecipient = field(repr=False)
    identities: int
    place: Place = field(repr=False)

    @property
    def line(self) -> CaseLine:
        """The line of the case list."""
        return self.sealed.line

    @property
    def attachments(self) -> tuple[Envelope, ...]:
        """Every attachment whose envelope was checked: the narrative's, then those of the messages."""
        later = [envelope for message in self.messages for envelope in message.envelopes]
        return (*self.narrative.envelopes, *later)

    @property
    def differences(self) -> dict[str, tuple[Any, Any]]:
        """Clear fields that are not what the reporter sealed: name -> (clear, sealed), whoever changed them."""
        sealed = self.narrative.fields
        listed = {name: (value, sealed.get(name)) for name, value in self.line.fields.items()}
        changed = {name: pair for name, pair in listed.items() if pair[0] != pair[1]}
        return self.narrative.field_differences | changed

    def part_of(self, envelope: Envelope) -> Part:
        """The part that holds an attachment. Error: Refused if the server does not list it."""
        for part in self.sealed.parts:
            if part.role == "attachment" and part.sha256 == envelope.file_sha256:
                return part
        raise Refused("the attachment is not in the list")


@dataclass(frozen=True)
class _Walk:
    """What is known after some parts of a chain."""

    place: Place
    recipient: HybridRecipient
    verify_key: bytes
    messages: tuple[Message, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    identities: int = 0


def open_case(
    sealed: SealedCase, holders: Iterable[HybridIdentity], directories: Sequence[Directory], fetch: Fetch
) -> OpenedCase:
    """Open a case with the grant for one of `holders`; `fetch` reads the file of a part.

    Errors: CryptoError when grant, manifest or narrative do not hold: then the report is unopenable or not genuine.
    Later parts that do not hold are listed as rejected.
    """
    key = sealed.report_key(holders)
    mine = chain.chain_of(sealed.parts, reporter=True)
    if [part.role for part in mine[:2]] != ["narrative", "identity"]:
        raise Refused("a part of the chain is missing")
    narrative = open_report(
        sealed.manifest, sealed.signature, [chain.check_file(mine[0], fetch(mine[0]))], key
    )
    if mine[1].sha256 != narrative.last:
        raise Refused("the list of parts is not that of the manifest")
    start = _Walk(Place(2, narrative.last), narrative.reporter_recipient, narrative.reporter_verify_key)
    walk = start
    for part in mine[2:]:
        walk = _reporter_step(walk, part, sealed.manifest.rid, key, fetch)
    theirs = chain.chain_of(sealed.parts, reporter=False)
    answers = _answers(theirs, sealed.manifest.rid, key, directories, fetch)
    messages = sorted([*walk.messages, *answers[0]], key=lambda message: message.number)
    return OpenedCase(
        sealed, key, narrative, tuple(messages), (*walk.rejected, *answers[1]), walk.recipient,
        walk.identities, chain.end_of(theirs),
    )  # fmt: skip


def _reporter_step(walk: _Walk, part: Part, rid: bytes, key: HybridIdentity, fetch: Fetch) -> _Walk:
    after = replace(walk, place=walk.place.after(part.sha256))
    if part.role == "identity":
        return replace(after, identities=walk.identities + 1)
    try:
        opened = open_payload(chain.check_file(part, fetch(part)), key)
        chain.check_link(opened, part, rid, walk.place, {walk.verify_key: "reporter"})
        if part.role == "reporter-keys":
            recipient, verify_key = reporter_from_json(opened.body.get("reporter"))
            return replace(after, recipient=recipient, verify_key=verify_key)
        return replace(after, messages=(*walk.messages, chain.message_of(opened, part, "reporter")))
    except CryptoError as exc:
        return replace(after, rejected=(*walk.rejected, chain.rejected(part, exc)))


def _answers(
    parts: Sequence[Part], rid: bytes, key: HybridIdentity, directories: Sequence[Directory], fetch: Fetch
) -> tuple[list[Message], list[Rejected]]:
    good: list[Message] = []
    bad: list[Rejected] = []
    place = Place()
    for part in parts:
        try:
            opened = open_payload(chain.check_file(part, fetch(part)), key)
            signer = chain.check_link(opened, part, rid, place, chain.signers_of(opened, part, directories))
            good.append(chain.message_of(opened, part, signer))
        except CryptoError as exc:
            bad.append(chain.rejected(part, exc))
        place = place.after(part.sha256)
    return good, bad
