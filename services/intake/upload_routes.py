"""Routes of drafts and uploads: tus 1.0 with creation, termination, checksum and expiration.

No name, type or other word about a file comes here: `Upload-Metadata` is refused. Every request carries the secret of
its draft as bearer token; without it an address of an upload is useless.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Coroutine
from email.utils import format_datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Header, Request, Response
from sqlalchemy import Row

from services.intake import draft_store, drafts
from services.intake.context import Context, InContext
from services.intake.disk import InsufficientStorage, check_room, no_space
from services.intake.drafts import DraftGone, draft_bearer
from services.intake.receiving import Checksum, Locked, Patch
from services.intake.routes import AtCounter
from services.intake.schemas import NewDraft, OpenedDraft
from services.intake.uploads import Progress, SealingWriter
from services.kit.appending import BusyError
from services.kit.blobs import BlobNotFoundError
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Malformed, NotFound, Problem, TooLarge, responses
from services.kit.service import JsonRoute
from services.kit.threads import in_thread

VERSION = "1.0.0"
MEDIA_TYPE = "application/offset+octet-stream"
PREFIX = "/api/intake/v1/uploads"
_DIGESTS = {"sha256": 32, "sha1": 20}
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")

_HEADERS = N_("A header of the upload is missing or not of the right form.")
_NO_METADATA = N_("Send no metadata with an upload: names and types of files belong into the sealed report.")
_TOO_MANY = N_("The draft holds no more files.")


class WrongVersion(Problem):
    """Not the version of tus that is spoken here."""

    status, slug, title = 412, "tus-version", "Wrong version of tus"
    detail = N_("Uploads follow tus 1.0.0; send the header Tus-Resumable: 1.0.0.")


class WrongType(Problem):
    """A PATCH of another media type."""

    status, slug, title = 415, "media-type", "Wrong media type"
    detail = N_("Bytes of an upload have the media type application/offset+octet-stream.")


class TusRoute(JsonRoute):
    """Every answer names the version, refusals too; every request but OPTIONS must name it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def versioned(request: Request) -> Response:
            try:
                if request.method != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
                    raise WrongVersion(headers={"Tus-Version": VERSION})
                response = await handler(request)
            except Problem as problem:
                problem.headers["Tus-Resumable"] = VERSION
                raise
            response.headers["Tus-Resumable"] = VERSION
            return response

        return versioned


drafts_router = APIRouter(prefix="/api/intake/v1/drafts", tags=["uploads"], route_class=JsonRoute)
# The limit is the length that was announced, which `Patch` holds to.
router = APIRouter(prefix=PREFIX, tags=["uploads"], route_class=TusRoute, max_body_size=1 << 40)

Bearer = Annotated[str | None, Depends(draft_bearer)]


@drafts_router.post(
    "", status_code=201, response_model_exclude_none=True, responses=responses(401, 403, 422, 503)
)
async def open_draft(
    request: Request,
    conn: Connection,
    context: InContext,
    at_door: AtCounter,
    body: NewDraft,
) -> OpenedDraft:
    """Open a draft, to which files are uploaded before the report is filed. One challenge is spent for all of it.

    Whoever files for others sends an access token instead, here; uploads and filing then need the secret only.
    """
    now = request.app.state.clock()
    channels = at_door.channels()
    in_force = await context.directories.current(conn, now)
    await at_door.enter(conn, context)
    return await drafts.open_draft(conn, context, in_force, body, now, channels=channels)


async def _draft(request: Request, conn: Connection, bearer: Bearer) -> Row[Any]:
    return await drafts.find(conn, bearer, request.app.state.clock())


async def _draft_alone(request: Request, bearer: Bearer) -> Row[Any]:
    """The draft, found in a transaction that ends before a body is read: uploads must not keep connections."""
    async with request.app.state.engine.begin() as conn:
        return await drafts.find(conn, bearer, request.app.state.clock())


InDraft = Annotated[Row[Any], Depends(_draft, scope="function")]
InDraftAlone = Annotated[Row[Any], Depends(_draft_alone)]


def _number(value: str | None) -> int:
    """A number of bytes in a header. Errors: Malformed."""
    if value is None or not _NUMBER.fullmatch(value):
        raise Malformed(_HEADERS)
    return int(value)


def _upload_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound() from None


def _about(draft: Row[Any], **headers: int | str) -> dict[str, str]:
    names = {"offset": "Upload-Offset", "length": "Upload-Length", "location": "Location"}
    found = {names[name]: str(value) for name, value in headers.items()}
    return {**found, "Upload-Expires": format_datetime(draft.expires, usegmt=True)}


@router.options("", status_code=204, response_class=Response)
async def describe_uploads(context: InContext) -> Response:
    """What this server speaks."""
    headers = {
        "Tus-Version": VERSION,
        "Tus-Max-Size": str(context.settings.upload_bytes),
        "Tus-Extension": "creation,termination,checksum,expiration",
        "Tus-Checksum-Algorithm": ",".join(_DIGESTS),
    }
    return Response(status_code=204, headers=headers)


async def _announced(
    _request: Request,
    length: Annotated[str | None, Header(alias="Upload-Length")] = None,
    metadata: Annotated[str | None, Header(alias="Upload-Metadata")] = None,
    deferred: Annotated[str | None, Header(alias="Upload-Defer-Length")] = None,
    joined: Annotated[str | None, Header(alias="Upload-Concat")] = None,
) -> int:
    """The length of a new upload. Errors: Malformed for anything else than a length."""
    if metadata is not None:
        raise Malformed(_NO_METADATA)
    if deferred is not None or joined is not None:
        raise Malformed(_HEADERS)
    return _number(length)


