"""Keys as intake sees them: earlier directories, certificates for the log, and which desk months are still needed."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field

from services.crypto.canonical import b64u
from services.crypto.certificates import check_certificate
from services.crypto.directories import parse_directory
from services.crypto.errors import CryptoError
from services.crypto.signatures import Signed
from services.intake import call_store, keys_store, log, rules, store
from services.intake.context import InContext
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import FieldError, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.staff import Staff
from services.kit.wire import Model

public_router = APIRouter(prefix="/api/intake/v1", tags=["keys"], route_class=JsonRoute)
router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["keys"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_CERTIFICATE = N_("The certificate is not signed by two certifiers of the key directory, or not valid today.")


class LoggedCertificate(Model):
    """A staff certificate, complete."""

    document: dict[str, Any]


class DeskMonth(Model):
    """A month of a desk, and how many reports only its desk grant of that month may open."""

    desk: str
    month: str = Field(examples=["2026-11"])
    grants: int


class DeskMonths(Model):
    items: list[DeskMonth]


@public_router.get("/key-directories/{sequence}", responses=responses(404, 422))
async def read_earlier_directory(
    conn: Connection, sequence: Annotated[int, Path(ge=1, le=(1 << 31) - 1)]
) -> dict[str, Any]:
    """A signed key directory by its number, in force or earlier: keys of past half years stand in it."""
    document = await store.directory_document(conn, sequence)
    if not document:
        raise NotFound()
    return document


@router.post("/certificates", status_code=204, responses=responses(422, 503))
async def log_certificate(
    request: Request, conn: Connection, context: InContext, _who: Staff, body: LoggedCertificate
) -> None:
    """Put the digest of a certificate in the log, once; only one that every client would accept."""
    now = request.app.state.clock()
    in_force = await context.directories.current(conn, now)
    try:
        document = Signed.from_json(body.document)
        check_certificate(document, in_force.directory, day_of(now))
    except CryptoError:
        raise Invalid(_CERTIFICATE, [FieldError("/document", _CERTIFICATE)]) from None
    day = day_of(now)
    if await keys_store.note_certificate(conn, document.digest, day):
        record = log.new_record("certificate", day, certificate=b64u(document.digest))
        await store.add_record(conn, day, record)


@router.get("/desk-months")
async def list_desk_months(conn: Connection, context: InContext, _who: Staff) -> DeskMonths:
    """For each month how many desk grants may be sealed to its key: before a key is destroyed there must be none.

    Notes of operators that the desk has not dealt with count like grants.
    """
    counts: dict[tuple[str, str], int] = {}
    limits = context.settings
    life = timedelta(hours=max(limits.draft_hours, limits.page_max_hours))
    known = {}
    for line in [*await keys_store.desk_grants(conn), *await call_store.waiting_notes(conn)]:
        if line.dir_seq not in known:
            known[line.dir_seq] = parse_directory(
                Signed.from_json(await store.directory_document(conn, line.dir_seq))
            )
        for month in rules.months_of_grant(known[line.dir_seq].desks, line.holder, line.day, life):
            counts[line.holder, month] = counts.get((line.holder, month), 0) + line.grants
    items = [DeskMonth(desk=d, month=m, grants=count) for (d, m), count in sorted(counts.items())]
    return DeskMonths(items=items)
