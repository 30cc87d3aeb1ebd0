"""Plain mode after filing: the service derives the reporter's keys from the code, in memory, for one visit.

It sees the replies of that visit and what the reporter writes in it; never the report, whose key nobody here has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.age import HybridRecipient
from services.crypto.attachments import Envelope, envelopes, open_attachment, seal_attachment
from services.crypto.canonical import b64u, loads
from services.crypto.certificates import check_certificate
from services.crypto.dialogue import may_renew
from services.crypto.directories import Directory, check_directory
from services.crypto.errors import BadSignature, CryptoError, Refused, WrongKey
from services.crypto.outcomes import TYPE as OUTCOME
from services.crypto.outcomes import Outcome, read_outcome
from services.crypto.payloads import Header, OpenedPayload, open_payload, seal_payload
from services.crypto.receipts import ReceiptKeys
from services.crypto.reportkeys import TYPE, Carried, open_carried, report_recipient_of, seal_carried
from services.crypto.signatures import Signed
from services.intake import store
from services.intake.context import Context
from services.intake.inbox import Files, sealed_bytes
from services.intake.schemas import OpenedFile, OpenedMessage, PlainFile
from services.intake.step_data import outcome_kind
from services.intake.step_lines import OpenedAct, OpenedOutcome


@dataclass(frozen=True)
class Reply:
    """A message of the desk that was opened and whose author and place were checked."""

    n: int
    by: str
    day: Any
    text: str
    envelopes: tuple[Envelope, ...]


@dataclass(frozen=True)
class Ended:
    """An outcome that was opened and whose author and place were checked."""

    n: int
    by: str
    day: Any
    outcome: Outcome


@dataclass(frozen=True)
class Replies:
    """What the desk sent: messages and outcomes that can be opened and believed, and how many were refused."""

    messages: list[Reply]
    outcomes: list[Ended]
    refused: int


async def _directories(conn: AsyncConnection, context: Context) -> list[Directory]:
    """All directories that ever were, for checking old signatures: each judged at the start of its own validity."""
    found = []
    for row in await store.last_directories(conn, 200):
        document = Signed.from_json(row.document)
        found.append(check_directory(document, context.directories.roots, row.valid_from))
    return found


async def replies(conn: AsyncConnection, context: Context, report: Row[Any], keys: ReceiptKeys) -> Replies:
    """What the desk sent to this reporter."""
    directories = await _directories(conn, context)
    found, prev = Replies([], [], 0), bytes(32)
    for row in await store.chain_files(conn, report.id, "desk"):
        file = await sealed_bytes(context, row)
        try:
            opened = open_payload(file, keys.identity)
            _check(opened, row, report.rid, prev, directories)
            _sort(opened, row, found)
        except WrongKey:
            # What was said to the code before this one cannot be opened any more, and nobody did wrong.
            replaced = report.code_replaced_on
            found = replace(found, refused=found.refused + (replaced is None or row.day > replaced))
        except (CryptoError, KeyError):
            found = replace(found, refused=found.refused + 1)
        finally:
            prev = row.sha256
    return found


def _sort(opened: OpenedPayload, row: Row[Any], found: Replies) -> None:
    """Put a believed part where it belongs. Errors: FormatError, KeyError."""
    if row.role == OUTCOME:
        found.outcomes.append(Ended(row.n, row.author, row.day, read_outcome(opened.body)))
    elif row.role == "message":
        text, lines = str(opened.body["text"]), envelopes(opened.body["attachments"])
        found.messages.append(Reply(row.n, row.author, row.day, text, lines))


@dataclass(frozen=True)
class Target:
    """Whom the reporter's next part is sealed to; `newest` names the part that gave the report its present key."""

    rid: bytes
    report: HybridRecipient
    identity: HybridRecipient
    newest: Carried | None = None


async def target(conn: AsyncConnection, context: Context, report: Row[Any], keys: ReceiptKeys) -> Target:
    """Whom to seal to now. The report is locked, so that its key stays the newest until the part is stored."""
    report = await store.lock_report(conn, report.id)
    rows = await store.chain_files(conn, report.id, "desk")
    newest = None
    if any(row.role == TYPE for row in rows):
        directories = await _directories(conn, context)
        carried = _carried(report, keys)
        for row, prev in zip(rows, [bytes(32), *(row.sha256 for row in rows)], strict=False):
            if row.role == TYPE:
                file = await sealed_bytes(context, row)
                newest = _named(file, row, report.rid, prev, keys, directories, carried) or newest
    first = report_recipient(report)
    return Target(report.rid, newest.recipient if newest else first, identity_recipient(report), newest)


def _named(
    file: bytes,
    row: Row[Any],
    rid: bytes,
    prev: bytes,
    keys: ReceiptKeys,
    directories: Sequence[Directory],
    carried: Carried | None,
) -> Carried | None:
    """The key that a `report-keys` part names: opened and believed, or noted by an earlier code. Else None."""
    try:
        opened = open_payload(file, keys.identity)
        _check(opened, row, rid, prev, directories)
        return Carried(row.n, row.sha256, report_recipient_of(opened.body))
    except CryptoError:
        return carried if carried and (carried.n, carried.part) == (row.n, row.sha256) else None