@router.post("", status_code=201, response_class=Response, responses=responses(400, 401, 410, 412, 413, 507))
async def create_upload(
    conn: Connection,
    context: InContext,
    draft: InDraft,
    length: Annotated[int, Depends(_announced)],
) -> Response:
    """Announce a file of `Upload-Length` bytes; `Location` is where its bytes go."""
    await _check_limits(conn, context, draft, length)
    upload_id = uuid4()
    with no_space():
        file = await in_thread(context.blobs.start)
    try:
        at = await _begin(draft, context, file, length)
        await draft_store.add_upload(conn, draft.id, upload_id, file.name, length, at)
    except BaseException:
        await context.blobs.delete_async(file.name)
        raise
    finally:
        file.close()
    return Response(
        status_code=201, headers=_about(draft, location=f"{PREFIX}/{upload_id}", offset=at.received)
    )


async def _begin(draft: Row[Any], context: Context, file: Any, length: int) -> Progress:
    """Where a new upload stands: an empty plain file is whole at once, and still one sealed segment."""
    recipient = drafts.report_recipient(draft)
    if recipient is None or length:
        return Progress()
    with no_space():
        writer = SealingWriter(file, recipient, Progress(), context.settings.segment_bytes)
        return await writer.settle(last=True)


async def _check_limits(conn: Connection, context: Context, draft: Row[Any], length: int) -> None:
    """Errors: TooLarge for the draft, InsufficientStorage for the installation; DraftGone."""
    limits = context.settings
    if length > limits.upload_bytes:
        raise TooLarge()
    if not await draft_store.lock_draft(conn, draft.id):
        raise DraftGone()
    known = await draft_store.lengths(conn, draft.id)
    if len(known) >= limits.uploads_per_draft or sum(known) + length > limits.draft_bytes:
        # An answer that was lost on a bad network leaves an upload that nobody knows of.
        await context.blobs.delete_all(await draft_store.delete_untouched(conn, draft.id))
        known = await draft_store.lengths(conn, draft.id)
    if len(known) >= limits.uploads_per_draft or sum(known) + length > limits.draft_bytes:
        raise TooLarge(_TOO_MANY)
    await check_room(context, length)
    if await draft_store.unfiled_bytes(conn) + length > limits.unfiled_bytes:
        raise InsufficientStorage()


@router.head("/{upload_id}", response_class=Response, responses=responses(401, 404, 410, 412))
async def read_upload_offset(upload_id: str, conn: Connection, draft: InDraft) -> Response:
    """Where an upload stands: `Upload-Offset` bytes are on durable storage."""
    row = await draft_store.upload(conn, draft.id, _upload_id(upload_id))
    if row is None:
        raise NotFound()
    return Response(headers=_about(draft, offset=row.received, length=row.length))


async def _offset(
    request: Request, offset: Annotated[str | None, Header(alias="Upload-Offset")] = None
) -> int:
    if request.headers.get("content-type") != MEDIA_TYPE:
        raise WrongType()
    return _number(offset)


async def _checksum(
    _request: Request, value: Annotated[str | None, Header(alias="Upload-Checksum")] = None
) -> Checksum | None:
    """What the body must hash to. Errors: Malformed, also for an algorithm that is not offered."""
    if value is None:
        return None
    algorithm, _, text = value.partition(" ")
    try:
        digest = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(_HEADERS) from None
    if _DIGESTS.get(algorithm) != len(digest):
        raise Malformed(_HEADERS)
    return Checksum.of(algorithm, digest)


@router.patch(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    responses=responses(400, 401, 404, 408, 409, 410, 412, 413, 415, 423, 507)
    | {460: {"description": "Checksum mismatch"}},
)
async def send_upload_bytes(
    request: Request,
    upload_id: str,
    context: InContext,
    draft: InDraftAlone,
    offset: Annotated[int, Depends(_offset)],
    checksum: Annotated[Checksum | None, Depends(_checksum)],
) -> Response:
    """Bytes from `Upload-Offset` on. A request that is cut short counts as far as it came; one with a wrong checksum
    not at all."""
    patch = Patch(context, request.app.state.engine, draft, _upload_id(upload_id), offset, checksum)
    announced = request.headers.get("content-length")
    reached = await patch.receive(aiter(request.stream()), int(announced) if announced else None)
    return Response(status_code=204, headers=_about(draft, offset=reached))


@router.delete(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    responses=responses(401, 404, 410, 412, 423),
)
async def delete_upload(
    request: Request, upload_id: str, context: InContext, draft: InDraftAlone
) -> Response:
    """Forget an upload and its bytes."""
    async with request.app.state.engine.begin() as conn:
        row = await draft_store.upload(conn, draft.id, _upload_id(upload_id))
    if row is None:
        raise NotFound()
    try:
        file = await in_thread(context.blobs.grow, row.blob)
    except BusyError:
        raise Locked() from None
    except BlobNotFoundError:
        file = None
    try:
        async with request.app.state.engine.begin() as conn:
            if not await draft_store.delete_upload(conn, row.id):
                raise NotFound()
        await context.blobs.delete_async(row.blob)
    finally:
        if file:
            file.close()
    return Response(status_code=204)
