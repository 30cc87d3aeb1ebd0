"""Routes of retention: what was read, holds, and a deletion that one person proposes and another one approves.

Nothing here deletes by itself. An approval asks all rules once more, under the lock of the report.
"""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Query, Request

from services.crypto.canonical import b64u
from services.intake import access_store, log, retention, retention_store, store
from services.intake.context import Context, InContext
from services.intake.retention import due_for_deletion, period_of
from services.intake.retention_jobs import erase_soon
from services.intake.retention_schemas import (
    Deleted,
    DeletedPage,
    DeletionView,
    DueLine,
    DuePage,
    HoldLine,
    NewDeletion,
    Proposal,
    ProposalNamed,
    ReadLine,
    ReadUpTo,
    Refused,
    RetentionReference,
    Waiting,
    WaitingLine,
)
from services.intake.retention_store import NewProposal
from services.intake.staff_routes import ThisCase, holders
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.pages import decode_cursor, encode_cursor
from services.kit.problems import Conflict, Forbidden, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.staff import Staff

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["retention"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_CODE = N_("This code is not in the list.")
_NO_PART = N_("The case has no such part.")
_NO_KEYS = N_("Only somebody who holds the keys of a case can have read it.")
_MAY_NOT = N_("The case may not be deleted now. The state of its deletion says why.")
_WAITS = N_("A proposal to delete this case waits for a second person already.")
_CHANGED = N_("Something was written since the proposal. Refuse it, and propose anew.")
_FOUR_EYES = N_("A deletion takes two people: a lead approves it, and never who proposed it.")
_NOT_YOURS = N_("Only a lead refuses what somebody else proposed.")
_HELD = N_("The case is under a hold already.")
_NOT_HELD = N_("The case is under no hold.")
#: Cases looked through for one page of what is due.
LOOK_THROUGH = 500


@router.post("/cases/{case_id}/read", responses=responses(404, 422))
async def confirm_read(
    request: Request, conn: Connection, who: Staff, case: ThisCase, body: ReadUpTo
) -> ReadLine:
    """Say that the case was opened, checked and shown up to a part. Asked of the client of whoever holds the keys."""
    await store.lock_report(conn, case.id)
    lines = await store.parts_of(conn, case.id)
    if body.up_to > lines[-1].number:
        raise Invalid.at("/up_to", _NO_PART)
    held = {row.key_n for row in await access_store.grants_for(conn, case.id, holders(who, case))}
    if not retention.may_confirm_read(held, store.keys_of(lines)):
        raise Forbidden(_NO_KEYS)
    row = await retention_store.confirm_read(conn, case.id, body.up_to, day_of(request.app.state.clock()))
    return ReadLine(up_to=row.number, day=row.day)


# --- holds


@router.put("/cases/{case_id}/hold", status_code=201, responses=responses(404, 409))
async def place_hold(request: Request, conn: Connection, who: Staff, case: ThisCase) -> HoldLine:
    """Put a case under a legal hold: nothing of it is deleted until a lead releases it. It is logged."""
    await store.lock_report(conn, case.id)
    if await retention_store.hold_of(conn, case.id) is not None:
        raise Conflict(_HELD)
    day = day_of(request.app.state.clock())
    await retention_store.place_hold(conn, case.id, who.person, day)
    await store.add_record(conn, day, log.new_record("hold", day, rid=b64u(case.rid), change="placed"))
    return HoldLine(by=who.person, day=day)


@router.delete("/cases/{case_id}/hold", status_code=204, responses=responses(404, 409))
async def release_hold(request: Request, conn: Connection, who: Staff, case: ThisCase) -> None:
    """Release a case from its hold. It is logged."""
    await store.lock_report(conn, case.id)
    hold = await retention_store.hold_of(conn, case.id)
    if hold is None:
        raise Conflict(_NOT_HELD)
    day = day_of(request.app.state.clock())
    await retention_store.release_hold(conn, hold.id, who.person, day)
    await store.add_record(conn, day, log.new_record("hold", day, rid=b64u(case.rid), change="released"))


# --- deletion by two people


@router.get("/cases/{case_id}/deletion", responses=responses(404))
async def read_deletion(request: Request, conn: Connection, case: ThisCase) -> DeletionView:
    """Whether a case may be deleted, and if not, everything that forbids it."""
    decision = await _decision(request, conn, case.id)
    read = await retention_store.read_of(conn, case.id)
    hold = await retention_store.hold_of(conn, case.id)
    proposal = await retention_store.proposal_of(conn, case.id)
    period = period_of(case.state, case.outcome)
    return DeletionView(
        reasons=list(decision.reasons),
        due=decision.due,
        period=period,
        confirmed=period is not None and period.status == "confirmed",
        read=read and ReadLine(up_to=read.number, day=read.day),
        hold=hold and HoldLine(by=hold.placed_by, day=hold.placed_on),
        proposal=proposal and _proposal(proposal),
    )


@router.post("/cases/{case_id}/deletion", status_code=201, responses=responses(404, 409, 422))
async def propose_deletion(
    request: Request, conn: Connection, who: Staff, case: ThisCase, body: NewDeletion
) -> Proposal:
    """Propose to delete a case. Nothing is deleted until another person, a lead, approves."""
    if retention.ground_of(body.ground) is None:
        raise Invalid.at("/ground", _CODE)
    await store.lock_report(conn, case.id)
    if await retention_store.proposal_of(conn, case.id) is not None:
        raise Conflict(_WAITS)
    await _require_deletable(request, conn, case.id, body.ground)
    day = day_of(request.app.state.clock())
    newest = await retention_store.last_part(conn, case.id)
    new = NewProposal(body.ground, who.person, day, newest)
    id_ = await retention_store.propose(conn, case.id, new)
    return Proposal(id=id_, ground=new.ground, by=new.proposed_by, day=day)


@router.post("/cases/{case_id}/deletion/approve", responses=responses(404, 409))
async def approve_deletion(
    request: Request,
    conn: Connection,
    context: InContext,
    who: Staff,
    case: ThisCase,
    body: ProposalNamed,
    tasks: BackgroundTasks,
) -> Deleted:
    """Delete a case that another person proposed to delete: keys, parts, history, and the salts of its log records.

    Files follow at once, or after a crash with the next run of `intake.erase`. A tombstone stays, and a log record.
    """
    await store.lock_report(conn, case.id)
    proposal = await _named(conn, case.id, body.proposal)
    if not retention.may_approve(proposal.proposed_by, who.person, who.roles):
        raise Conflict(_FOUR_EYES)
    if await retention_store.last_part(conn, case.id) != proposal.last_part:
        raise Conflict(_CHANGED)
    await _require_deletable(request, conn, case.id, proposal.ground)
    day = day_of(request.app.state.clock())
    people = {"proposed_by": str(proposal.proposed_by), "approved_by": str(who.person)}
    record = log.new_record("deletion", day, what="report", ground=proposal.ground, **people)
    stone = await retention_store.erase(conn, proposal.id, who.person, day, record.leaf)
    await store.add_record(conn, day, record)
    tasks.add_task(erase_soon, request.app.state)
    return Deleted(
        id=stone,
        day=day,
        ground=proposal.ground,
        proposed_by=proposal.proposed_by,
        approved_by=who.person,
        leaf=record.leaf,
        complete_on=day + timedelta(days=context.settings.backup_days),
    )


@router.post("/cases/{case_id}/deletion/refuse", responses=responses(403, 404))
async def refuse_deletion(
    request: Request, conn: Connection, who: Staff, case: ThisCase, body: ProposalNamed
) -> Refused:
    """Refuse a proposal, or take back one's own. The case stays as it is."""
    await store.lock_report(conn, case.id)
    proposal = await _named(conn, case.id, body.proposal)
    if not retention.may_refuse(proposal.proposed_by, who.person, who.roles):
        raise Forbidden(_NOT_YOURS)
    day = day_of(request.app.state.clock())
    await retention_store.refuse(conn, proposal.id, who.person, day)
    return Refused(proposal=proposal.id, day=day)


async def _named(conn: Connection, case_id: UUID, proposal: UUID) -> Any:
    found = await retention_store.proposal_of(conn, case_id)
    if found is None or found.id != proposal:
        raise NotFound()
    return found


async def _decision(request: Request, conn: Connection, case_id: UUID) -> retention.Decision:
    now = request.app.state.clock()
    found = await retention_store.facts_of(conn, [case_id], day_of(now), now)
    return due_for_deletion(found[case_id])


async def _require_deletable(request: Request, conn: Connection, case_id: UUID, ground: str) -> None:
    """Error: Conflict while anything forbids it."""
    decision = await _decision(request, conn, case_id)
    if decision.against(ground, day_of(request.app.state.clock())):
        raise Conflict(_MAY_NOT)


def _proposal(row: Any) -> Proposal:
    return Proposal(id=row.id, ground=row.ground, by=row.proposed_by, day=row.day)


# --- lists


@router.get("/retention")
async def read_retention_reference(context: InContext, _who: Staff) -> RetentionReference:
    """How long cases are kept. The note says what is not confirmed."""
    found = retention.load_retention()
    return RetentionReference(**dict(found), backup_days=context.settings.backup_days)


@router.get("/deletions/due")
async def list_due_cases(
    request: Request,
    conn: Connection,
    _who: Staff,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> DuePage:
    """Cases whose time is over and that nothing forbids to delete, oldest filing first."""
    after, now = decode_cursor(cursor) if cursor else None, request.app.state.clock()
    rows = await retention_store.ended_cases(conn, after, LOOK_THROUGH)
    facts = await retention_store.facts_of(conn, [row.id for row in rows], day_of(now), now)
    items: list[DueLine] = []
    for row in rows:
        decision = due_for_deletion(facts[row.id])
        if decision.due is None or decision.against(retention.RETENTION, day_of(now)):
            continue
        items.append(
            DueLine(
                case=row.id,
                reference=row.reference,
                state=row.state,
                outcome=row.outcome,
                due=decision.due,
            )
        )
        if len(items) == limit:
            return DuePage(items=items, next=encode_cursor(row.filed_on, row.id))
    more = encode_cursor(rows[-1].filed_on, rows[-1].id) if len(rows) == LOOK_THROUGH else None
    return DuePage(items=items, next=more)


@router.get("/deletions/waiting")
async def list_proposed_deletions(
    conn: Connection, _who: Staff, limit: Annotated[int, Query(ge=1, le=100)] = 100
) -> Waiting:
    """Proposals that wait for a second person, oldest first."""
    rows = await retention_store.proposals_waiting(conn, limit)
    return Waiting(
        items=[
            WaitingLine(**_proposal(row).model_dump(), case=row.report_id, reference=row.reference)
            for row in rows
        ]
    )


@router.get("/deletions")
async def list_deletions(
    conn: Connection,
    context: InContext,
    _who: Staff,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> DeletedPage:
    """What stays of deleted reports, newest first: days, grounds, who proposed and who approved."""
    rows = await retention_store.deletions_done(conn, decode_cursor(cursor) if cursor else None, limit + 1)
    more = encode_cursor(rows[limit - 1].day, rows[limit - 1].id) if len(rows) > limit else None
    return DeletedPage(items=[_deleted(context, row) for row in rows[:limit]], next=more)


def _deleted(context: Context, row: Any) -> Deleted:
    names = ("id", "day", "ground", "proposed_by", "approved_by", "leaf")
    return Deleted(
        **{name: getattr(row, name) for name in names},
        complete_on=row.day + timedelta(days=context.settings.backup_days),
    )
