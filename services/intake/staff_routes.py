"""Routes of desk, lead and investigator. They move sealed bytes; opening happens on the caller's own machine."""

import json
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Row

from services.crypto.canonical import b64u, loads
from services.crypto.directories import check_directory
from services.crypto.errors import CryptoError
from services.crypto.signatures import Signed
from services.intake import (
    access_store,
    clock_figures,
    clock_lines,
    folder_store,
    inbox,
    log,
    rules,
    step_store,
    store,
)
from services.intake.context import Context, InContext
from services.intake.inbox import Files, part_line
from services.intake.schemas import (
    AssignmentLine,
    Case,
    CaseLine,
    CasePage,
    DirectoryAccepted,
    Fields,
    GrantLine,
    HolderLine,
    Next,
    SealedMessage,
    Stored,
)
from services.intake.step_lines import ClassificationLine, StepLine, outcome_shown
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.pages import decode_cursor, encode_cursor
from services.kit.problems import Conflict, FieldError, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.staff import Caller, Staff
from services.kit.wire import Model

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["staff"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_DIRECTORY = N_("The directory is not signed by two roots, not the next one, or not valid.")
_DELAY = N_("A new directory takes effect 72 hours after its publication at the earliest.")
Code = Annotated[str | None, Query(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


def columns_of(row: Row[Any], model: type[Model]) -> dict[str, Any]:
    """The columns of a row that a schema names."""
    return {name: getattr(row, name) for name in model.model_fields}


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "reference": row.reference,
        "state": row.state,
        "filed_on": row.filed_on,
        "mode": row.mode,
        "lane": row.lane,
        "classification": row.classification,
        "desk": row.desk,
        "retaliation_on": row.retaliation_on,
        "fields": Fields(**{name: getattr(row, name) for name in Fields.model_fields}),
        "assignees": row.assignees or [],
        "labels": sorted(row.labels or []),
    }


@router.get("/cases")
async def list_cases(
    request: Request,
    conn: Connection,
    context: InContext,
    who: Staff,
    state: Code = None,
    category: Code = None,
    region: Code = None,
    sector: Code = None,
    mode: Code = None,
    lane: Code = None,
    assigned: Literal["me"] | UUID | None = None,
    retaliation: bool | None = None,
    due: Literal["soon", "overdue", "escalated"] | None = None,
    label: Code = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CasePage:
    """Cases, newest first. Desk and lead see all, also by `assigned`; an investigator those assigned to them.

    `due`: with a time limit that ends within two working days, has passed, or went to the lead.
    """
    whose = assigned if isinstance(assigned, UUID) else None if assigned is None else who.person
    person = whose if rules.sees_all(who.roles) else who.person
    near = due and clock_figures.due_cases(due, day_of(request.app.state.clock()), context.calendar)
    has = None if label is None else folder_store.labelled(label)
    wanted = store.CaseFilter(state, category, region, sector, mode, person, lane, retaliation, near, has)
    after = decode_cursor(cursor) if cursor else None
    rows = await store.list_cases(conn, wanted, after, limit + 1)
    more = encode_cursor(rows[limit - 1].filed_on, rows[limit - 1].id) if len(rows) > limit else None
    return CasePage(items=[CaseLine(**_summary(row), parts=row.parts) for row in rows[:limit]], next=more)


async def _case(conn: Connection, who: Staff, case_id: UUID) -> Row[Any]:
    """The case, if this caller may see it; otherwise it does not exist."""
    row = await store.case_for(conn, case_id, None if rules.sees_all(who.roles) else who.person)
    if row is None:
        raise NotFound()
    return row


ThisCase = Annotated[Any, Depends(_case, scope="function")]


@router.get("/cases/{case_id}", responses=responses(404))
async def read_case(
    request: Request, conn: Connection, context: InContext, who: Staff, case: ThisCase
) -> Case:
    """One case with the caller's own grant, and the directory it was filed under."""
    lines = await store.parts_of(conn, case.id)
    held = await access_store.grants_for(conn, case.id, holders(who, case))
    grant = next((row for row in held if row.key_n == 0), None)
    place = store.next_place(lines, "desk")
    return Case(
        **_summary(case),
        rid=case.rid,
        manifest=loads(case.manifest),
        signature=case.signature,
        parts=[part_line(row) for row in lines],
        grant=grant.sealed if grant else None,
        grant_holder=grant.holder if grant else None,
        grants=[GrantLine(key=row.key_n, holder=row.holder, data=row.sealed) for row in held],
        holders=[
            HolderLine(holder=holder, role=role)
            for holder, role in (await access_store.holders_of(conn, case.id)).items()
        ],
        states=[StepLine(**columns_of(row, StepLine)) for row in await step_store.lines_of(conn, case.id)],
        classifications=[
            ClassificationLine(**columns_of(row, ClassificationLine))
            for row in await step_store.classifications_of(conn, case.id)
        ],
        body=case.body,
        outcome=outcome_shown(case.outcome, case.outcome_on),
        assignments=[
            AssignmentLine(person=row.person, role=row.role, by=row.assigned_by, day=row.day, ended=row.ended)
            for row in await store.assignments_of(conn, case.id)
        ],
        code_replaced_on=case.code_replaced_on,
        code_suspect_on=case.code_suspect_on,
        code_suspect=case.code_suspect,
        protection=await inbox.protection_shown(conn, case.id),
        deadlines=await clock_lines.staff_see(
            conn, context.calendar, case, day_of(request.app.state.clock())
        ),
        next=Next(n=place.n, prev=place.prev),
        directory=await store.directory_document(conn, case.dir_seq),
    )


def holders(who: Caller, case: Any) -> list[str]:
    """Whose grants the caller may fetch: their own, and the desk's if they sit there."""
    return [str(who.person), case.desk] if rules.sees_all(who.roles) else [str(who.person)]


@router.get("/cases/{case_id}/parts/{number}", response_class=Response, responses=responses(404))
async def read_case_part(
    number: int, conn: Connection, context: InContext, _who: Staff, case: ThisCase
) -> Response:
    """The age file of a part. Identity parts too: only k custodians together can open them."""
    row = await store.part(conn, case.id, number) if 0 <= number < 1 << 31 else None
    return await inbox.part_answer(context, row)


@router.post("/cases/{case_id}/messages", status_code=201, responses=responses(404, 409, 413, 422))
async def answer_case(
    request: Request, conn: Connection, context: InContext, who: Staff, case: ThisCase, body: SealedMessage
) -> Stored:
    """A message to the reporter, sealed to the report's key and the reporter's. `n` makes a repeat a conflict."""
    inbox.check_files(context, body.part, body.attachments, stanzas=2)
    await inbox.require_newest_key(conn, case.id, body.key)
    author = "desk" if rules.sees_all(who.roles) else "staff"
    files = Files("message", body.part, body.attachments)
    now = request.app.state.clock()
    return await inbox.append(conn, context, case.id, author, now, lambda _place: files, body.n)


@router.post("/key-directory", status_code=201, responses=responses(409, 422))
async def publish_directory(
    request: Request, conn: Connection, context: InContext, _who: Staff, body: dict[str, Any]
) -> DirectoryAccepted:
    """Publish the next key directory. Two of three roots have signed it; this route cannot make one valid."""
    now = request.app.state.clock()
    return DirectoryAccepted(sequence=await add_directory(conn, context, body, now))


async def add_directory(conn: Connection, context: Context, document: dict[str, Any], now: Any) -> int:
    """Check and store a directory; its sequence. Errors: Invalid, Conflict."""
    newest = await store.last_directories(conn, 1)
    last = None
    try:
        if newest:
            last = check_directory(
                Signed.from_json(newest[0].document), context.directories.roots, newest[0].valid_from
            )
        signed = Signed.from_json(json.loads(json.dumps(document)))
        valid_from = check_directory(
            signed, context.directories.roots, _start_of(document), last.sequence + 1 if last else 1, last
        )
    except (CryptoError, KeyError, TypeError, ValueError):
        raise Invalid(_DIRECTORY, [FieldError("/body", _DIRECTORY)]) from None
    if last and valid_from.sequence != last.sequence + 1:
        raise Invalid(_DIRECTORY, [FieldError("/body/sequence", _DIRECTORY)])
    if valid_from.environment != context.settings.environment:
        raise Invalid(_DIRECTORY, [FieldError("/body/environment", _DIRECTORY)])
    delay = timedelta(hours=context.settings.directory_delay_hours)
    if last and not context.settings.development and valid_from.valid_from < now + delay:
        raise Invalid(_DELAY, [FieldError("/body/valid_from", _DELAY)])
    added = await store.add_directory(
        conn,
        valid_from.sequence,
        signed.to_json(),
        valid_from.digest,
        valid_from.valid_from,
        valid_from.valid_until,
    )
    if not added:
        raise Conflict()
    day = day_of(now)
    await store.add_record(
        conn,
        day,
        log.new_record("directory", day, sequence=valid_from.sequence, digest=b64u(valid_from.digest)),
    )
    context.directories.forget()
    return valid_from.sequence


def _start_of(document: dict[str, Any]) -> Any:
    from services.crypto.rules import instant

    return instant(document["body"]["valid_from"])
