"""A case, opened on the reader's own machine: grant, manifest, narrative, both chains, every binding checked.

The desk believes nothing the server says that it cannot check: the narrative names the reporter's key, that key signed
the manifest, the manifest names every file, and each later part follows the one before.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from services.client import chain
from services.client.chain import Ended, Message, Part, Place, Rejected
from services.client.deadlines import Deadline, deadlines_of
from services.client.errors import CodeInDoubt, understood
from services.client.form_words import texts_of
from services.client.keyring import Keyring
from services.crypto import rules
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.attachments import Envelope
from services.crypto.canonical import unb64, unb64u
from services.crypto.directories import Directory
from services.crypto.errors import CryptoError, Refused, WrongKey
from services.crypto.grants import open_grant
from services.crypto.manifests import Manifest
from services.crypto.outcomes import TYPE as OUTCOME
from services.crypto.packages import OpenedReport, open_report, reporter_from_json
from services.crypto.reportkeys import TYPE as REPORT_KEYS
from services.crypto.reportkeys import key_number

Fetch = Callable[[Part], bytes]


@dataclass(frozen=True)
class Protection:
    """Labour protection after reported retaliation, first and last day; the law's text does not confirm the last.

    `status`: asked (the desk has not acted yet), in_hand, ended.
    """

    since: date
    until: date
    status: str

    @classmethod
    def from_json(cls, value: Any) -> "Protection | None":
        """Read the API's protection; None if retaliation was never reported. Errors: KeyError, FormatError."""
        if value is None:
            return None
        return cls(rules.day(value["since"]), rules.day(value["until"]), str(value["status"]))


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
class StepLine:
    """A line of a case's history: the state, the day, and of a step its code, its codes and who took it."""

    state: str
    day: date
    step: str | None = None
    person: str | None = None
    ground: str | None = None
    body: str | None = None
    outcome: str | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "StepLine":
        """Read a line of the API. Errors: KeyError, FormatError."""
        found = {name: value.get(name) for name in ("step", "person", "ground", "body", "outcome")}
        return cls(
            str(value["state"]), rules.day(value["day"]), **{n: v and str(v) for n, v in found.items()}
        )


@dataclass(frozen=True)
class InClear:
    """The outcome of a closed case as the server says it in clear: kind, day, the kind's text by language."""

    kind: str
    day: date
    labels: dict[str, str]

    @classmethod
    def from_json(cls, value: Any) -> "InClear | None":
        """Read the API's outcome; None for a case that is open. Errors: KeyError, FormatError."""
        if value is None:
            return None
        return cls(str(value["kind"]), rules.day(value["day"]), texts_of(value["labels"]))


def outcome_differs(clear: InClear | None, outcomes: Sequence[Ended]) -> bool:
    """Whether an outcome in clear is another than the last one that could be opened."""
    return clear is not None and bool(outcomes) and outcomes[-1].outcome.facts.kind != clear.kind


def _people(value: dict[str, Any]) -> frozenset[str]:
    """Everybody of the staff who ever had the case, handed it on, moved it or classified it."""
    lines = [*value.get("assignments", ()), *value["states"], *value.get("classifications", ())]
    found = [line.get(name) for line in lines for name in ("person", "by")]
    return frozenset(rules.uuid(person) for person in found if person is not None)


@dataclass(frozen=True)
class SealedCase:
    """A case as the server gives it, parsed and not yet believed."""

    line: CaseLine
    manifest: Manifest = field(repr=False)
    signature: bytes = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    grants: dict[int, bytes] = field(repr=False)
    holders: dict[str, str]
    states: tuple[tuple[str, date], ...]
    steps: tuple[StepLine, ...] = field(repr=False)
    people: frozenset[str] = field(repr=False)
    outcome: InClear | None
    code_replaced_on: date | None
    directory: Any = field(repr=False)
    protection: Protection | None = None
    code_suspect_on: date | None = None
    code_suspect: bool = False
    deadlines: tuple[Deadline, ...] = field(default=(), repr=False)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "SealedCase":
        """Read the API's case. Errors: BadAnswer, CryptoError."""
        with understood():
            case = cls(
                line=CaseLine.from_json(value),
                manifest=Manifest.from_json(value["manifest"]),
                signature=unb64u(value["signature"], 64),
                parts=tuple(Part.from_json(line) for line in value["parts"]),
                grants={rules.integer(line["key"]): unb64(line["data"]) for line in value["grants"]},
                holders={str(line["holder"]): str(line["role"]) for line in value["holders"]},
                states=tuple((str(line["state"]), rules.day(line["day"])) for line in value["states"]),
                steps=tuple(StepLine.from_json(line) for line in value["states"]),
                people=_people(value),
                outcome=InClear.from_json(value.get("outcome")),
                code_replaced_on=rules.day_or_none(value["code_replaced_on"]),
                directory=value["directory"],
                protection=Protection.from_json(value.get("protection")),
                code_suspect_on=rules.day_or_none(value.get("code_suspect_on")),
                code_suspect=bool(value.get("code_suspect", False)),
                deadlines=deadlines_of(value),
            )
            if rules.bytes32(value["rid"]) != case.manifest.rid:
                raise Refused("the manifest is of another report")
        return case

    def report_key(self, holders: Iterable[HybridIdentity]) -> HybridIdentity:
        """The report's first key, from the caller's grant. WrongKey if there is none that any holder opens."""
        for holder in holders if 0 in self.grants else ():
            try:
                return open_grant(self.grants[0], holder, self.manifest)
            except WrongKey:
                continue
        raise WrongKey("no grant that these keys open")


