"""Calls to 1424: records and figures for operators, look-ups by reference, notes for the desk.

An operator files reports like anybody (`POST /packages`), and nothing here leads from a record of a call to a report:
no report, no receipt and no hour is in it. What an operator can look up of a report is a state and days.
"""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

from services.crypto import age
from services.crypto.call_notes import MAX_TEXT
from services.crypto.errors import CryptoError
from services.intake import call_store, calls, clock_lines, rules, store
from services.intake.call_schemas import (
    ByReference,
    CallCounts,
    CallFigures,
    CallLine,
    CallReference,
    CodeFlag,
    KindLine,
    NewCall,
    NewNote,
    NoteDone,
    NoteKind,
    NoteLine,
    NotePage,
    OperatorCounts,
    Status,
)
from services.intake.context import Context, InContext
from services.intake.form import load_form
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.pages import decode_cursor, encode_cursor
from services.kit.problems import Conflict, FieldError, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.staff import Caller, Staff

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["calls"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

#: Four bytes for each character at most, JSON around it, padding of an eighth, the header of the age file.
MOST = MAX_TEXT * 4 * 9 // 8 + (16 << 10)
_CODE = N_("This code is not in the list.")
_SEALED = N_("The note is not an age file sealed to a desk of the key directory.")
_KNOWN = N_("Another call was stored under this id.")
_DONE = N_("Somebody of the desk has dealt with this already.")
_UNKNOWN_REFERENCE = N_("No report has this reference.")


class NoSuchReference(NotFound):
    """No report has this reference."""

    slug, title, detail = "no-such-reference", "No such reference", _UNKNOWN_REFERENCE


@router.get("/calls/reference")
async def read_call_reference(_who: Staff) -> CallReference:
    """Kinds of calls and ways in which a call ends, in three languages."""
    return CallReference(
        kinds=[KindLine(code=code, labels=labels) for code, labels in calls.KINDS.items()],
        wrap_ups=list(calls.load_wrap_ups().items),
    )


@router.post("/calls", status_code=201, responses=responses(409, 422, 503))
async def register_call(
    request: Request, conn: Connection, context: InContext, who: Staff, body: NewCall
) -> CallLine:
    """Record a call that has ended; a repeat of the same record is answered like the first.

    A call in which somebody reported says only that: neither here nor with the report stands which report it was.
    """
    now = request.app.state.clock()
    day = day_of(now)
    _check_codes(body, day)
    values = {
        **body.model_dump(include={"id", "kind", "language", "named", "wrap_up", "region"}),
        "day": day,
        "operator": who.person,
    }
    if not await call_store.add_call(conn, values):
        return await _known(conn, who, body)
    note = None
    if body.note:
        dir_seq = await _check_note(conn, context, body.note, now)
        line = {"call_id": body.id, "day": day, "kind": body.note.kind, "desk": body.note.desk}
        note = await call_store.add_note(conn, {**line, "dir_seq": dir_seq, "sealed": body.note.data})
    return CallLine(id=body.id, day=day, kind=body.kind, note=note)


def _check_codes(body: NewCall, day: date) -> None:
    """Errors: Invalid for codes that are in no list or not in use."""
    wrap_up = calls.load_wrap_ups().find(body.wrap_up)
    region = load_form().lists["regions"].find(body.region) if body.region else None
    wrong = [] if wrap_up and wrap_up.in_use(day) else [FieldError("/wrap_up", _CODE)]
    if body.region and not (region and region.in_use(day)):
        wrong.append(FieldError("/region", _CODE))
    if wrong:
        raise Invalid(errors=wrong)


async def _check_note(conn: Connection, context: Context, note: NewNote, now: Any) -> int:
    """The sequence of the directory that names the desk of a note. Errors: Invalid, Unavailable."""
    directory = (await context.directories.current(conn, now)).directory
    if not any(desk.id == note.desk for desk in directory.desks):
        raise Invalid.at("/note/desk", _SEALED)
    try:
        age.check_part(note.data)
    except CryptoError:
        raise Invalid.at("/note/data", _SEALED) from None
    if len(note.data) > MOST:
        raise Invalid.at("/note/data", _SEALED)
    return directory.sequence


async def _known(conn: Connection, who: Caller, body: NewCall) -> CallLine:
    """The answer to a repeat. Errors: Conflict when the id belongs to another call."""
    row = await call_store.call(conn, body.id)
    same = row is not None and (
        (row.operator, row.kind, row.language, row.named, row.wrap_up, row.region, row.sealed)
        == (
            who.person, body.kind, body.language, body.named, body.wrap_up, body.region,
            body.note.data if body.note else None,
        )
    )  # fmt: skip
    if row is None or not same:
        raise Conflict(_KNOWN)
    return CallLine(id=row.id, day=row.day, kind=row.kind, note=row.note)


@router.get("/calls/figures")
async def read_call_figures(
    request: Request, conn: Connection, who: Staff, day: date | None = None
) -> CallFigures:
    """Figures of a day, by default of today: everybody's, one's own, and for a lead those of each operator."""
    wanted = day or day_of(request.app.state.clock())
    lines = await call_store.tallies(conn, wanted)
    people = sorted({line.operator for line in lines})
    return CallFigures(
        day=wanted,
        everybody=_counts(lines),
        own=_counts([line for line in lines if line.operator == who.person]),
        operators=[
            OperatorCounts(operator=one, counts=_counts([line for line in lines if line.operator == one]))
            for one in people
        ]
        if rules.LEAD in who.roles
        else None,
        reports=await call_store.reports_by_phone(conn, wanted),
        notes_open=await call_store.open_notes(conn),
    )


def _counts(lines: Any) -> CallCounts:
    return CallCounts(**vars(calls.count(lines)))


# --- look-ups


async def _report(conn: Connection, body: ByReference) -> Any:
    """The report with a spoken or typed reference: spaces, dashes and small letters do not matter."""
    row = await call_store.report_by_reference(conn, store.spelled_reference(body.reference))
    if row is None:
        raise NoSuchReference()
    return row


@router.post("/calls/status", responses=responses(404, 422))
async def look_up_status(
    request: Request, conn: Connection, context: InContext, _who: Staff, body: ByReference
) -> Status:
    """Where a report stands, for a caller who knows its reference: a state and days, never content."""
    row, today = await _report(conn, body), day_of(request.app.state.clock())
    return Status(
        reference=row.reference,
        state=row.state,
        since=await call_store.state_since(conn, row.id) or row.filed_on,
        filed_on=row.filed_on,
        register_by=row.register_by,
        deadlines=await clock_lines.reporter_sees(conn, context.calendar, row, today),
        code_replaced_on=row.code_replaced_on,
        code_suspect_on=row.code_suspect_on,
    )


@router.post("/calls/code-used", status_code=201, responses=responses(404, 422))
async def report_code_used(request: Request, conn: Connection, _who: Staff, body: ByReference) -> CodeFlag:
    """A caller says that somebody else used their receipt code: from now on nothing more is sealed to it.

    The desk's messages are refused until the code is replaced; the inbox shows the day. Nobody's word is proof, so
    nothing else happens: whoever holds the code can replace it.
    """
    row = await store.lock_report(conn, (await _report(conn, body)).id)
    day = day_of(request.app.state.clock())
    await call_store.flag_code(conn, row.id, day)
    return CodeFlag(code_suspect_on=day)


# --- notes for the desk


@router.get("/callbacks")
async def list_callbacks(
    conn: Connection,
    _who: Staff,
    kind: NoteKind = "callback",
    state: Literal["open", "done"] = "open",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> NotePage:
    """Callers who want to be called back, or other notes of operators, oldest first; the desk opens them itself."""
    after = decode_cursor(cursor) if cursor else None
    rows = await call_store.list_notes(conn, kind, state == "done", after, limit + 1)
    more = encode_cursor(rows[limit - 1].day, rows[limit - 1].id) if len(rows) > limit else None
    return NotePage(items=[_note(row) for row in rows[:limit]], next=more)


def _note(row: Any) -> NoteLine:
    names = ("id", "day", "kind", "call_kind", "language", "region", "desk", "done_on", "done_by")
    return NoteLine(call=row.call_id, data=row.sealed, **{name: getattr(row, name) for name in names})


@router.post("/callbacks/{note_id}/done", status_code=201, responses=responses(404, 409))
async def finish_callback(note_id: UUID, request: Request, conn: Connection, who: Staff) -> NoteDone:
    """Say that the desk has called back, or dealt with the note."""
    row = await call_store.lock_note(conn, note_id)
    if row is None:
        raise NotFound()
    if row.done_on is not None:
        raise Conflict(_DONE)
    day = day_of(request.app.state.clock())
    await call_store.finish_note(conn, note_id, day, who.person)
    return NoteDone(id=note_id, done_on=day)
