"""The folder of a case: sealed notes, labels, links, packages made for other bodies, and its record in the log.

What a note says is sealed by its author's client; the rest is codes, ids and days.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from services.crypto import age, canonical
from services.crypto.canonical import b64u
from services.crypto.errors import CryptoError
from services.intake import folder, folder_store, inbox, log, rules, store
from services.intake.folder_schemas import (
    CaseLabels,
    FolderView,
    LabelReference,
    LinkLine,
    LogRecord,
    NewLink,
    NewNote,
    NewPackageMade,
    NoteLine,
    Notes,
    PackageLine,
)
from services.intake.linking import ITSELF, link
from services.intake.staff_routes import ThisCase
from services.intake.step_data import is_body
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.staff import Staff

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["folder"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

MOST_NOTE = 128 << 10
_CODE = N_("This code is not in the list.")
_NOTE = N_("The note is not an age file sealed to one key.")
_TAKEN = N_("Another note has this id.")


# --- notes


@router.get("/cases/{case_id}/notes", responses=responses(404))
async def list_notes(conn: Connection, case: ThisCase) -> Notes:
    """The notes of a case, sealed. Whoever holds its key opens them; the reporter never sees them."""
    return Notes(items=[_note(row) for row in await folder_store.notes_of(conn, case.id)])


@router.post("/cases/{case_id}/notes", status_code=201, responses=responses(404, 409, 422))
async def add_note(request: Request, conn: Connection, who: Staff, case: ThisCase, body: NewNote) -> NoteLine:
    """Add a note. A repeat with the same id and bytes changes nothing."""
    _check_note(body.note)
    await store.lock_report(conn, case.id)
    await inbox.require_newest_key(conn, case.id, body.key)
    day = day_of(request.app.state.clock())
    added = await folder_store.add_note(
        conn, case.id, folder_store.NewNote(body.id, who.person, day, body.note)
    )
    if added is None:
        raise Conflict(_TAKEN)
    return _note(added)


def _note(row: Any) -> NoteLine:
    return NoteLine(id=row.id, author=row.author, day=row.day, note=row.sealed)


def _check_note(data: bytes) -> None:
    """Errors: Invalid unless it is a part for one key, of bounded size."""
    try:
        age.check_part(data)
        if len(age.stanza_types(data)) == 1 and len(data) <= MOST_NOTE:
            return
    except CryptoError:
        pass
    raise Invalid.at("/note", _NOTE)


# --- labels and links


@router.get("/case-labels")
async def read_label_reference(_who: Staff) -> LabelReference:
    """The labels that a case may have."""
    return LabelReference(items=list(folder.load_labels().items))


@router.put("/cases/{case_id}/labels", responses=responses(404, 422))
async def set_labels(
    request: Request, conn: Connection, who: Staff, case: ThisCase, body: CaseLabels
) -> CaseLabels:
    """Put exactly these labels on a case."""
    for i, label in enumerate(body.labels):
        if folder.unknown_labels([label]):
            raise Invalid.at(f"/labels/{i}", _CODE)
    await store.lock_report(conn, case.id)
    await folder_store.keep_labels(conn, case.id, body.labels)
    await folder_store.add_labels(conn, case.id, body.labels, who.person, day_of(request.app.state.clock()))
    return CaseLabels(labels=await folder_store.labels_of(conn, case.id))


@router.get("/cases/{case_id}/folder", responses=responses(404))
async def read_folder(conn: Connection, case: ThisCase) -> FolderView:
    """Labels and links of a case, seen from it, and the packages that were made of it."""
    return FolderView(
        labels=await folder_store.labels_of(conn, case.id),
        links=[
            LinkLine(case=row.case, reference=row.reference, kind=row.kind, by=row.person, day=row.day)
            for row in await folder_store.links_of(conn, case.id)
        ],
        packages=[
            PackageLine(body=row.body, sha256=row.sha256, size=row.size, by=row.person, day=row.day)
            for row in await folder_store.packages_of(conn, case.id)
        ],
    )


async def _other_case(conn: Connection, who: Staff, other: UUID) -> Any:
    """The other case, if this caller may see it too; otherwise it does not exist."""
    row = await store.case_for(conn, other, None if rules.sees_all(who.roles) else who.person)
    if row is None:
        raise NotFound()
    return row


OtherCase = Annotated[Any, Depends(_other_case, scope="function")]


@router.put("/cases/{case_id}/links/{other}", status_code=201, responses=responses(404, 409, 422))
async def link_cases(
    request: Request, conn: Connection, who: Staff, case: ThisCase, other_case: OtherCase, body: NewLink
) -> LinkLine:
    """Link two cases; both show it. A duplicate stays a case of its own: inbox, state and clocks go on."""
    day = day_of(request.app.state.clock())
    await link(conn, case.id, other_case.id, body.kind, who.person, day)
    return LinkLine(
        case=other_case.id, reference=other_case.reference, kind=body.kind, by=who.person, day=day
    )


@router.delete("/cases/{case_id}/links/{other}", status_code=204, responses=responses(404, 422))
async def unlink_cases(conn: Connection, case: ThisCase, other_case: OtherCase) -> None:
    """Take away the link between two cases, whichever of them was named first."""
    if case.id == other_case.id:
        raise Invalid(ITSELF)
    await folder_store.lock_all(conn, [case.id, other_case.id])
    if not await folder_store.drop_link(conn, case.id, other_case.id):
        raise NotFound()


# --- what leaves the house


@router.post("/cases/{case_id}/packages-made", status_code=201, responses=responses(404, 422))
async def record_package(
    request: Request, conn: Connection, who: Staff, case: ThisCase, body: NewPackageMade
) -> PackageLine:
    """Record that a package of a case was made for another body; its hash is logged. The server never has it."""
    if not is_body(body.body):
        raise Invalid.at("/body", _CODE)
    day, digest = day_of(request.app.state.clock()), b64u(body.sha256)
    made = {"body": body.body, "sha256": body.sha256, "size": body.size}
    await folder_store.add_package(conn, case.id, made, who.person, day)
    await store.add_record(conn, day, log.new_record("forwarding", day, rid=b64u(case.rid), sha256=digest))
    return PackageLine(body=body.body, sha256=body.sha256, size=body.size, by=who.person, day=day)


@router.get("/cases/{case_id}/log-record", responses=responses(404))
async def read_log_record(conn: Connection, case: ThisCase) -> LogRecord:
    """The record of the filing with its salt, for an evidence manifest. Not found once it was erased."""
    row = await folder_store.log_record(conn, case.leaf)
    if row is None:
        raise NotFound()
    return LogRecord(leaf=row.leaf, salt=row.salt, record=canonical.loads(bytes(row.record)))
