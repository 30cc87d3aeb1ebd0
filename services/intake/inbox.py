"""The inbox: who may open it, what it shows, and what a reporter adds to it.

Script clients prove the receipt once by its lookup value and hold a short token; clients without script send the
receipt itself, and the service derives the keys in memory for that one visit.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto import age, secretbox
from services.crypto.canonical import b64u, loads, unb64u
from services.crypto.errors import CryptoError
from services.crypto.outcomes import TYPE as OUTCOME
from services.crypto.packages import SMALL_FILE
from services.crypto.receipts import ReceiptError, ReceiptKeys, derive, parse_receipt
from services.crypto.reportkeys import TYPE as REPORT_KEYS
from services.intake import (
    clock_lines,
    clock_store,
    custody_store,
    log,
    notice_store,
    notices,
    protection,
    protection_store,
    retention_store,
    store,
)
from services.intake.calendar import Calendar
from services.intake.context import Context
from services.intake.custody_data import label_of
from services.intake.filing import lookup_mac, written
from services.intake.retention import ground_of
from services.intake.schemas import InboxView, Next, OpeningLine, PartLine, Protection, StateLine, Stored
from services.intake.step_lines import outcome_shown
from services.kit.clock import day_of
from services.kit.i18n import N_, date_text
from services.kit.problems import Conflict, FieldError, Invalid, NotFound, Problem, TooLarge, Unauthorised

#: Roles of parts that say something in words.
MESSAGE, RETALIATION = "message", "retaliation"

_NOT_SEALED = N_("This is not a sealed part of the expected kind. Nothing was stored.")
_LENGTH = N_("A receipt code has 24 digits. Look at it again.")
_CHECK = N_("A digit of the receipt code is wrong or two are swapped. Look at it again.")
_PENDING = N_("Type the new receipt code back first.")
_PLACE = N_("Another message was stored in the meantime. Load the inbox again and repeat.")


class NoSuchReceipt(Problem):
    """No report has this receipt. Unknown, replaced and mistyped codes are not told apart."""

    status, slug, title = 404, "no-such-receipt", "No such receipt"
    detail = N_("No report belongs to this receipt code. It may have been replaced by a new one.")
    commits = True  # otherwise one solved challenge would do for any number of guesses


class ReportDeleted(NoSuchReceipt):
    """The receipt was right, and nothing is left of its report but the day and the ground of its deletion."""

    status, slug, title = 410, "report-deleted", "Report deleted"
    detail = N_(
        "This report was deleted on {day}. Ground: {ground}. Backups may hold it until {complete} at the latest."
    )

    def __init__(self, day: date, ground: str, complete: date) -> None:
        super().__init__()
        self.day, self.ground, self.complete = day, ground, complete

    def text(self, language: str) -> str:
        """With the day and the ground in the reader's language."""
        known = ground_of(self.ground)
        ground = known.labels.model_dump()[language] if known else self.ground
        day, complete = date_text(self.day, language), date_text(self.complete, language)
        return super().text(language).format(day=day, ground=ground, complete=complete)

    def members(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "deleted_on": self.day.isoformat(),
            "ground": self.ground,
            "complete_on": self.complete.isoformat(),
        }


class CodeSuspect(Conflict):
    """The reporter told 1424 that somebody else used the code: nothing more is sealed to it."""

    slug, title = "code-suspect", "Receipt code in doubt"
    detail = N_(
        "Somebody else may have this receipt code. Nothing more is sealed to it until it is replaced."
    )


@dataclass(frozen=True)
class Visit:
    """An open inbox: the report, and whether the code is a new one that was not typed back yet."""

    report: Row[Any]
    pending: bool
    mac: bytes


def _token_key(context: Context) -> bytes:
    return secretbox.hkdf(context.service_key, "adal/v1/inbox-token")


def issue_token(context: Context, visit: Visit, now: datetime) -> str:
    """A token for this code, for half an hour. Nothing is stored: a visit leaves no trace."""
    expires = int(now.timestamp()) + context.settings.inbox_seconds
    claims = json.dumps([str(visit.report.id), b64u(visit.mac), expires]).encode()
    return b64u(secretbox.seal(_token_key(context), claims))


