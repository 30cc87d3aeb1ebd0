"""Routes of identity requests: asker, custodians, and who reads the register. They move sealed and signed bytes only."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request
from sqlalchemy import Row

from services.intake import custody, custody_store, log, rules
from services.intake.context import InContext
from services.intake.custody_data import grounds, undertakings
from services.intake.custody_schemas import (
    CustodyReference,
    DecisionLine,
    EarlierRequest,
    NewDecision,
    NewIdentityRequest,
    NewRelease,
    NewUndertaking,
    Opening,
    ReleaseLine,
    RequestLine,
    RequestPage,
    RequestView,
    SealedShareOf,
    UndertakingLine,
    UndertakingPage,
)
from services.intake.jobs import publish_soon
from services.intake.schemas import Fields
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.pages import decode_cursor, encode_cursor
from services.kit.problems import responses
from services.kit.service import JsonRoute
from services.kit.staff import Caller, Staff

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["custody"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)
Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
SeatNumber = Annotated[int, Path(ge=1, le=255)]


def _now(request: Request) -> datetime:
    found: datetime = request.app.state.clock()
    return found


def _line(row: Row[Any], who: Caller, now: datetime) -> dict[str, Any]:
    """The coded values of a request. A custodian learns no reference: it would lead to the case."""
    told = row.asker == who.person or "auditor" in who.roles
    return {
        "id": row.id,
        "request": row.digest,
        "state": custody.state_of(row, now),
        "reference": row.reference if told else None,
        **{
            name: getattr(row, name)
            for name in (
                "ground",
                "deferral",
                "day",
                "expires",
                "approvals",
                "refusals",
                "releases",
                "k",
                "n",
            )
        },
    }


@router.get("/identity-reference")
async def read_custody_reference(request: Request, context: InContext, _who: Staff) -> CustodyReference:
    """The grounds, and the undertaking in the words in force today."""
    return CustodyReference(
        grounds=grounds(),
        undertaking=undertakings().in_force(day_of(_now(request))),
        undertakings=list(undertakings().versions),
        longest_deferral_days=context.settings.identity_deferral_days,
    )


@router.post("/identity-requests", status_code=201, responses=responses(404, 409, 422))
async def ask_identity(
    request: Request,
    tasks: BackgroundTasks,
    conn: Connection,
    context: InContext,
    who: Staff,
    body: NewIdentityRequest,
) -> RequestLine:
    """Ask the custodians to open who a reporter is. The log is published at once, so that they need not wait.

    The same document again is the same request.
    """
    now = _now(request)
    request_id, new = await custody.ask(conn, context, who, body.request, body.reasons, now)
    if new:
        tasks.add_task(publish_soon, request.app.state)
    return RequestLine(**_line(await custody.visible(conn, who, request_id), who, now))


@router.get("/identity-requests")
async def list_identity_requests(
    request: Request, conn: Connection, who: Staff, cursor: Cursor = None, limit: Limit = 50
) -> RequestPage:
    """Requests, newest first: all of them for custodians and auditors, for others their own."""
    asker = None if who.roles & (rules.CUSTODIANS | {"auditor"}) else who.person
    rows = await custody_store.requests(conn, asker, decode_cursor(cursor) if cursor else None, limit + 1)
    more = encode_cursor(rows[limit - 1].day, rows[limit - 1].id) if len(rows) > limit else None
    now = _now(request)
    return RequestPage(items=[RequestLine(**_line(row, who, now)) for row in rows[:limit]], next=more)


@router.get("/identity-requests/{request_id}", responses=responses(404))
async def read_identity_request(
    request_id: UUID, request: Request, conn: Connection, who: Staff
) -> RequestView:
    """One request with its sealed reason, its decisions, and the earlier requests for the same report."""
    row, now = await custody.visible(conn, who, request_id), _now(request)
    return RequestView(
        **_line(row, who, now),
        document=row.document,
        salt=row.salt,
        published=await log.is_published(conn, row.leaf),
        fields=Fields(**{name: getattr(row, name) for name in Fields.model_fields}),
        reasons=await custody_store.reasons_of(conn, row.id),
        decisions=[
            DecisionLine(seat=line.seat, decision=line.document)
            for line in await custody_store.decisions_of(conn, row.id)
        ],
        earlier=[
            EarlierRequest(id=line.id, ground=line.ground, day=line.day, state=custody.state_of(line, now))
            for line in await custody_store.others_of(conn, row.report_id, row.id)
        ],
    )


@router.post("/identity-requests/{request_id}/decisions", status_code=201, responses=responses(404, 409, 422))
async def decide_identity_request(
    request_id: UUID, request: Request, conn: Connection, context: InContext, who: Staff, body: NewDecision
) -> RequestLine:
    """Approve or refuse; nothing is released by it."""
    now = _now(request)
    await custody.decide(conn, context, who, request_id, body.decision, now)
    return RequestLine(**_line(await custody.visible(conn, who, request_id), who, now))


@router.get("/identity-requests/{request_id}/shares/{seat}", responses=responses(404, 409))
async def read_identity_share(
    request_id: UUID, seat: SeatNumber, request: Request, conn: Connection, who: Staff
) -> SealedShareOf:
    """The sealed share of the caller's seat: only under an approved request, which the caller approved."""
    data, manifest = await custody.sealed_share(conn, who, request_id, seat, _now(request))
    return SealedShareOf(seat=seat, data=data, manifest=manifest)


