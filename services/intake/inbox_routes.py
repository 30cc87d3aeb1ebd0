"""Routes of the inbox: sealed (the client holds the keys) and plain (the service derives them for one visit)."""

from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response

from services.crypto.receipts import derive, new_receipt
from services.intake import inbox, plain, store
from services.intake.context import Context, InContext
from services.intake.filing import lookup_mac, refuse
from services.intake.form import check_identity
from services.intake.inbox import Files, Visit, bearer, confirmed, find, from_token
from services.intake.models import idempotency_keys
from services.intake.routes import AtDoor, Key, as_json, created, replayed
from services.intake.schemas import (
    InboxToken,
    InboxView,
    Lookup,
    NewCode,
    NewReceipt,
    PlainFileRequest,
    PlainIdentity,
    PlainInbox,
    PlainMessage,
    ReceiptBody,
    SealedMessage,
    SealedPartBody,
    Stored,
)
from services.kit import idempotency
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, FieldError, Invalid, NotFound, TooLarge, responses
from services.kit.service import JsonRoute

router = APIRouter(prefix="/api/intake/v1/inbox", tags=["inbox"], route_class=JsonRoute)
Token = Annotated[str | None, Depends(bearer)]
_NO_PENDING = N_(
    "There is no new code to confirm, or the inbox changed in the meantime. Ask for a new code again."
)
#: Names of operations in fingerprints of requests.
_OPERATIONS = {inbox.MESSAGE: "messages", inbox.RETALIATION: "retaliation"}
_TAKEN = N_("This code cannot be used. Make another one.")


@router.post("/sessions", status_code=201, responses=responses(403, 404, 422))
async def open_inbox(
    request: Request, conn: Connection, context: InContext, at_door: AtDoor, body: Lookup
) -> InboxToken:
    """Open the inbox with the lookup value of a receipt. The answer is a token for half an hour."""
    now = request.app.state.clock()
    await at_door.enter(conn, context)
    visit = await find(conn, context, body.lookup, now)
    return InboxToken(token=inbox.issue_token(context, visit, now), expires_in=context.settings.inbox_seconds)


async def _visit(request: Request, conn: Connection, context: InContext, token: Token) -> Visit:
    return confirmed(await from_token(conn, context, token, request.app.state.clock()))


Visiting = Annotated[Visit, Depends(_visit, scope="function")]


@router.get("", responses=responses(401, 409))
async def read_inbox(request: Request, conn: Connection, context: InContext, visit: Visiting) -> InboxView:
    """State, parts and place of the next part. What was said is sealed; the client opens it."""
    now = request.app.state.clock()
    witnesses = await context.directories.witnesses(conn, now)
    return await inbox.view(conn, visit, day_of(now), context.calendar, witnesses)


@router.get("/parts/{number}", response_class=Response, responses=responses(401, 404, 409))
async def read_inbox_part(number: int, conn: Connection, context: InContext, visit: Visiting) -> Response:
    """The age file of a part that the desk wrote."""
    row = await store.part(conn, visit.report.id, number) if 0 <= number < 1 << 31 else None
    if row is None or row.author == "reporter":
        raise NotFound()
    return await inbox.part_answer(context, row)


async def _once(request: Request, conn: Connection, key: Key, operation: str) -> bytes | None:
    fingerprint = key.fingerprint(operation, await request.body())
    return await idempotency.claim(conn, idempotency_keys, key, fingerprint, request.app.state.clock())


@router.post(
    "/messages", status_code=201, response_model=Stored, responses=responses(400, 401, 409, 413, 422)
)
async def send_message(
    request: Request, conn: Connection, context: InContext, visit: Visiting, key: Key, body: SealedMessage
) -> Response:
    """Add a sealed message, with sealed attachments."""
    return await _words(request, conn, context, visit, key, body, inbox.MESSAGE)


@router.post(
    "/retaliation", status_code=201, response_model=Stored, responses=responses(400, 401, 409, 413, 422)
)
async def report_retaliation(
    request: Request, conn: Connection, context: InContext, visit: Visiting, key: Key, body: SealedMessage
) -> Response:
    """Report retaliation: sealed like a message. The case is flagged, and protection runs from this day."""
    return await _words(request, conn, context, visit, key, body, inbox.RETALIATION)


async def _words(
    request: Request,
    conn: Connection,
    context: Context,
    visit: Visit,
    key: Key,
    body: SealedMessage,
    role: str,
) -> Response:
    if (known := await _once(request, conn, key, f"{_OPERATIONS[role]}/{visit.report.id}")) is not None:
        return replayed(known)
    inbox.check_files(context, body.part, body.attachments, stanzas=1)
    await inbox.require_newest_key(conn, visit.report.id, body.key)
    files = Files(role, body.part, body.attachments)
    return await _append(request, conn, context, visit, key, files, body.n)


