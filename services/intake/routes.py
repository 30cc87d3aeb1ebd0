"""Public routes: the key directory, the form, challenges, filing, and the log."""

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.background import BackgroundTask

from services.crypto import tlog
from services.crypto.canonical import unb64u
from services.crypto.errors import CryptoError
from services.intake import drafts, filing, log
from services.intake.context import Context, InContext
from services.intake.door import Knock, check_channel, knock, knock_to_file
from services.intake.drafts import draft_bearer
from services.intake.form import load_form
from services.intake.models import idempotency_keys
from services.intake.schemas import Filed, FiledPlain, PackagePart, PlainReport, ReportFile, SealedPackage
from services.kit import db, idempotency
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.idempotency import IdempotencyKey, idempotency_key
from services.kit.problems import Conflict, NotFound, Problem, responses
from services.kit.service import JsonRoute
from services.kit.wire import Model

router = APIRouter(prefix="/api/intake/v1", route_class=JsonRoute)

Key = Annotated[IdempotencyKey, Depends(idempotency_key)]
AtDoor = Annotated[Knock, Depends(knock)]
AtCounter = Annotated[Knock, Depends(knock_to_file)]
InDraft = Annotated[str | None, Depends(draft_bearer)]


class NotPublished(NotFound):
    """A leaf that is not in the log yet, or never was."""

    slug, title = "not-published", "Not published"
    detail = N_("This leaf is not in the published log. A promise is kept within 48 hours.")


