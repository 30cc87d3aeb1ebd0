"""Routes of staff keys: certificates by two certifiers, wraps of oneself, sub-shares of seats and of one's own key.

The service moves what others signed and sealed. It keeps honest people apart (nobody vouches for oneself, one person
one seat, no seat key is lost); a dishonest service gains nothing, since every client checks signatures, directory
and commitments itself.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import Field
from sqlalchemy import Row

from services.accounts import keys_rules, keys_store, store
from services.accounts.callers import CallerNow, Named
from services.accounts.schemas import GroupKeyData, KeyFile, KeyId
from services.contracts.accounts import Role
from services.crypto import age
from services.crypto.canonical import b64u
from services.crypto.certificates import Certificate
from services.crypto.errors import CryptoError
from services.crypto.signatures import Signed
from services.crypto.splits import Split, parse_split
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, Forbidden, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.wire import B64u, Base64, Model

router = APIRouter(
    prefix="/api/accounts/v1",
    tags=["keys"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_CERTIFICATE = N_("This is not a signed staff certificate.")
_OTHER_KEYS = N_("The certificate is not about this person, their present keys and roles.")
_ONE = N_("A proposed certificate has exactly one signature.")
_TWO = N_("A certificate has two signatures by two certifiers.")
_ONESELF = N_("Nobody vouches for their own keys.")
_SAME = N_("One certifier proposes, another one completes.")
_NOT_PROPOSED = N_("Nobody proposed this certificate; the first certifier signs again.")
_GROUP_KEY = N_("The key is not an age file sealed to one hybrid recipient.")
_NOT_FOR_THEM = N_("This key is not for a person with these roles.")
_ONE_SEAT = N_("This person sits on another seat already: one person, one seat.")
_ONLY_HOLDER = N_("Nobody else holds this key. Hand it over first.")
_TOO_EARLY = N_("Keys of this month and of later ones are in use and cannot be destroyed.")
_SPLIT = N_("The sub-shares do not belong to this key, or are not all there.")

ThatKey = Annotated[KeyId, Path()]


class StaffKeys(Model):
    """The public keys of a person, and a certificate that waits for its second signature."""

    id: UUID
    name: str
    roles: list[Role]
    recipient: str | None
    verify_key: B64u | None
    certificate: dict[str, Any] | None
    pending: dict[str, Any] | None


class SealedShare(Model):
    holder: KeyId
    data: KeyFile


class NewSplit(Model):
    """A statement signed by the key that was split, and a sub-share for each holder it names."""

    document: dict[str, Any]
    shares: list[SealedShare] = Field(min_length=2, max_length=255)


class GivenShare(Model):
    holder: str
    data: Base64


class SplitLine(Model):
    """A statement, and the sub-shares that the caller may fetch."""

    document: dict[str, Any]
    held: list[GivenShare]
    released: list[GivenShare]


class Splits(Model):
    items: list[SplitLine]


class Release(Model):
    """A sub-share that its holder sealed to the certified key of the new holder."""

    holder: KeyId
    to: UUID
    data: KeyFile


# --- certificates


@router.get("/staff/{person}/keys", responses=responses(404, 422))
async def read_staff_keys(request: Request, named: Named, conn: Connection) -> StaffKeys:
    """What a certifier compares with the person's own words, and what others wrap keys for once it is certified."""
    row = await store.person_with_keys(conn, named, day_of(request.app.state.clock()))
    locked = await keys_store.lock_person(conn, named)
    return StaffKeys(
        id=row.id,
        name=row.name,
        roles=row.roles,
        recipient=row.recipient,
        verify_key=row.verify_key,
        certificate=row.certificate,
        pending=locked.pending if locked else None,
    )