@router.post(
    "/identity", status_code=201, response_model=Stored, responses=responses(400, 401, 409, 413, 422)
)
async def add_identity(
    request: Request, conn: Connection, context: InContext, visit: Visiting, key: Key, body: SealedPartBody
) -> Response:
    """Add who you are, sealed to the key that only the identity custodians can rebuild together."""
    if (known := await _once(request, conn, key, f"identity/{visit.report.id}")) is not None:
        return replayed(known)
    inbox.check_files(context, body.part, [], stanzas=1)
    inbox.check_identity_size(body.part)
    return await _append(request, conn, context, visit, key, Files("identity", body.part), body.n)


async def _kept(conn: Connection, key: Key, stored: Stored) -> Response:
    """The `201` of a new part, kept for a repeat of the request in the same transaction."""
    answer = as_json(stored)
    await idempotency.finish(conn, idempotency_keys, key, answer)
    return created(answer)


async def _append(
    request: Request, conn: Connection, context: Context, visit: Visit, key: Key, files: Files, n: int | None
) -> Response:
    now = request.app.state.clock()
    stored = await inbox.append(conn, context, visit.report.id, "reporter", now, lambda _place: files, n)
    return await _kept(conn, key, stored)


@router.post("/code", status_code=202, response_class=Response, responses=responses(401, 409, 413, 422))
async def offer_code(conn: Connection, context: InContext, visit: Visiting, body: NewCode) -> Response:
    """Offer a new receipt code. The old one works until the new one is typed back."""
    inbox.check_files(context, body.part, [body.carried] if body.carried else [], stanzas=1)
    if len(body.lookup) != 32:
        raise Invalid(errors=[FieldError("/lookup", _TAKEN)])
    await store.lock_report(conn, visit.report.id)
    place = store.next_place(await store.parts_of(conn, visit.report.id), "reporter")
    if body.n is not None and body.n != place.n:
        raise Conflict(_NO_PENDING)
    await _offer(conn, context, visit, body.lookup, body.part, place.n, body.carried)
    return Response(status_code=202)


async def _offer(
    conn: Connection,
    context: Context,
    visit: Visit,
    lookup: bytes,
    part: bytes,
    n: int,
    carried: bytes | None,
) -> None:
    mac = lookup_mac(context, lookup)
    other = await store.report_by_lookup(conn, mac)
    if other is not None and (other.id != visit.report.id or other.lookup_mac == mac):
        raise Invalid(_TAKEN, [FieldError("/lookup", _TAKEN)])
    await store.set_pending_code(conn, visit.report.id, mac, part, n, carried)


@router.post("/code/confirm", status_code=204, response_class=Response, responses=responses(401, 409))
async def confirm_code(request: Request, conn: Connection, context: InContext, token: Token) -> Response:
    """Put the new code in force: the inbox was opened with it. The old code is dead from here on."""
    now = request.app.state.clock()
    await _confirm(request, conn, context, await from_token(conn, context, token, now))
    return Response(status_code=204)


async def _confirm(request: Request, conn: Connection, context: Context, visit: Visit) -> None:
    report = await store.lock_report(conn, visit.report.id)
    if not visit.pending or report.pending_lookup_mac != visit.mac:
        raise Conflict(_NO_PENDING)
    now, files = request.app.state.clock(), Files("reporter-keys", report.pending_part)
    place = store.next_place(await store.parts_of(conn, report.id), "reporter")
    if place.n != report.pending_n:
        raise Conflict(_NO_PENDING)
    await inbox.append(conn, context, report.id, "reporter", now, lambda _place: files)
    await store.replace_code(conn, report.id, visit.mac, day_of(now))


# --- plain mode


async def _plain_visit(
    request: Request, conn: Connection, context: Context, at_door: AtDoor, receipt: str
) -> tuple[Visit, Any]:
    await at_door.enter(conn, context)
    keys = await inbox.stretched(context, receipt)
    return await find(conn, context, keys.lookup, request.app.state.clock()), keys


@router.post("/plain", responses=responses(403, 404, 409, 422))
async def read_plain_inbox(
    request: Request, conn: Connection, context: InContext, at_door: AtDoor, body: ReceiptBody
) -> PlainInbox:
    """Open the inbox with the receipt itself; the service opens the replies in memory for this answer."""
    visit, keys = await _plain_visit(request, conn, context, at_door, body.receipt)
    now = request.app.state.clock()
    witnesses = await context.directories.witnesses(conn, now)
    shown = await inbox.view(conn, confirmed(visit), day_of(now), context.calendar, witnesses)
    found = await plain.replies(conn, context, visit.report, keys)
    numbers = {line.sha256: line.number for line in shown.parts if line.role == "attachment"}
    messages = [plain.shown(reply, numbers) for reply in found.messages]
    outcomes = [plain.outcome_shown(ended) for ended in found.outcomes]
    return PlainInbox(**dict(shown), messages=messages, outcomes=outcomes, refused=found.refused)


@router.post(
    "/plain/messages",
    status_code=201,
    response_model=Stored,
    responses=responses(400, 403, 404, 409, 413, 422),
)
async def send_plain_message(
    request: Request, conn: Connection, context: InContext, key: Key, at_door: AtDoor, body: PlainMessage
) -> Response:
    """Write to the desk in plain mode; sealed in memory at once."""
    return await _plain_words(request, conn, context, key, at_door, body, inbox.MESSAGE)


