"""Who can read a case: assignments, which hand on its keys, and ends of access, after which it has a new key.

The server moves sealed grants and deletes them; it cannot tell what is in one. Whoever hands a key on has it.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from services.crypto import age
from services.crypto.canonical import b64u
from services.crypto.errors import CryptoError
from services.crypto.reportkeys import TYPE, key_number
from services.intake import access_store, events, inbox, log, rules, store
from services.intake.access_schemas import Assigned, EndOfAccess, NewAssignee, NewReader
from services.intake.access_store import NewGrant
from services.intake.context import InContext
from services.intake.inbox import Files
from services.intake.schemas import Stored
from services.intake.staff_routes import ThisCase
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, FieldError, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.staff import Staff

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["staff"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_ASSIGNED = N_("This person has the case already.")
_GRANT = N_("The grant is not an age file sealed to one certified key.")
_LEAD = N_("An investigator works under a lead, who keeps the key of the case. Assign a lead too.")
_KEYS = N_("The case has other keys than these grants. Load it again and repeat.")
_LAST_LEAD = N_("This is the last lead, and investigators have the case. Assign another lead first.")
_ONESELF = N_("Nobody ends their own access: who makes the new key knows it. Ask another lead.")
_HOLDERS = N_("The new key must go to exactly those who keep their access. Load the case again and repeat.")
_PLACE = N_("Something was stored in the meantime. Load the case again and repeat.")


def _check_grant(data: bytes, pointer: str) -> None:
    try:
        age.check_part(data)
        if len(age.stanza_types(data)) == 1 and len(data) <= 8192:
            return
    except CryptoError:
        pass
    raise Invalid(_GRANT, [FieldError(pointer, _GRANT)])


def _grants(person: UUID, role: str, body: NewReader, known: Sequence[int], pointer: str) -> list[NewGrant]:
    """What a new reader gets. Errors: Invalid; Conflict when the report has other keys."""
    given = {0: body.grant} if body.grant is not None else {}
    places = {0: f"{pointer}/grant"} if body.grant is not None else {}
    for i, line in enumerate(body.grants):
        given[line.key], places[line.key] = line.data, f"{pointer}/grants/{i}/data"
    for key, data in given.items():
        _check_grant(data, places[key])
    keys = [0] if body.grant is not None else [line.key for line in body.grants]
    if not rules.keys_given(keys, known):
        raise Conflict(_KEYS)
    return [NewGrant(str(person), role, key, data) for key, data in given.items()]


@router.put("/cases/{case_id}/assignees/{person}", status_code=201, responses=responses(404, 409, 422))
async def assign_case(
    person: UUID, request: Request, conn: Connection, who: Staff, case: ThisCase, body: NewAssignee
) -> Assigned:
    """Assign a case: the caller has re-wrapped its keys for the person's certified recipient.

    With the first investigator the desk's own grant is deleted; a lead keeps one, and comes in `lead` if none has it.
    """
    await store.lock_report(conn, case.id)
    day = day_of(request.app.state.clock())
    known = store.keys_of(await store.parts_of(conn, case.id))
    readers = {person: _grants(person, body.role, body, known, "")}
    if body.lead is not None:
        lead = body.lead.person
        if lead == person:
            raise Conflict(_ASSIGNED)
        readers[lead] = _grants(lead, rules.LEAD, body.lead, known, "/lead")
    roles = await access_store.present_roles(conn, case.id)
    for one, grants in readers.items():
        role = grants[0].role
        if not await access_store.assign(conn, case.id, one, role, who.person, day):
            raise Conflict(_ASSIGNED)
        roles[one] = role
        await _give(conn, case, day, grants)
        await events.tell(conn, "case-assigned", day, person=one)
    if rules.lead_missing(roles.values()):
        raise Conflict(_LEAD)
    if not rules.desk_keeps_grant(roles.values()):
        await _drop_desk(conn, case, day)
    return Assigned(person=person, day=day)


@router.post(
    "/cases/{case_id}/assignees/{person}/end", status_code=201, responses=responses(404, 409, 413, 422)
)
async def end_access(
    person: UUID,
    request: Request,
    conn: Connection,
    context: InContext,
    who: Staff,
    case: ThisCase,
    body: EndOfAccess,
) -> Stored:
    """End a person's access, and that of `also`: their grants go, and the report gets a new key for what follows.

    It stops fetching, not knowledge: what they read they know, and the earlier key still opens what it opened.
    """
    inbox.check_files(context, body.part, [], stanzas=2)
    for i, line in enumerate(body.grants):
        _check_grant(line.data, f"/grants/{i}/data")
    await store.lock_report(conn, case.id)
    roles = await access_store.present_roles(conn, case.id)
    leaving = {person, *body.also}
    if person not in roles:
        raise NotFound()
    if who.person in leaving:
        raise Conflict(_ONESELF)
    if not leaving <= set(roles):
        raise Conflict(_HOLDERS)
    if rules.lead_missing(role for one, role in roles.items() if one not in leaving):
        raise Conflict(_LAST_LEAD)
    await _require_seen(conn, case, body)
    now = request.app.state.clock()
    day = day_of(now)
    for one in sorted(leaving):
        await access_store.end(conn, case.id, one, day)
        await _delete(conn, case, day, str(one))
    if {line.holder: line.role for line in body.grants} != await access_store.holders_of(
        conn, case.id
    ) or len({line.holder for line in body.grants}) != len(body.grants):
        raise Conflict(_HOLDERS)
    author = "desk" if rules.sees_all(who.roles) else "staff"
    files = Files(TYPE, body.part)
    stored = await inbox.append(conn, context, case.id, author, now, lambda _place: files, body.n)
    key = key_number(stored.n)
    await _give(conn, case, day, [NewGrant(line.holder, line.role, key, line.data) for line in body.grants])
    # A new code that waits to be typed back was noted an older key: the reporter asks for another.
    await store.drop_pending_code(conn, case.id)
    return stored


async def _require_seen(conn: Connection, case: Any, body: EndOfAccess) -> None:
    """Error: Conflict if the reporter wrote since: a new code would not open a part sealed to the old one."""
    place = store.next_place(await store.parts_of(conn, case.id), "reporter")
    if place.n != body.reporter_n:
        raise Conflict(_PLACE)


async def _give(conn: Connection, case: Any, day: date, grants: Sequence[NewGrant]) -> None:
    await access_store.add_grants(conn, case.id, day, grants)
    for grant in grants:
        later = {"key": grant.key_n} if grant.key_n else {}
        record = log.new_record(
            "grant",
            day,
            rid=b64u(case.rid),
            holder=grant.holder,
            grant=b64u(store.sha256(grant.sealed)),
            **later,
        )
        await store.add_record(conn, day, record)


async def _drop_desk(conn: Connection, case: Any, day: date) -> None:
    for holder, role in (await access_store.holders_of(conn, case.id)).items():
        if role == "desk":
            await _delete(conn, case, day, holder)


async def _delete(conn: Connection, case: Any, day: date, holder: str) -> None:
    await access_store.delete_grants(conn, case.id, [holder])
    record = log.new_record("deletion", day, rid=b64u(case.rid), holder=holder, what="grant")
    await store.add_record(conn, day, record)
