"""Routes of the law's clocks: a lead extends a limit and tells the reporter in the same step; figures of punctuality."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.crypto.canonical import b64u
from services.intake import clock_figures, clock_lines, clock_store, clocks, inbox, log, store
from services.intake.clock_schemas import DeadlineFigures, StaffDeadlineLine
from services.intake.context import Context, InContext
from services.intake.inbox import Files
from services.intake.schemas import SealedMessage
from services.intake.staff_routes import ThisCase
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, Invalid, responses
from services.kit.service import JsonRoute
from services.kit.staff import Staff
from services.kit.wire import Model

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["staff"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_NONE_RUNS = N_(
    "There is no time limit that may be extended: none runs, it has passed, or it was extended already."
)
_TOO_LONG = N_("A time limit is extended to a later day, two months from today at most.")
_NAME = N_("Name the gaps to the reporter in the same step.")
_TELL = N_("Tell the reporter in the same step that the time limit is extended, and why.")


class Extension(Model):
    """The new last day, and the message that gives the reporter the reasons."""

    until: date
    notice: SealedMessage | None = Field(
        None, description="may be missing only while nothing may be sealed to the receipt code"
    )


class Mark(Model):
    """`gaps` names what a report lacks: with the last day for filling it, and the message that says what it is."""

    step: Literal["gaps", "gaps_filled", "recusal", "recusal_decided", "recusal_told", "end_without_decision"]
    until: date | None = Field(None, description="of `gaps` alone")
    notice: SealedMessage | None = None


class Deadlines(Model):
    deadlines: list[StaffDeadlineLine]


@router.post("/cases/{case_id}/extensions", status_code=201, responses=responses(404, 409, 413, 422))
async def extend_case(
    request: Request, conn: Connection, context: InContext, who: Staff, case: ThisCase, body: Extension
) -> Deadlines:
    """Extend the time for considering a case, once, by two months from today at most (art. 76(3)). It is logged."""
    now = request.app.state.clock()
    day, report = day_of(now), await store.lock_report(conn, case.id)
    old = clocks.extendable(await clock_store.limits_of(conn, case.id), day)
    if old is None:
        raise Conflict(_NONE_RUNS)
    if body.notice is None and not report.code_suspect:
        raise Invalid.at("/notice", _TELL)
    with clock_store.known_days():
        new = clocks.extended(old, body.until, day, context.calendar)
        if new is None:
            raise Invalid.at("/until", _TOO_LONG)
        await clock_store.extend(conn, context.calendar, case.id, old, new, day)
    if body.notice is not None:
        await _tell(conn, context, case.id, body.notice, now)
    await store.add_record(
        conn, day, log.new_record("extension", day, rid=b64u(case.rid), until=new.due.isoformat())
    )
    return Deadlines(deadlines=await clock_lines.staff_see(conn, context.calendar, case, day))


async def _tell(
    conn: Connection, context: Context, case_id: UUID, notice: SealedMessage, now: datetime
) -> None:
    inbox.check_files(context, notice.part, notice.attachments, stanzas=2)
    await inbox.require_newest_key(conn, case_id, notice.key)
    files = Files(inbox.MESSAGE, notice.part, notice.attachments)
    await inbox.append(conn, context, case_id, "desk", now, lambda _place: files, notice.n)


@router.post("/cases/{case_id}/limits", status_code=201, responses=responses(404, 409, 413, 422))
async def mark_limit(
    request: Request, conn: Connection, context: InContext, _who: Staff, case: ThisCase, body: Mark
) -> Deadlines:
    """Begin or meet a time limit that belongs to no step of the case: gaps of a report, a recusal, a notice."""
    now = request.app.state.clock()
    day, report = day_of(now), await store.lock_report(conn, case.id)
    if refusal := clocks.day_refused(body.step, body.until, day):
        raise Invalid.at("/until", refusal)
    if refusal := clocks.mark_refused(body.step, await clock_store.limits_of(conn, case.id)):
        raise Conflict(refusal)
    if body.step == clocks.GAPS and body.notice is None and not report.code_suspect:
        raise Invalid.at("/notice", _NAME)
    with clock_store.known_days():
        await clock_store.moved(conn, context.calendar, case.id, body.step, day, body.until)
    if body.notice is not None:
        await _tell(conn, context, case.id, body.notice, now)
    return Deadlines(deadlines=await clock_lines.staff_see(conn, context.calendar, case, day))


@router.get("/figures/deadlines")
async def read_deadline_figures(
    request: Request,
    conn: Connection,
    _who: Staff,
    year: Annotated[int | None, Query(ge=2012, le=2100)] = None,
) -> DeadlineFigures:
    """How many limits were met in time, by kind and by the month of their last day; this year unless asked otherwise."""
    today = day_of(request.app.state.clock())
    wanted = year or today.year
    return DeadlineFigures(year=wanted, lines=await clock_figures.figures(conn, wanted, today))
