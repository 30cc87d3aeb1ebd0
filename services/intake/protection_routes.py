"""Retaliation: reported in the inbox, acted on by the desk; and incidents of disclosure, recorded by a lead.

The words are sealed like a message, the facts of an incident to the leads: in clear stands only that there is one.
"""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Row

from services.crypto import age
from services.crypto.canonical import b64u
from services.crypto.errors import CryptoError
from services.intake import log, protection, protection_store, store
from services.intake.protection import article_codes
from services.intake.protection_schemas import (
    DisclosureEnd,
    DisclosureLine,
    Disclosures,
    NewDisclosure,
    NewDisclosureEnd,
    NewProtectionStatus,
)
from services.intake.routes import with_etag
from services.intake.schemas import Protection
from services.intake.staff_routes import ThisCase
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, FieldError, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.staff import Staff

public_router = APIRouter(prefix="/api/intake/v1", tags=["protection"], route_class=JsonRoute)
router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["protection"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

MOST = 128 << 10
_NO_STEP = N_("A case in this state cannot go there.")
_CODE = N_("This code is not in the list.")
_ONESELF = N_("You recorded this incident. Another lead ends it.")
_ENDED = N_("This incident has ended already.")
_SEALED = N_("The facts are not an age file sealed to 1 to 8 keys.")


@public_router.get("/rights")
async def read_rights(request: Request) -> Response:
    """What the law gives a reporter, in Kazakh, Russian and English, each with its source; unconfirmed ones say so."""
    return with_etag(request, protection.load_rights().model_dump_json().encode(), "application/json")


@public_router.get("/disclosure-articles")
async def read_disclosure_articles(request: Request) -> Response:
    """The articles that a disclosure incident may name."""
    return with_etag(request, protection.load_articles().model_dump_json().encode(), "application/json")


# --- protection


@router.put("/cases/{case_id}/protection", responses=responses(404, 409, 422))
async def change_protection(
    conn: Connection, _who: Staff, case: ThisCase, body: NewProtectionStatus
) -> Protection:
    """Say that the desk acts on reported retaliation, or that protection has ended."""
    await store.lock_report(conn, case.id)
    row = await protection_store.protection_of(conn, case.id)
    if row is None:
        raise NotFound()
    if not protection.may_step(row.status, body.status):
        raise Conflict(_NO_STEP)
    await protection_store.set_status(conn, case.id, body.status)
    return Protection(since=row.started, until=row.ends, until_confirmed=False, status=body.status)


# --- incidents of disclosure


async def _any_case(conn: Connection, _who: Staff, case_id: UUID) -> Row[Any]:
    """The case. The rule of the route lets in only roles that may know of every incident."""
    row = await store.case_for(conn, case_id, None)
    if row is None:
        raise NotFound()
    return row


AnyCase = Annotated[Any, Depends(_any_case, scope="function")]


@router.post("/cases/{case_id}/disclosures", status_code=201, responses=responses(404, 422))
async def add_disclosure(
    request: Request, conn: Connection, who: Staff, case: AnyCase, body: NewDisclosure
) -> DisclosureLine:
    """Record that somebody disclosed who reported. Who and what are sealed; the article and the day are not."""
    if body.article not in article_codes():
        raise Invalid(errors=[FieldError("/article", _CODE)])
    _check_sealed(body.facts)
    day = day_of(request.app.state.clock())
    added = await protection_store.add_disclosure(conn, case.id, day, body.article, who.person, body.facts)
    await _log(conn, "disclosure", day, case, body.facts, article=body.article)
    return DisclosureLine(
        id=added, day=day, article=body.article, status="recorded", by=who.person, facts=body.facts
    )


@router.post(
    "/cases/{case_id}/disclosures/{incident}/end", status_code=201, responses=responses(404, 409, 422)
)
async def end_disclosure(
    incident: UUID, request: Request, conn: Connection, who: Staff, case: AnyCase, body: NewDisclosureEnd
) -> DisclosureLine:
    """Say how an incident ended. What one lead recorded, another one ends, once."""
    if body.result not in protection.result_codes():
        raise Invalid(errors=[FieldError("/result", _CODE)])
    row = await protection_store.disclosure(conn, case.id, incident)
    if row is None:
        raise NotFound()
    if not protection.may_end_incident(row.recorded_by, who.person):
        raise Conflict(_ONESELF)
    day = day_of(request.app.state.clock())
    if not await protection_store.end_disclosure(conn, row.id, day, who.person, body.result):
        raise Conflict(_ENDED)
    await _log(conn, "disclosure-end", day, case, row.sealed, result=body.result)
    ended = await protection_store.disclosure(conn, case.id, incident)
    return _line(ended, sealed_too=True)


@router.get("/cases/{case_id}/disclosures", responses=responses(404))
async def list_disclosures(conn: Connection, who: Staff, case: AnyCase) -> Disclosures:
    """The incidents of a case. An auditor sees that, when and under which article, not the sealed facts."""
    sealed_too = "lead" in who.roles
    return Disclosures(
        items=[_line(row, sealed_too) for row in await protection_store.disclosures_of(conn, case.id)]
    )


def _line(row: Any, sealed_too: bool) -> DisclosureLine:
    end = row.ended_on and DisclosureEnd(day=row.ended_on, by=row.ended_by, result=row.result)
    return DisclosureLine(
        id=row.id,
        day=row.day,
        article=row.article,
        status="ended" if end else "recorded",
        by=row.recorded_by,
        facts=row.sealed if sealed_too else None,
        end=end,
    )


async def _log(conn: Connection, kind: str, day: date, case: Any, facts: bytes, **more: str) -> None:
    digest = b64u(store.sha256(facts))
    await store.add_record(
        conn, day, log.new_record(kind, day, rid=b64u(case.rid), disclosure=digest, **more)
    )


def _check_sealed(facts: bytes) -> None:
    """Errors: Invalid unless it is an age file under the part rule, of bounded size."""
    try:
        age.check_part(facts)
    except CryptoError:
        raise Invalid(errors=[FieldError("/facts", _SEALED)]) from None
    if len(facts) > MOST:
        raise Invalid(errors=[FieldError("/facts", _SEALED)])