@router.post("/staff/{person}/certificates/pending", status_code=204, responses=responses(404, 409, 422))
async def propose_certificate(
    request: Request, who: CallerNow, named: Named, conn: Connection, body: dict[str, Any]
) -> None:
    """A certificate with the signature of a first certifier; it replaces an earlier proposal for this person."""
    document, _found = await _about(conn, who.person, named, body, 1, _ONE)
    await keys_store.propose(conn, named, document.to_json(), who.person, day_of(request.app.state.clock()))


@router.post("/staff/{person}/certificates", status_code=204, responses=responses(404, 409, 422))
async def complete_certificate(
    request: Request, who: CallerNow, named: Named, conn: Connection, body: dict[str, Any]
) -> None:
    """The proposed certificate with a second signature. It is in force from now on, wherever clients accept it."""
    document, found = await _about(conn, who.person, named, body, 2, _TWO)
    row = await keys_store.lock_person(conn, named)
    if row is None or row.pending is None or Signed.from_json(row.pending).digest != document.digest:
        raise Conflict(_NOT_PROPOSED)
    if row.proposed_by == who.person:
        raise Conflict(_SAME)
    now = request.app.state.clock()
    await store.store_certificate(conn, named, document.to_json(), found.valid_from, found.valid_until, now)
    await keys_store.forget_proposal(conn, named)


async def _about(
    conn: Connection, who: UUID, person: UUID, body: dict[str, Any], signatures: int, message: str
) -> tuple[Signed, Certificate]:
    """The document and certificate of a request. Errors: Invalid, Conflict when somebody vouches for oneself."""
    try:
        document = Signed.from_json(body)
        found = Certificate.from_json(document.body)
    except CryptoError:
        raise Invalid.at("/body", _CERTIFICATE) from None
    if who == person:
        raise Conflict(_ONESELF)
    if len({key for key, _ in document.signatures}) != signatures or len(document.signatures) != signatures:
        raise Invalid.at("/signatures", message)
    if not _is_about(found, await keys_store.lock_person(conn, person)):
        raise Invalid.at("/body", _OTHER_KEYS)
    return document, found


def _is_about(found: Certificate, row: Row[Any] | None) -> bool:
    return row is not None and (found.person, str(found.recipient), found.verify_key, list(found.roles)) == (
        str(row.id), row.recipient, row.verify_key, sorted(row.roles),
    )  # fmt: skip


async def end_other_certificates(
    conn: Connection, person: UUID, recipient: str, verify_key: bytes, now: Any, replace: bool
) -> bool:
    """End certificates that name other keys than these; False if there are some and `replace` was not said."""
    day, named = day_of(now), (recipient, b64u(verify_key))
    found = await keys_store.certificates_in_force(conn, person, day)
    other = [one for one in found if (one["body"]["recipient"], one["body"]["verify_key"]) != named]
    if other and not replace:
        return False
    if other:
        await keys_store.end_certificates(conn, person, day)
    row = await keys_store.lock_person(conn, person)
    if row is not None and (row.recipient, row.verify_key) != (recipient, verify_key):
        await keys_store.forget_proposal(conn, person)
    return True


# --- group keys


@router.put("/me/group-keys/{key_id:path}", status_code=204, responses=responses(409, 422))
async def keep_my_group_key(who: CallerNow, conn: Connection, key_id: ThatKey, body: GroupKeyData) -> None:
    """A key that one wraps for oneself: of a new epoch of one's seat, or rebuilt from sub-shares."""
    await check_holding(conn, key_id, who.person, who.roles, body.data)
    await store.store_group_key(conn, who.person, key_id, body.data)


async def check_holding(conn: Connection, key_id: str, person: UUID, roles: Any, data: bytes) -> None:
    """Return if a person with these roles may hold this wrapped key. Errors: Invalid, Conflict."""
    if not sealed_to_one(data):
        raise Invalid.at("/data", _GROUP_KEY)
    if not keys_rules.may_hold(key_id, person, roles):
        raise Conflict(_NOT_FOR_THEM)
    if keys_rules.other_seat(key_id, await keys_store.held_keys(conn, person)):
        raise Conflict(_ONE_SEAT)


