"""Routes before sign-in and of one's session: no access token yet, so no role to look at."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request

from services.accounts import store
from services.accounts.context import InContext
from services.accounts.schemas import (
    Challenge,
    ChallengeAsked,
    Enrolled,
    Enrolment,
    SessionLine,
    Sessions,
    SignedIn,
    SignIn,
    StepUp,
    Token,
)
from services.accounts.signing_in import Door, issue_token
from services.accounts.stepping_up import Step
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.problems import NotFound, Unauthorised, responses
from services.kit.service import JsonRoute

router = APIRouter(prefix="/api/accounts/v1", tags=["sessions"], route_class=JsonRoute)


def _door(request: Request, context: InContext) -> Door:
    return Door(request.app.state.engine, context, request.app.state.clock())


AtDoor = Annotated[Door, Depends(_door)]


Authorization = Annotated[str | None, Header()]


async def _session(request: Request, conn: Connection, authorization: Authorization = None) -> Any:
    """The live session of the caller: `hash`, `expires`, `stepped`, `person`, `login`, `roles` as they are now."""
    scheme, _, secret = (authorization or "").partition(" ")
    now = request.app.state.clock()
    found = await store.live_session(conn, secret, now) if scheme.lower() == "session" else None
    if found is None:
        raise Unauthorised()
    return found


ThisSession = Annotated[Any, Depends(_session, scope="function")]


async def _step(request: Request, context: InContext, authorization: Authorization = None) -> Step:
    """The session to step up, read in a transaction of its own: a password hash must not hold a connection."""
    async with request.app.state.engine.begin() as conn:
        session = await _session(request, conn, authorization)
    return Step(request.app.state.engine, context, request.app.state.clock(), session)


AtStep = Annotated[Step, Depends(_step)]


def _name(session_hash: bytes) -> UUID:
    """How a session is called in lists: half of the hash of a secret of 192 bits leads nobody to the secret."""
    return UUID(bytes=session_hash[:16])


@router.post("/sessions", status_code=201, responses=responses(401, 429))
async def sign_in(door: AtDoor, body: SignIn) -> SignedIn:
    """Sign in with login, password and a code of the second factor. One answer to everything that is wrong."""
    return await door.sign_in(body)


@router.post("/sessions/current/token", responses=responses(401))
async def renew_token(request: Request, context: InContext, session: ThisSession) -> Token:
    """A fresh access token, with the roles the person has now. `Authorization: Session <secret>`."""
    now = request.app.state.clock()
    return issue_token(context, session.person, session.roles, now, session.expires, session.stepped)


@router.get("/sessions", responses=responses(401))
async def list_sessions(request: Request, conn: Connection, session: ThisSession) -> Sessions:
    """One's live sessions: the day of each sign-in, and which of them asks. Nothing tells from where."""
    rows = await store.sessions_of(conn, session.person, request.app.state.clock())
    lines = [
        SessionLine(id=_name(row.hash), created=day_of(row.created), current=row.hash == session.hash)
        for row in rows
    ]
    return Sessions(items=lines)


@router.delete("/sessions", status_code=204, responses=responses(401))
async def end_other_sessions(conn: Connection, session: ThisSession) -> None:
    """End all sessions of one's own but this one. Their tokens go on for at most five minutes."""
    await store.revoke_sessions(conn, session.person, keep=session.hash)


@router.delete("/sessions/current", status_code=204, responses=responses(401))
async def sign_out(conn: Connection, session: ThisSession) -> None:
    """End the session. A token issued before goes on for its five minutes."""
    await store.revoke_session(conn, session.hash)


@router.delete("/sessions/{name}", status_code=204, responses=responses(401, 404, 422))
async def end_session(conn: Connection, session: ThisSession, name: UUID) -> None:
    """End one of one's own sessions, by its id in the list."""
    if not await store.revoke_sessions(conn, session.person, name=name.bytes):
        raise NotFound()


@router.post("/sessions/challenges", status_code=201, responses=responses(422, 429))
async def start_sign_in(door: AtDoor, body: ChallengeAsked) -> Challenge:
    """Options for `navigator.credentials.get` at sign-in: the same for known and unknown logins."""
    return await door.challenge(body.login)


@router.post("/sessions/current/challenges", status_code=201, responses=responses(401, 429))
async def start_step_up(step: AtStep) -> Challenge:
    """Options for `navigator.credentials.get` at a step-up."""
    return await step.challenge()


@router.post("/sessions/current/step-up", status_code=201, responses=responses(401, 422, 429))
async def step_up(step: AtStep, body: StepUp) -> Token:
    """Prove anew who holds this session; for five minutes its tokens say so. `Authorization: Session <secret>`."""
    return await step.prove(body)


@router.post("/enrolments", status_code=201, responses=responses(401))
async def enrol(door: AtDoor, body: Enrolment) -> Enrolled:
    """Set the password with the one-time secret; the answer shows the second factor, once."""
    return await door.enrol(body)
