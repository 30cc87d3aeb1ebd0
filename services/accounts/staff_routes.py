"""Routes of signed-in staff: one's own keys, the list of colleagues, and what an administrator does to accounts.

The server keeps keys as others sealed or signed them. It checks their form and whom they name, and cannot open or
make any: a client trusts a certificate for its signatures, not for coming from here.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Row

from services.accounts import keys_routes, keys_rules, keys_store, store
from services.accounts.admin_routes import refuse_conflicts
from services.accounts.callers import CallerNow, Named
from services.accounts.context import InContext
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
    Forbidden,
    Invalid,
    responses,
)
from services.kit.service import JsonRoute

router = APIRouter(
    prefix="/api/accounts/v1",
    tags=["staff"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_WRAPPED = N_("The key is not an age file under one passphrase.")
_RECIPIENT = N_("This is not a recipient of the hybrid kind.")
_VERIFY_KEY = N_("A verify key has 32 bytes.")
_CERTIFICATE = N_("This is not a signed staff certificate.")
_NOT_THEIRS = N_("The certificate names another person.")
_CERTIFIED = N_("Your certified keys would be replaced. Say so; then two certifiers must sign the new ones.")
_LOGIN_TAKEN = N_("There is an account with this login already.")


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


@router.put("/me/key", status_code=204, responses=responses(409, 422))
async def store_my_key(
    request: Request, who: CallerNow, conn: Connection, body: StaffKey, replace: bool = False
) -> None:
    """Keep one's key: the secret half under a passphrase that was never here.

    Other keys than the certified ones come only with `replace`: the certificate ends, two certifiers sign anew.
    """
    _check_key(body)
    now = request.app.state.clock()
    if not await keys_routes.end_other_certificates(
        conn, who.person, body.recipient, body.verify_key, now, replace
    ):
        raise Conflict(_CERTIFIED)
    await store.store_key(conn, who.person, body.wrapped, body.recipient, body.verify_key)


def _check_key(key: StaffKey) -> None:
    """Errors: Invalid. Beside a passphrase there must be no second way in."""
    if len(key.verify_key) != 32:
        raise Invalid.at("/verify_key", _VERIFY_KEY)
    try:
        age.HybridRecipient.parse(key.recipient)
    except CryptoError:
        raise Invalid.at("/recipient", _RECIPIENT) from None
    if _stanzas(key.wrapped) != ["scrypt"]:
        raise Invalid.at("/wrapped", _WRAPPED)


def _stanzas(data: bytes) -> list[str]:
    """Types of the stanzas of an age file; none when it is not one."""
    try:
        return age.stanza_types(data)
    except CryptoError:
        return []


@router.get("/staff", responses=responses(422))
async def list_staff(
    request: Request,
    _who: CallerNow,
    conn: Connection,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    closed: Annotated[bool, Query(description="closed accounts instead of open ones")] = False,
) -> StaffPage:
    """Staff with their public keys, so that a case can be re-wrapped for one of them."""
    after = decode_cursor(cursor) if cursor else None
    rows = await store.list_people(conn, day_of(request.app.state.clock()), after, limit + 1, closed)
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
    roles = refuse_conflicts(body.roles)
    now, life = request.app.state.clock(), context.settings.enrolment_life
    added = await store.add_person(conn, body.login, body.name, roles, now, life)
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
        raise Invalid.at("/body", _CERTIFICATE) from None
    if found.person != str(named):
        raise Invalid.at("/body/person", _NOT_THEIRS)
    now = request.app.state.clock()
    await store.store_certificate(conn, named, document.to_json(), found.valid_from, found.valid_until, now)


@router.put("/staff/{person}/group-keys/{key_id:path}", status_code=204, responses=responses(404, 409, 422))
async def store_group_key(
    who: CallerNow, named: Named, conn: Connection, key_id: Annotated[KeyId, Path()], body: GroupKeyData
) -> None:
    """The key of a desk or seat, wrapped for this person by somebody who holds it."""
    if not keys_rules.may_give(key_id, who.roles):
        raise Forbidden()
    holder = await keys_store.lock_person(conn, named)
    await keys_routes.check_holding(conn, key_id, named, holder.roles if holder else (), body.data)
    await store.store_group_key(conn, named, key_id, body.data)