def with_etag(request: Request, body: bytes, media_type: str) -> Response:
    """A public document with a strong validator; 304 when the caller has it."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "public, max-age=60"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def replayed(body: bytes) -> Response:
    """The stored answer to a request that came before."""
    return Response(body, 201, media_type="application/json", headers={"Idempotency-Replayed": "true"})


@router.get("/key-directory", tags=["keys"], responses=responses(503))
async def read_key_directory(request: Request, conn: Connection, context: InContext) -> Response:
    """The signed key directory in force. Clients check it against their pinned roots before they use it."""
    in_force = await context.directories.current(conn, request.app.state.clock())
    return with_etag(request, json.dumps(in_force.document).encode(), "application/json")


@router.get("/form", tags=["filing"])
async def read_form(request: Request) -> Response:
    """The reporting form: fields, lists and texts in Kazakh, Russian and English; which fields travel in clear."""
    return with_etag(
        request, json.dumps(load_form().public(), ensure_ascii=False).encode(), "application/json"
    )


@router.get("/challenge", tags=["filing"], responses={204: {"description": "No proof of work is asked now"}})
async def read_challenge(request: Request, context: InContext) -> Response:
    """A proof-of-work challenge (altcha v2), valid for 20 minutes and one use."""
    made = context.door.challenge(request.app.state.clock())
    return Response(status_code=204) if made is None else JSONResponse(made)


@router.post(
    "/reports",
    tags=["filing"],
    status_code=201,
    response_model=FiledPlain,
    responses=responses(400, 401, 403, 409, 410, 413, 422, 503, 507),
)
async def file_plain_report(
    request: Request,
    conn: Connection,
    context: InContext,
    key: Key,
    at_door: AtCounter,
    draft: InDraft,
    body: PlainReport,
) -> Response:
    """File a report in plain mode: it is sealed in memory at once, and the receipt is shown once.

    Large files are uploaded to a draft before, whose secret comes as bearer token; then no challenge is needed.
    """
    now = request.app.state.clock()
    fingerprint = key.fingerprint("reports", await request.body())
    if (known := await idempotency.claim(conn, idempotency_keys, key, fingerprint, now)) is not None:
        return replayed(known)
    taken, wanted = await drafts.take(conn, context, draft, drafts.PLAIN, now), _uploads(body.attachments)
    in_force = await taken.directory(conn, context, now)
    filing.check_plain(context, body, now)
    check_channel(body.fields.channel, taken.channels or at_door.channels())
    taken.check(wanted, "/attachments")
    if not taken.paid:
        await at_door.enter(conn, context)
    report = await filing.seal_plain(context, in_force, body, taken.key, taken.files)
    ready = filing.ready(context, report.package, now, files=taken.files)
    answer = as_json(filing.plain_answer(ready.filed, report))
    await filing.accept(conn, context, ready, now, key.keep(answer, fingerprint, now))
    return _then_deleting(created(answer), context, taken.unused(wanted))


@router.post(
    "/packages",
    tags=["filing"],
    status_code=201,
    response_model=Filed,
    responses=responses(400, 401, 403, 409, 410, 413, 422, 503, 507),
)
async def file_sealed_package(
    request: Request,
    context: InContext,
    key: Key,
    at_door: AtCounter,
    draft: InDraft,
    body: SealedPackage,
) -> Response:
    """File a report that the reporter's own client has sealed. The service cannot open it.

    Large attachments are uploaded to a draft before, whose secret comes as bearer token; then no challenge is needed.
    """
    fingerprint = key.fingerprint("packages", await request.body())
    # Storing a report is one statement, key and challenge included; only what a draft gives up needs more.
    async with db.transaction(request) if draft else db.statements(request) as conn:
        try:
            return await _file_package(request, conn, context, key, fingerprint, at_door, draft, body)
        except Conflict:  # the statement has found the key unused, and the report known
            raise
        except Problem:
            # A repetition is refused somewhere (its challenge is spent, its draft gone, its key answered) and asks
            # here what it got the first time.
            known = await idempotency.known(conn, idempotency_keys, key, fingerprint)
            if known is None:
                raise
            return replayed(known)


async def _file_package(
    request: Request,
    conn: AsyncConnection,
    context: Context,
    key: IdempotencyKey,
    fingerprint: bytes,
    at_door: Knock,
    draft: str | None,
    body: SealedPackage,
) -> Response:
    now = request.app.state.clock()
    taken, wanted = await drafts.take(conn, context, draft, drafts.SEALED, now), _uploads(body.parts)
    taken.check(wanted, "/parts")
    package = filing.as_package(body, await drafts.uploaded_parts(context, taken, wanted))
    await filing.check_sealed(conn, context, package, now)
    check_channel(package.manifest.fields["channel"], taken.channels or at_door.channels())
    ticket = None if taken.paid else await at_door.ticket(context)
    ready = filing.ready(context, package, now, files=taken.files)
    answer = as_json(ready.filed)
    await filing.accept(conn, context, ready, now, key.keep(answer, fingerprint, now), ticket)
    return _then_deleting(created(answer), context, taken.unused(wanted))


def _uploads(lines: Sequence[ReportFile] | Sequence[PackagePart]) -> list[UUID | None]:
    return [line.upload for line in lines]


def _then_deleting(answer: Response, context: Context, blobs: list[str]) -> Response:
    """Delete what a filing left over, once its answer has left; a thread is not woken up for nothing."""
    if blobs:
        answer.background = BackgroundTask(context.blobs.delete_all, blobs)
    return answer


def as_json(answer: Model) -> bytes:
    """The body of an answer."""
    return answer.model_dump_json().encode()


def created(answer: bytes) -> Response:
    """The `201` of something stored."""
    return Response(answer, 201, media_type="application/json")


@router.get("/log/checkpoint", tags=["log"], response_class=PlainTextResponse, responses=responses(404))
async def read_log_checkpoint(conn: Connection) -> Response:
    """The newest checkpoint of the log, a C2SP signed note."""
    newest = await log.newest(conn)
    if newest is None:
        raise NotPublished()
    return PlainTextResponse(newest.note, headers={"Cache-Control": "no-cache"})


@router.get("/log/tile/{path:path}", tags=["log"], responses=responses(404))
async def read_log_tile(path: str, conn: Connection) -> Response:
    """A tile of hashes or a bundle of entries (C2SP tlog-tiles). Tiles never change."""
    try:
        tile = tlog.parse_tile_path(f"tile/{path}")
    except CryptoError:
        raise NotFound() from None
    found = await log.read_tile(conn, tile)
    if found is None:
        raise NotFound()
    return Response(
        found,
        media_type="application/octet-stream",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


@router.get("/log/proofs/{leaf}", tags=["log"], response_class=PlainTextResponse, responses=responses(404))
async def read_log_proof(leaf: str, request: Request, conn: Connection, context: InContext) -> Response:
    """The C2SP proof that the leaf of a promise is in the published log, in a witnessed checkpoint if there is one."""
    try:
        witnesses = await context.directories.witnesses(conn, request.app.state.clock())
        found = await log.proof(conn, unb64u(leaf, 32), witnesses)
    except CryptoError:
        raise NotPublished() from None
    if found is None:
        raise NotPublished()
    return PlainTextResponse(found, headers={"Cache-Control": "no-cache"})
