"""One's own second factors: passkeys, recovery codes, a new authenticator. What adds a way in asks for a step-up."""

import base64
import os
from uuid import UUID

from fastapi import APIRouter, Request

from services.accounts import factor_store, factors, rules
from services.accounts.callers import CallerNow
from services.accounts.context import InContext
from services.accounts.passkeys import Claim, PasskeyRefused
from services.accounts.schemas import (
    Challenge,
    Enrolled,
    NewPasskey,
    PasskeyAdded,
    PasskeyLine,
    Passkeys,
    RecoveryCodes,
)
from services.accounts.store import person
from services.crypto import totp
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, FieldError, Invalid, NotFound, Problem, responses
from services.kit.service import JsonRoute

router = APIRouter(
    prefix="/api/accounts/v1/me",
    tags=["second factors"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

REGISTER = "register"
MOST_PASSKEYS = 10
_NONE_HERE = N_("Passkeys are not set up on this installation.")
_NOT_ADDED = N_("This passkey is known already, or there are ten already. Remove one first.")


class PasskeyInvalid(Invalid):
    """The answer of the authenticator proves nothing; its challenge is spent all the same."""

    detail = N_("The passkey was not made as asked, or too late. Start again.")
    commits = True


@router.get("/passkeys")
async def list_passkeys(who: CallerNow, conn: Connection) -> Passkeys:
    """One's passkeys by name, and how many recovery codes are left."""
    rows = await factor_store.passkeys_of(conn, who.person)
    return Passkeys(
        items=[PasskeyLine(id=row.id, name=row.name, created=row.created) for row in rows],
        recovery_codes_left=await factor_store.recovery_codes_left(conn, who.person),
    )


@router.post("/passkeys/challenges", status_code=201, responses=responses(409))
async def start_passkey(request: Request, who: CallerNow, conn: Connection, context: InContext) -> Challenge:
    """Options for `navigator.credentials.create`."""
    party, now = context.relying_party, request.app.state.clock()
    if not party.id:
        raise Conflict(_NONE_HERE)
    challenge = await factors.new_challenge(conn, context, REGISTER, who.person.bytes, now)
    known = [row.credential for row in await factor_store.passkeys_of(conn, who.person)]
    owner = await person(conn, who.person)
    assert owner is not None  # noqa: S101 - `CallerNow` has read it in this transaction
    return Challenge(public_key=party.registration(who.person, owner.login, owner.name, challenge, known))


@router.post("/passkeys", status_code=201, responses=responses(409, 422))
async def add_passkey(
    request: Request, who: CallerNow, conn: Connection, context: InContext, body: NewPasskey
) -> PasskeyAdded:
    """Keep a passkey that was made in answer to a challenge, with user verification."""
    now = request.app.state.clock()
    owner = context.challenge_owner(REGISTER, who.person.bytes)
    try:
        claim = Claim.of(body.answer)
        fresh = await factor_store.spend_challenge(conn, rules.hash_of_bytes(claim.challenge), owner, now)
        if not fresh:
            raise _refusal()
        made = context.relying_party.register(body.answer, claim)
    except PasskeyRefused:
        raise _refusal() from None
    added = await factor_store.add_passkey(conn, who.person, body.name, made, now, MOST_PASSKEYS)
    if added is None:
        raise Conflict(_NOT_ADDED)
    return PasskeyAdded(id=added)


def _refusal() -> Problem:
    return PasskeyInvalid(errors=[FieldError("/answer", PasskeyInvalid.detail)])


@router.delete("/passkeys/{passkey}", status_code=204, responses=responses(404, 422))
async def remove_passkey(who: CallerNow, conn: Connection, passkey: UUID) -> None:
    """Forget a passkey of one's own."""
    if not await factor_store.remove_passkey(conn, who.person, passkey):
        raise NotFound()


@router.post("/recovery-codes", status_code=201)
async def renew_recovery_codes(who: CallerNow, conn: Connection, context: InContext) -> RecoveryCodes:
    """Ten new recovery codes, shown once; those before are void."""
    codes = [rules.recovery_code(os.urandom(10)) for _ in range(rules.RECOVERY_CODES)]
    hashes = [context.recovery_hash(who.person, code.replace("-", "")) for code in codes]
    await factor_store.replace_recovery_codes(conn, who.person, hashes)
    return RecoveryCodes(codes=codes)


@router.post("/second-factor", status_code=201)
async def renew_second_factor(who: CallerNow, conn: Connection, context: InContext) -> Enrolled:
    """A new secret for an authenticator, shown once; codes of the one before are void."""
    owner = await person(conn, who.person)
    assert owner is not None  # noqa: S101 - `CallerNow` has read it in this transaction
    secret = totp.new_secret()
    await factor_store.replace_totp(conn, who.person, context.seal_totp(secret, who.person))
    return Enrolled(
        totp_uri=totp.uri(secret, owner.login, context.settings.issuer),
        totp_secret=base64.b32encode(secret).decode(),
    )
