"""Routes of signed-in staff: one's own keys, the list of colleagues, and what an administrator does to accounts.

The server keeps keys as others sealed or signed them. It checks their form and whom they name, and cannot open or
make any: a client trusts a certificate for its signatures, not for coming from here.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy import Row

from services.accounts import rules, store
from services.accounts.context import InContext
from services.accounts.routes import never_cached
from services.accounts.schemas import (
    Added,
    GroupKey,
    GroupKeyData,
    KeyId,
    Me,
    NewPerson,
    StaffKey,
    StaffLine,
    StaffPage,
)
from services.crypto import age
from services.crypto.certificates import Certificate
from services.crypto.errors import CryptoError
from services.crypto.signatures import Signed
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.pages import decode_cursor, encode_cursor
from services.kit.problems import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorised,
    responses,
)
from services.kit.service import JsonRoute
from services.kit.staff import Caller, Staff

router = APIRouter(
    prefix="/api/accounts/v1",
    tags=["staff"],
    route_class=JsonRoute,
    dependencies=[Depends(never_cached)],
    responses=responses(401, 403),
)

_WRAPPED = N_("The key is not an age file under one passphrase.")
_RECIPIENT = N_("This is not a recipient of the hybrid kind.")
_VERIFY_KEY = N_("A verify key has 32 bytes.")
_CERTIFICATE = N_("This is not a signed staff certificate.")
_NOT_THEIRS = N_("The certificate names another person.")
_GROUP_KEY = N_("The key is not an age file sealed to one hybrid recipient.")
_LOGIN_TAKEN = N_("There is an account with this login already.")


async def _caller_now(request: Request, who: Staff, conn: Connection) -> Caller:
    """The caller with the roles they have now: here, at the source, five minutes of trust are not needed."""
    found = await store.person(conn, who.person)
    if found is None:
        raise Unauthorised()
    if not rules.may_call(request.scope["route"].name, found.roles):
        raise Forbidden()
    return Caller(who.person, frozenset(found.roles))


CallerNow = Annotated[Caller, Depends(_caller_now, scope="function")]


async def _named(person: UUID, _who: CallerNow, conn: Connection) -> UUID:
    """The person that the address names. Error: NotFound, also for somebody who has left."""
    if await store.person(conn, person) is None:
        raise NotFound()
    return person


Named = Annotated[UUID, Depends(_named, scope="function")]


@router.get("/me")
async def read_me(request: Request, who: CallerNow, conn: Connection) -> Me:
    """One's own account, with the wrapped keys that only its owner's passphrase opens."""
    row = await store.person_with_keys(conn, who.person, day_of(request.app.state.clock()))
    key = None
    if row.wrapped is not None:
        key = StaffKey(wrapped=row.wrapped, recipient=row.recipient, verify_key=row.verify_key)
    return Me(
        id=row.id,
        login=row.login,
        name=row.name,
        roles=row.roles,
        key=key,
        certificate=row.certificate,
        group_keys=[
            GroupKey(id=line.key_id, data=line.data) for line in await store.group_keys_of(conn, who.person)
        ],
    )


@router.put("/me/key", status_code=204, responses=responses(422))
async def store_my_key(who: CallerNow, conn: Connection, body: StaffKey) -> None:
    """Keep one's key: the secret half under a passphrase that was never here."""
    _check_key(body)
    await store.store_key(conn, who.person, body.wrapped, body.recipient, body.verify_key)


def _check_key(key: StaffKey) -> None:
    """Errors: Invalid. Beside a passphrase there must be no second way in."""
    if len(key.verify_key) != 32:
        raise _invalid("/verify_key", _VERIFY_KEY)
    try:
        age.HybridRecipient.parse(key.recipient)
    except CryptoError:
        raise _invalid("/recipient", _RECIPIENT) from None
    if _stanzas(key.wrapped) != ["scrypt"]:
        raise _invalid("/wrapped", _WRAPPED)


def _stanzas(data: bytes) -> list[str]:
    """Types of the stanzas of an age file; none when it is not one."""
    try:
        return age.stanza_types(data)
    except CryptoError:
        return []


def _invalid(pointer: str, message: str) -> Invalid:
    return Invalid(errors=[FieldError(pointer, message)])


@router.get("/staff", responses=responses(422))
async def list_staff(
    request: Request,
    _who: CallerNow,
    conn: Connection,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> StaffPage:
    """Staff with their public keys, so that a case can be re-wrapped for one of them."""
    after = decode_cursor(cursor) if cursor else None
    rows = await store.list_people(conn, day_of(request.app.state.clock()), after, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return StaffPage(
        items=[_line(row) for row in rows[:limit]],
        next=encode_cursor(last.created, last.id) if last else None,
    )


def _line(row: Row[Any]) -> StaffLine:
    return StaffLine(
        id=row.id, name=row.name, roles=row.roles, certificate=row.certificate, recipient=row.recipient
    )


@router.post("/staff", status_code=201, responses=responses(409, 422))
async def add_staff(
    request: Request, _who: CallerNow, conn: Connection, context: InContext, body: NewPerson
) -> Added:
    """A new account; the secret in the answer is for the person, who sets the password with it."""
    conflicts = rules.conflicts_of(body.roles)
    if conflicts:
        reasons = dict.fromkeys(conflict.reason for conflict in conflicts)
        raise Invalid(errors=[FieldError("/roles", reason) for reason in reasons])
    now, life = request.app.state.clock(), context.settings.enrolment_life
    added = await store.add_person(conn, body.login, body.name, sorted(set(body.roles)), now, life)
    if added is None:
        raise Conflict(_LOGIN_TAKEN)
    return Added(id=added[0], enrolment=added[1])


@router.put("/staff/{person}/certificate", status_code=204, responses=responses(404, 422))
async def store_certificate(request: Request, named: Named, conn: Connection, body: dict[str, Any]) -> None:
    """A certificate that certifiers signed for this person. Clients check the signatures themselves."""
    try:
        document = Signed.from_json(body)
        found = Certificate.from_json(document.body)
    except CryptoError:
        raise _invalid("/body", _CERTIFICATE) from None
    if found.person != str(named):
        raise _invalid("/body/person", _NOT_THEIRS)
    now = request.app.state.clock()
    await store.store_certificate(conn, named, document.to_json(), found.valid_from, found.valid_until, now)


@router.put("/staff/{person}/group-keys/{key_id:path}", status_code=204, responses=responses(404, 422))
async def store_group_key(
    named: Named, conn: Connection, key_id: Annotated[KeyId, Path()], body: GroupKeyData
) -> None:
    """The key of a desk or seat, wrapped for this person by somebody who holds it."""
    # One hybrid stanza is the part rule, and nobody else can open it.
    if _stanzas(body.data) != ["mlkem768x25519"]:
        raise _invalid("/data", _GROUP_KEY)
    await store.store_group_key(conn, named, key_id, body.data)