def _carried(report: Row[Any], keys: ReceiptKeys) -> Carried | None:
    try:
        return open_carried(report.carried, keys, report.rid) if report.carried else None
    except CryptoError:
        return None


def _check(
    opened: OpenedPayload, row: Row[Any], rid: bytes, prev: bytes, directories: Sequence[Directory]
) -> None:
    """Errors: Refused or BadSignature unless the desk, or certified staff, signed this for this place."""
    for key in _signers(opened, row, directories):
        try:
            opened.check(rid=rid, type=row.role, by=row.author, n=row.n, prev=prev, verify_key=key)
        except BadSignature:
            continue
        return
    raise Refused("not signed by the desk")


def _signers(opened: OpenedPayload, row: Row[Any], directories: Sequence[Directory]) -> set[bytes]:
    if row.author == "desk":
        return {desk.verify_key for directory in directories for desk in directory.desks}
    certificate = Signed.from_json(opened.body.get("certificate"))
    for directory in directories:
        try:
            found = check_certificate(certificate, directory, row.day)
        except CryptoError:
            continue
        return {found.verify_key} if row.role in ("message", OUTCOME) or may_renew(found) else set()
    return set()


def shown(reply: Reply, numbers: dict[bytes, int]) -> OpenedMessage:
    """A reply as the API gives it; `numbers` maps the hash of an age file to its part number."""
    return OpenedMessage(
        n=reply.n,
        by="desk" if reply.by == "desk" else "staff",
        day=reply.day,
        text=reply.text,
        attachments=[
            OpenedFile(number=numbers[e.file_sha256], name=e.safe_name, type=e.type, size=e.size)
            for e in reply.envelopes
            if e.file_sha256 in numbers
        ],
    )


def outcome_shown(ended: Ended) -> OpenedOutcome:
    """An outcome as the API gives it."""
    facts, kind = ended.outcome.facts, outcome_kind(ended.outcome.facts.kind)
    return OpenedOutcome(
        n=ended.n,
        by="desk" if ended.by == "desk" else "staff",
        day=ended.day,
        kind=facts.kind,
        labels=kind and kind.labels,
        text=ended.outcome.text,
        act=facts.act and OpenedAct.model_validate(facts.act.to_json()),
        gravity=facts.gravity,
        articles=list(facts.articles),
        bribe=facts.bribe,
        damage=facts.damage,
        value_of_benefits=facts.value_of_benefits,
        claim=ended.outcome.claim,
    )


def report_recipient(report: Row[Any]) -> HybridRecipient:
    return HybridRecipient.parse(loads(report.manifest)["report_recipient"])


def identity_recipient(report: Row[Any]) -> HybridRecipient:
    return HybridRecipient.parse(loads(report.manifest)["identity_recipient"])


def _header(kind: str, to: Target, dir_seq: int, place: store.Place) -> Header:
    return Header(type=kind, by="reporter", rid=to.rid, dir_seq=dir_seq, n=place.n, prev=place.prev)


def seal_words(
    kind: str,
    to: Target,
    keys: ReceiptKeys,
    dir_seq: int,
    place: store.Place,
    text: str,
    files: Sequence[PlainFile],
) -> Files:
    """What a reporter says for this place of the chain: a message, or a report of retaliation."""
    recipient = to.report
    sealed = [seal_attachment(file.data, recipient) for file in files]
    lines = [
        # Plain mode lists hashes of age files only: the service keeps no hash of the words it saw.
        Envelope(i, file.name, file.type, len(file.data), None, store.sha256(data)).to_json()
        for i, (file, data) in enumerate(zip(files, sealed, strict=True))
    ]
    body = {"text": text, "attachments": lines}
    part = seal_payload(_header(kind, to, dir_seq, place), body, keys.signing, [recipient])
    return Files(kind, part, sealed)


def seal_identity(
    to: Target, keys: ReceiptKeys, dir_seq: int, place: store.Place, identity: dict[str, str]
) -> Files:
    """The reporter's identity, added later, to the key that only k custodians can rebuild."""
    header = _header("identity", to, dir_seq, place)
    return Files("identity", seal_payload(header, {"identity": identity}, keys.signing, [to.identity]))


def seal_new_keys(to: Target, old: ReceiptKeys, new: ReceiptKeys, dir_seq: int, place: store.Place) -> bytes:
    """The `reporter-keys` part that tells the desk the keys of a new code, signed with the old one."""
    body = {
        "reporter": {"recipient": str(new.identity.recipient), "verify_key": b64u(new.signing.verify_key)}
    }
    header = _header("reporter-keys", to, dir_seq, place)
    return seal_payload(header, body, old.signing, [to.report])


def open_file(file: bytes, reply_list: Sequence[Reply], keys: ReceiptKeys) -> tuple[Envelope, bytes] | None:
    """An attachment of a reply with its envelope, or None when no reply names it."""
    digest = store.sha256(file)
    for reply in reply_list:
        for envelope in reply.envelopes:
            if envelope.file_sha256 == digest:
                return envelope, open_attachment(file, envelope, keys.identity)
    return None


def carried_for(to: Target, new: ReceiptKeys, dir_seq: int) -> bytes | None:
    """The note that tells a new code the report's newest key; None while it is the manifest's."""
    return seal_carried(to.rid, dir_seq, to.newest, new) if to.newest else None