@router.delete("/me/group-keys/{key_id:path}", status_code=204, responses=responses(404, 409, 422))
async def drop_my_group_key(who: CallerNow, conn: Connection, key_id: ThatKey) -> None:
    """Give up a key that somebody else holds too, at the end of a handover."""
    if key_id not in await keys_store.held_keys(conn, who.person):
        raise NotFound()
    if not await keys_store.drop_key(conn, who.person, key_id):
        raise Conflict(_ONLY_HOLDER)


@router.delete("/group-keys/{key_id:path}", status_code=204, responses=responses(404, 409, 422))
async def destroy_group_key(request: Request, _who: CallerNow, conn: Connection, key_id: ThatKey) -> None:
    """Delete every wrap of a desk's key of a past month: what is still sealed to it opens for nobody."""
    if not keys_rules.may_destroy(key_id, day_of(request.app.state.clock())):
        raise Conflict(_TOO_EARLY)
    if not await keys_store.destroy_key(conn, key_id):
        raise NotFound()


# --- sub-shares


@router.put("/split-keys/{key_id:path}", status_code=204, responses=responses(422))
async def store_split(
    request: Request, who: CallerNow, conn: Connection, key_id: ThatKey, body: NewSplit
) -> None:
    """Sub-shares of a seat's key, or of one's own, for those it names; an earlier split of the key is gone."""
    if not keys_rules.may_split(key_id, who.person, who.roles, await keys_store.held_keys(conn, who.person)):
        raise Forbidden()
    split = _split(body.document)
    files = {share.holder: share.data for share in body.shares}
    if split.of != key_id or sorted(files) != sorted(name for name, _ in split.holders):
        raise Invalid.at("/shares", _SPLIT)
    if len(files) != len(body.shares) or not all(sealed_to_one(data) for data in files.values()):
        raise Invalid.at("/shares", _SPLIT)
    day = day_of(request.app.state.clock())
    await keys_store.store_split(conn, key_id, body.document, files, who.person, day)


def _split(document: dict[str, Any]) -> Split:
    try:
        return parse_split(Signed.from_json(document))
    except CryptoError:
        raise Invalid.at("/document", _SPLIT) from None


@router.get("/split-keys")
async def list_splits(who: CallerNow, conn: Connection) -> Splits:
    """Sub-shares that the caller keeps for others, and those that others released to the caller."""
    held = await keys_store.held_keys(conn, who.person)
    found = await keys_store.splits_for(conn, who.person, held, keys_rules.own_name(who.person))
    return Splits(
        items=[
            SplitLine(
                document=one.document,
                held=[GivenShare(holder=h, data=d) for h, d in sorted(one.held.items())],
                released=[GivenShare(holder=h, data=d) for h, d in sorted(one.released.items())],
            )
            for one in found
        ]
    )


@router.put("/released-shares/{key_id:path}", status_code=204, responses=responses(404, 409, 422))
async def release_share(
    request: Request, who: CallerNow, conn: Connection, key_id: ThatKey, body: Release
) -> None:
    """Hand on a sub-share one keeps, sealed to the certified key of the one who takes the split key over."""
    if not keys_rules.is_holder(body.holder, who.person, await keys_store.held_keys(conn, who.person)):
        raise NotFound()
    to = await keys_store.lock_person(conn, body.to)
    if to is None:
        raise NotFound()
    await check_holding(conn, key_id, body.to, to.roles, body.data)
    day = day_of(request.app.state.clock())
    if not await keys_store.release(conn, key_id, body.holder, body.to, who.person, body.data, day):
        raise NotFound()


def sealed_to_one(data: bytes) -> bool:
    """Whether an age file has one hybrid stanza: the part rule, and nobody else can open it."""
    try:
        return age.stanza_types(data) == ["mlkem768x25519"]
    except CryptoError:
        return False
