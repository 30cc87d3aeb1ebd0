"""Routes of single sign-on, before there is a session, and of who is who at the identity provider."""

from typing import Annotated

from fastapi import APIRouter, Depends

from services.accounts import sign_on_store
from services.accounts.admin_routes import Subject
from services.accounts.context import InContext
from services.accounts.routes import AtDoor
from services.accounts.schemas import (
    BeginSignOn,
    Challenge,
    ExternalSubject,
    FinishSignOn,
    SignedIn,
    SignOnBegun,
    SignOnChallengeAsked,
)
from services.accounts.sign_on import SignOn
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, FieldError, Invalid, responses
from services.kit.service import JsonRoute

router = APIRouter(
    prefix="/api/accounts/v1",
    tags=["single sign-on"],
    route_class=JsonRoute,
)

_TAKEN = N_("This subject is linked to somebody else. Unlink it there first.")
_OTHER_ISSUER = N_("This is not the issuer that this service uses.")


def _sign_on(door: AtDoor) -> SignOn:
    return SignOn.at(door)


AtSignOn = Annotated[SignOn, Depends(_sign_on)]


@router.post("/oidc/begin", status_code=201, responses=responses(404, 422, 503))
async def begin_sign_on(sign_on: AtSignOn, _body: BeginSignOn) -> SignOnBegun:
    """Where the browser goes to sign in at the identity provider. Good for ten minutes and one answer."""
    return await sign_on.begin()


@router.post("/oidc/challenges", status_code=201, responses=responses(401, 404, 422))
async def challenge_sign_on(sign_on: AtSignOn, body: SignOnChallengeAsked) -> Challenge:
    """Options for `navigator.credentials.get` at a single sign-on that has begun."""
    return await sign_on.challenge(body.login)


@router.post("/oidc/finish", status_code=201, responses=responses(401, 404, 422, 429, 503))
async def finish_sign_on(sign_on: AtSignOn, body: FinishSignOn) -> SignedIn:
    """A session, for what the provider answered and a second factor. One answer to everything that is wrong."""
    return await sign_on.finish(body)


@router.put("/staff/{person}/external-subject", status_code=204, responses=responses(401, 403, 404, 409, 422))
async def link_external_subject(
    subject: Subject, conn: Connection, context: InContext, body: ExternalSubject
) -> None:
    """Who a colleague is at the identity provider, in place of an earlier link. It gives no role and no key."""
    issuer = context.settings.oidc_issuer
    if issuer and body.issuer != issuer:
        raise Invalid(errors=[FieldError("/issuer", _OTHER_ISSUER)])
    if not await sign_on_store.link(conn, subject.id, body.issuer, body.subject):
        raise Conflict(_TAKEN)


@router.delete("/staff/{person}/external-subject", status_code=204, responses=responses(401, 403, 404, 422))
async def unlink_external_subject(subject: Subject, conn: Connection) -> None:
    """No single sign-on for a colleague any more. Sessions go on; end them apart."""
    await sign_on_store.unlink(conn, subject.id)