async def find(conn: AsyncConnection, context: Context, lookup: bytes, now: datetime) -> Visit:
    """The report a lookup value opens. Errors: NoSuchReceipt; ReportDeleted.

    Every code that opens nothing is looked for twice, so that the work says nothing that the answer does not.
    """
    mac = lookup_mac(context, lookup)
    report = await store.report_by_lookup(conn, mac)
    if report is None:
        stone = await retention_store.tombstone_of(conn, mac)
        if stone is not None:
            complete = stone.day + timedelta(days=context.settings.backup_days)
            raise ReportDeleted(stone.day, stone.ground, complete)
        context.door.pressure.unknown.append(now)
        raise NoSuchReceipt()
    return Visit(report, pending=report.lookup_mac != mac, mac=mac)


async def from_token(
    conn: AsyncConnection, context: Context, authorization: str | None, now: datetime
) -> Visit:
    """The visit a token stands for. Errors: Unauthorised, also when the code was replaced since."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorised()
    try:
        report_id, mac_text, expires = json.loads(secretbox.open_box(_token_key(context), unb64u(token)))
        mac = unb64u(mac_text, 32)
    except (CryptoError, ValueError):
        raise Unauthorised() from None
    report = await store.report_by_id(conn, UUID(report_id))
    if (
        now.timestamp() >= expires
        or report is None
        or mac not in (report.lookup_mac, report.pending_lookup_mac)
    ):
        raise Unauthorised()
    return Visit(report, pending=report.lookup_mac != mac, mac=mac)


def confirmed(visit: Visit) -> Visit:
    """The visit, if its code is in force. Errors: Conflict for a code that waits to be typed back."""
    if visit.pending:
        raise Conflict(_PENDING)
    return visit


async def bearer(_request: Request, authorization: Annotated[str | None, Header()] = None) -> str | None:
    """The Authorization header, as a dependency."""
    return authorization


def digits(typed: str) -> str:
    """The 24 digits of a typed receipt. Errors: Invalid for a code that cannot be one."""
    try:
        return parse_receipt(typed)
    except ReceiptError as exc:
        message = _LENGTH if exc.reason == "length" else _CHECK
        raise Invalid(message, [FieldError("/receipt", message)]) from None


async def stretched(context: Context, receipt: str) -> ReceiptKeys:
    """The keys of a typed receipt, derived in a worker thread. Errors: Invalid for a code that cannot be one."""
    return await anyio.to_thread.run_sync(derive, digits(receipt), limiter=context.stretching)


def part_line(row: Row[Any]) -> PartLine:
    return PartLine(
        number=row.number,
        role=row.role,
        by=row.author,
        n=row.n,
        size=row.size,
        sha256=row.sha256,
        day=row.day,
    )


async def protection_shown(conn: AsyncConnection, report_id: UUID) -> Protection | None:
    """The protection of a report, if retaliation was reported."""
    row = await protection_store.protection_of(conn, report_id)
    return row and Protection(since=row.started, until=row.ends, status=row.status)


async def view(
    conn: AsyncConnection, visit: Visit, today: date, calendar: Calendar, witnesses: Sequence[str] = ()
) -> InboxView:
    """What the inbox shows of a report, without opening anything."""
    report = visit.report
    lines = await store.parts_of(conn, report.id)
    place = store.next_place(lines, "reporter")
    return InboxView(
        reference=report.reference,
        rid=report.rid,
        state=report.state,
        states=[StateLine(state=row.state, day=row.day) for row in await store.states_of(conn, report.id)],
        outcome=outcome_shown(report.outcome, report.outcome_on),
        mode=report.mode,
        filed_on=report.filed_on,
        deadlines=await clock_lines.reporter_sees(conn, calendar, report, today),
        code_replaced_on=report.code_replaced_on,
        code_suspect_on=report.code_suspect_on,
        code_suspect=report.code_suspect,
        code_pending=report.pending_lookup_mac is not None,
        manifest=loads(report.manifest),
        signature=report.signature,
        leaf=report.leaf,
        published=await log.is_published(conn, report.leaf),
        witnessed=await log.is_witnessed(conn, report.leaf, witnesses),
        protection=await protection_shown(conn, report.id),
        parts=[part_line(row) for row in lines],
        next=Next(n=place.n, prev=place.prev),
        openings=[
            OpeningLine(day=row.day, ground=row.ground, labels=label_of(row.ground))
            for row in await custody_store.openings_shown(conn, report.id, today)
        ],
        carried=report.carried,
        notice=await notice_store.address_of(conn, report.id) is not None,
    )


async def require_newest_key(conn: AsyncConnection, report_id: UUID, key: int | None) -> None:
    """Lock the report. Error: Conflict for a part that was sealed before the report got its newest key."""
    await store.lock_report(conn, report_id)
    if key is not None and key != max(store.keys_of(await store.parts_of(conn, report_id))):
        raise Conflict(_PLACE)


async def _protect(conn: AsyncConnection, context: Context, report_id: UUID, day: date) -> None:
    """Flag a locked report on which retaliation was reported, and start its clock once."""
    ends = protection.last_day(day, context.settings.labour_protection_months)
    await protection_store.start(conn, report_id, day, ends)


async def sealed_bytes(context: Context, row: Row[Any] | None) -> bytes:
    """The age file of a part. Errors: NotFound."""
    if row is None:
        raise NotFound()
    if row.sealed is not None:
        return bytes(row.sealed)
    return await context.blobs.read_async(row.blob)


def check_files(context: Context, part: bytes, attachments: Sequence[bytes], stanzas: int) -> None:
    """A message and its attachments are age files with as many hybrid stanzas as they have readers.

    Errors: Invalid, TooLarge.
    """
    if sum(map(len, attachments)) > context.settings.attachment_bytes * 9 // 8 or len(part) > 256 << 10:
        raise TooLarge()
    try:
        for file in (part, *attachments):
            age.check_part(file)
            if len(age.stanza_types(file)) != stanzas:
                raise Invalid(_NOT_SEALED, [FieldError("/part", _NOT_SEALED)])
    except CryptoError:
        raise Invalid(_NOT_SEALED, [FieldError("/part", _NOT_SEALED)]) from None


def check_identity_size(part: bytes) -> None:
    """An identity has one size, also when it is added later: its size must not tell one from another. Errors: Invalid."""
    if len(part) != SMALL_FILE:
        raise Invalid(_NOT_SEALED, [FieldError("/part", _NOT_SEALED)])


async def part_answer(context: Context, row: Row[Any] | None) -> Response:
    """The age file of a part as an answer; large ones are read while they are sent. Errors: NotFound."""
    headers, media_type = {"Cache-Control": "no-store"}, "application/octet-stream"
    if row is None or row.blob is None:
        return Response(await sealed_bytes(context, row), media_type=media_type, headers=headers)
    chunks = await context.blobs.open_stream_async(row.blob)
    return StreamingResponse(
        chunks, media_type=media_type, headers={**headers, "Content-Length": str(row.size)}
    )


@dataclass(frozen=True)
class Files:
    """One signed part with its attachments, all sealed."""

    role: str
    part: bytes
    attachments: Sequence[bytes] = ()


async def append(
    conn: AsyncConnection,
    context: Context,
    report_id: UUID,
    author: str,
    now: datetime,
    seal: Callable[[store.Place], Files],
    expected: int | None = None,
) -> Stored:
    """Add what `seal` makes for the next place of its author's chain; a report of retaliation starts protection.

    The report is locked first, so that two messages never take the same place. Errors: Conflict when `expected` is
    not that place; CodeSuspect for words of the desk while somebody else may hold the code
    (an outcome is sealed to the report alone then).
    """
    report = await store.lock_report(conn, report_id)
    lines = await store.parts_of(conn, report_id)
    place = store.next_place(lines, "reporter" if author == "reporter" else "desk")
    if expected is not None and expected != place.n:
        raise Conflict(_PLACE)
    files = await anyio.to_thread.run_sync(seal, place)
    if report.code_suspect and author != "reporter" and files.role not in (REPORT_KEYS, OUTCOME):
        raise CodeSuspect()
    new: list[tuple[str, str, int | None, bytes]] = [(files.role, author, place.n, files.part)]
    new += [("attachment", author, None, data) for data in files.attachments]
    day = day_of(now)
    async with written(context, new) as parts:
        number = await store.add_parts(conn, report_id, day, parts)
        if files.role == RETALIATION:
            await _protect(conn, context, report_id, day)
        if author != "reporter" and files.role != REPORT_KEYS:
            await notices.tell(conn, report_id, day)
        if files.role == MESSAGE and author != "reporter":
            await clock_store.told(conn, report_id, day)
    return Stored(number=number, n=place.n, sha256=parts[0].sha256)
