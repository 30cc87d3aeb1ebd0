"""Routes before sign-in and of one's session: no access token yet, so no role to look at."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response

from services.accounts import store
from services.accounts.context import InContext
from services.accounts.schemas import Enrolled, Enrolment, SignedIn, SignIn, Token
from services.accounts.signing_in import Door, issue_token
from services.kit.db import Connection
from services.kit.problems import Unauthorised, responses
from services.kit.service import JsonRoute


def never_cached(response: Response) -> None:
    """Nothing of an account stays in a cache."""
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(
    prefix="/api/accounts/v1", tags=["sessions"], route_class=JsonRoute, dependencies=[Depends(never_cached)]
)


def _door(request: Request, context: InContext) -> Door:
    return Door(request.app.state.engine, context, request.app.state.clock())


AtDoor = Annotated[Door, Depends(_door)]


async def _session(
    request: Request, conn: Connection, authorization: Annotated[str | None, Header()] = None
) -> Any:
    """The live session of the caller: `hash`, `expires`, `person`, `roles` as they are now."""
    scheme, _, secret = (authorization or "").partition(" ")
    now = request.app.state.clock()
    found = await store.live_session(conn, secret, now) if scheme.lower() == "session" else None
    if found is None:
        raise Unauthorised()
    return found


ThisSession = Annotated[Any, Depends(_session, scope="function")]


@router.post("/sessions", status_code=201, responses=responses(401, 429))
async def sign_in(door: AtDoor, body: SignIn) -> SignedIn:
    """Sign in with login, password and a code of the second factor. One answer to everything that is wrong."""
    return await door.sign_in(body)


@router.post("/sessions/current/token", responses=responses(401))
async def renew_token(request: Request, context: InContext, session: ThisSession) -> Token:
    """A fresh access token, with the roles the person has now. `Authorization: Session <secret>`."""
    return issue_token(context, session.person, session.roles, request.app.state.clock(), session.expires)


@router.delete("/sessions/current", status_code=204, responses=responses(401))
async def sign_out(conn: Connection, session: ThisSession) -> None:
    """End the session. A token issued before goes on for its five minutes."""
    await store.revoke_session(conn, session.hash)


@router.post("/enrolments", status_code=201, responses=responses(401))
async def enrol(door: AtDoor, body: Enrolment) -> Enrolled:
    """Set the password with the one-time secret; the answer shows the second factor, once."""
    return await door.enrol(body)