@router.post("/identity-requests/{request_id}/releases", status_code=201, responses=responses(404, 409, 422))
async def release_identity_share(
    request_id: UUID, request: Request, conn: Connection, who: Staff, body: NewRelease
) -> RequestLine:
    """Hand the share of a seat to the asker, sealed to their certified key."""
    now = _now(request)
    await custody.release(conn, who, request_id, body.seat, body.release, now)
    return RequestLine(**_line(await custody.visible(conn, who, request_id), who, now))


@router.post(
    "/identity-requests/{request_id}/undertaking", status_code=201, responses=responses(404, 409, 422)
)
async def sign_undertaking(
    request_id: UUID, request: Request, conn: Connection, context: InContext, who: Staff, body: NewUndertaking
) -> RequestLine:
    """Undertake not to disclose who the reporter is (Criminal Code art. 424). Only the asker can."""
    now = _now(request)
    await custody.undertake(conn, context, who, request_id, body.undertaking, now)
    return RequestLine(**_line(await custody.visible(conn, who, request_id), who, now))


@router.post("/identity-requests/{request_id}/opening", status_code=201, responses=responses(404, 409))
async def open_identity(request_id: UUID, request: Request, conn: Connection, who: Staff) -> Opening:
    """Take the releases away. Only the asker can, after the undertaking; the reporter's inbox shows it."""
    row = await custody.open_identity(conn, who, request_id, _now(request))
    releases = await custody_store.releases_of(conn, request_id)
    return Opening(
        day=row.day,
        shown_from=row.shown_from,
        releases=[ReleaseLine(seat=line.seat, data=line.sealed) for line in releases],
    )


@router.get("/undertakings")
async def list_undertakings(
    conn: Connection, _who: Staff, cursor: Cursor = None, limit: Limit = 50
) -> UndertakingPage:
    """The register: who signed, when, for which report; newest first."""
    rows = await custody_store.register(conn, decode_cursor(cursor) if cursor else None, limit + 1)
    more = encode_cursor(rows[limit - 1].day, rows[limit - 1].id) if len(rows) > limit else None
    return UndertakingPage(items=[_registered(row) for row in rows[:limit]], next=more)


def _registered(row: Row[Any]) -> UndertakingLine:
    return UndertakingLine(
        person=row.person, day=row.day, reference=row.reference, request=row.request_id, text=row.text,
        digest=row.digest,
    )  # fmt: skip