@dataclass(frozen=True)
class Named:
    """An identity part as it lies, sealed to the custodians: its place in the chain and the key that signed it."""

    part: Part = field(repr=False)
    place: Place = field(repr=False)
    verify_key: bytes = field(repr=False)


@dataclass(frozen=True)
class OpenedCase:
    """A case whose every part was checked. `messages` are those of both sides in order of storing.

    `reporter` is where answers are sealed to, after every replaced code; `named` are the identity parts in order, the
    first one filed with the report, which only the custodians open; `place` is that of the next answer; `keyring` holds
    the report's keys; `outcomes` are how the case ended, each time that it was closed.
    """

    sealed: SealedCase = field(repr=False)
    keyring: Keyring = field(repr=False)
    narrative: OpenedReport = field(repr=False)
    messages: tuple[Message, ...] = field(repr=False)
    rejected: tuple[Rejected, ...]
    reporter: HybridRecipient = field(repr=False)
    named: tuple[Named, ...] = field(repr=False)
    place: Place = field(repr=False)
    outcomes: tuple[Ended, ...] = ()

    @property
    def identities(self) -> int:
        """How many identity parts were added after the filing."""
        return len(self.named) - 1

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

    @property
    def outcome_differs(self) -> bool:
        """Whether the outcome in clear is not the one that was sealed: somebody on the server changed it."""
        return outcome_differs(self.sealed.outcome, self.outcomes)

    def require_code(self) -> None:
        """Return if something may be sealed to the reporter. Error: CodeInDoubt while somebody else may read it."""
        if self.sealed.code_suspect:
            raise CodeInDoubt()

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
    named: tuple[Named, ...] = ()


def open_case(
    sealed: SealedCase, holders: Sequence[HybridIdentity], directories: Sequence[Directory], fetch: Fetch
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
    signer = narrative.reporter_verify_key
    first = Named(mine[1], Place(1, mine[0].sha256), signer)
    theirs = _answers(sealed, Keyring.of(key), holders, directories, fetch)
    walk = _Walk(Place(2, narrative.last), narrative.reporter_recipient, signer, named=(first,))
    for part in mine[2:]:
        walk = _reporter_step(walk, part, sealed.manifest.rid, theirs.keyring, fetch)
    messages = sorted([*walk.messages, *theirs.messages], key=lambda message: message.number)
    return OpenedCase(
        sealed, theirs.keyring, narrative, tuple(messages), (*walk.rejected, *theirs.rejected), walk.recipient,
        walk.named, theirs.place, theirs.outcomes,
    )  # fmt: skip


def _reporter_step(walk: _Walk, part: Part, rid: bytes, keyring: Keyring, fetch: Fetch) -> _Walk:
    after = replace(walk, place=walk.place.after(part.sha256))
    if part.role == "identity":
        return replace(after, named=(*walk.named, Named(part, walk.place, walk.verify_key)))
    try:
        opened = keyring.open(chain.check_file(part, fetch(part)))
        chain.check_link(opened, part, rid, walk.place, {walk.verify_key: "reporter"})
        if part.role == "reporter-keys":
            recipient, verify_key = reporter_from_json(opened.body.get("reporter"))
            return replace(after, recipient=recipient, verify_key=verify_key)
        return replace(after, messages=(*walk.messages, chain.message_of(opened, part, "reporter")))
    except CryptoError as exc:
        return replace(after, rejected=(*walk.rejected, chain.rejected(part, exc)))


@dataclass(frozen=True)
class _Answers:
    """What is known after some parts of the desk's chain."""

    keyring: Keyring
    place: Place = field(default_factory=Place)
    messages: tuple[Message, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    outcomes: tuple[Ended, ...] = ()


def _answers(
    sealed: SealedCase,
    keyring: Keyring,
    holders: Sequence[HybridIdentity],
    directories: Sequence[Directory],
    fetch: Fetch,
) -> _Answers:
    """The desk's chain: its messages, and the keys that the report got since it was filed."""
    walk, rid = _Answers(keyring), sealed.manifest.rid
    for part in chain.chain_of(sealed.parts, reporter=False):
        after = replace(walk, place=walk.place.after(part.sha256))
        try:
            file = chain.check_file(part, fetch(part))
            if part.role == REPORT_KEYS:
                grant = sealed.grants.get(key_number(walk.place.n))
                renewed = walk.keyring.renewed(file, part, rid, walk.place, directories, grant, holders)
                walk = replace(after, keyring=renewed)
                continue
            opened = walk.keyring.open(file)
            signer = chain.check_link(
                opened, part, rid, walk.place, chain.signers_of(opened, part, directories)
            )
            if part.role == OUTCOME:
                walk = replace(after, outcomes=(*walk.outcomes, chain.ended_of(opened, part, signer)))
                continue
            walk = replace(after, messages=(*walk.messages, chain.message_of(opened, part, signer)))
        except CryptoError as exc:
            walk = replace(after, rejected=(*walk.rejected, chain.rejected(part, exc)))
    return walk