@router.post(
    "/plain/retaliation",
    status_code=201,
    response_model=Stored,
    responses=responses(400, 403, 404, 409, 413, 422),
)
async def report_plain_retaliation(
    request: Request, conn: Connection, context: InContext, key: Key, at_door: AtDoor, body: PlainMessage
) -> Response:
    """Report retaliation in plain mode; sealed in memory at once."""
    return await _plain_words(request, conn, context, key, at_door, body, inbox.RETALIATION)


async def _plain_words(
    request: Request,
    conn: Connection,
    context: Context,
    key: Key,
    at_door: AtDoor,
    body: PlainMessage,
    role: str,
) -> Response:
    if (known := await _once(request, conn, key, f"plain/{_OPERATIONS[role]}")) is not None:
        return replayed(known)
    if sum(len(file.data) for file in body.attachments) > context.settings.attachment_bytes:
        raise TooLarge()
    visit, keys = await _plain_visit(request, conn, context, at_door, body.receipt)
    now = request.app.state.clock()
    sequence = (await context.directories.current(conn, now)).directory.sequence
    report = confirmed(visit).report
    to = await plain.target(conn, context, report, keys)
    seal = partial(plain.seal_words, role, to, keys, sequence, text=body.text, files=body.attachments)
    return await _kept(conn, key, await inbox.append(conn, context, report.id, "reporter", now, seal))


@router.post(
    "/plain/identity",
    status_code=201,
    response_model=Stored,
    responses=responses(400, 403, 404, 409, 422),
)
async def add_plain_identity(
    request: Request, conn: Connection, context: InContext, key: Key, at_door: AtDoor, body: PlainIdentity
) -> Response:
    """Say who you are, later, in plain mode; sealed in memory at once."""
    if (known := await _once(request, conn, key, "plain/identity")) is not None:
        return replayed(known)
    refuse(check_identity(body.identity), "/identity")
    visit, keys = await _plain_visit(request, conn, context, at_door, body.receipt)
    now = request.app.state.clock()
    sequence = (await context.directories.current(conn, now)).directory.sequence
    report = confirmed(visit).report
    to = await plain.target(conn, context, report, keys)
    seal = partial(plain.seal_identity, to, keys, sequence, identity=body.identity)
    return await _kept(conn, key, await inbox.append(conn, context, report.id, "reporter", now, seal))


@router.post("/plain/files", response_class=Response, responses=responses(403, 404, 409, 422))
async def read_plain_file(
    request: Request, conn: Connection, context: InContext, at_door: AtDoor, body: PlainFileRequest
) -> Response:
    """An attachment of a reply, opened in memory. Always a download, never shown in place."""
    visit, keys = await _plain_visit(request, conn, context, at_door, body.receipt)
    row = await store.part(conn, confirmed(visit).report.id, body.number) if body.number < 1 << 31 else None
    if row is None or row.author == "reporter" or row.role != "attachment":
        raise NotFound()
    file = await inbox.sealed_bytes(context, row)
    replies = (await plain.replies(conn, context, visit.report, keys)).messages
    opened = await anyio.to_thread.run_sync(plain.open_file, file, replies, keys)
    if opened is None:
        raise NotFound()
    envelope, data = opened
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(envelope.safe_name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.post("/plain/code", status_code=201, responses=responses(403, 404, 409, 422))
async def offer_plain_code(
    request: Request, conn: Connection, context: InContext, at_door: AtDoor, body: ReceiptBody
) -> NewReceipt:
    """Ask for a new receipt code. The old one works until the new one is typed back."""
    visit, keys = await _plain_visit(request, conn, context, at_door, body.receipt)
    report, now = confirmed(visit).report, request.app.state.clock()
    to = await plain.target(conn, context, report, keys)
    place = store.next_place(await store.parts_of(conn, report.id), "reporter")
    sequence = (await context.directories.current(conn, now)).directory.sequence
    receipt = new_receipt()
    new = await anyio.to_thread.run_sync(derive, receipt, limiter=context.stretching)
    part = await anyio.to_thread.run_sync(plain.seal_new_keys, to, keys, new, sequence, place)
    carried = plain.carried_for(to, new, sequence)
    await _offer(conn, context, visit, new.lookup, part, place.n, carried)
    return NewReceipt(receipt=receipt)


@router.post(
    "/plain/code/confirm", status_code=204, response_class=Response, responses=responses(403, 404, 409, 422)
)
async def confirm_plain_code(
    request: Request, conn: Connection, context: InContext, at_door: AtDoor, body: ReceiptBody
) -> Response:
    """Type the new code back: from now on it is the code, and the old one is dead."""
    visit, _ = await _plain_visit(request, conn, context, at_door, body.receipt)
    await _confirm(request, conn, context, visit)
    return Response(status_code=204)
