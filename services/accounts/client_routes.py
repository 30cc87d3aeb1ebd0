"""API clients: systems such as the telephony of 1424. Their tokens carry scopes, never a role of a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounts import client_store, rules
from services.accounts.callers import CallerNow
from services.accounts.context import Context, InContext
from services.accounts.schemas import (
    Active,
    ClientLine,
    Clients,
    ClientSecret,
    ClientSignIn,
    NewClient,
    Token,
)
from services.contracts.accounts import TokenClaims
from services.crypto import secretbox, tokens
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, NotFound, Problem, responses
from services.kit.service import JsonRoute

router = APIRouter(
    prefix="/api/accounts/v1/clients",
    tags=["clients"],
    route_class=JsonRoute,
)
_NAME_TAKEN = N_("There is a client with this name already.")
_NO_SECRET = bytes(32)


class ClientRefused(Problem):
    """Unknown client, wrong secret, closed client: which, is not told."""

    status, slug, title = 401, "client", "Client refused"
    detail = N_("The client or its secret is wrong.")


@dataclass(frozen=True)
class ClientDoor:
    """Where systems come in, at one instant."""

    engine: AsyncEngine
    context: Context
    now: datetime

    async def sign_in(self, asked: ClientSignIn) -> Token:
        """A token with the scopes of a client. Errors: ClientRefused, TooManyAttempts."""
        settings = self.context.settings
        budget = self.context.budget("client", str(asked.client_id), settings.client_attempts)
        async with self.engine.begin() as conn:
            attempt = await budget.count(conn, self.now)
            found = await client_store.find(conn, asked.client_id)
        budget.check(attempt, self.now)
        right = secretbox.equal(rules.hash_of(asked.secret), found.secret_hash if found else _NO_SECRET)
        if found is None or not (right and found.active):
            raise ClientRefused()
        async with self.engine.begin() as conn:
            await budget.forgive(conn, attempt)
        issued = int(self.now.timestamp())
        claims = TokenClaims(found.id, found.scopes, issued, issued + settings.token_seconds).to_json()
        token = tokens.issue(claims, self.context.token_key)
        return Token(access_token=token, expires_in=settings.token_seconds)


def _door(request: Request, context: InContext) -> ClientDoor:
    return ClientDoor(request.app.state.engine, context, request.app.state.clock())


@router.post("/token", status_code=201, responses=responses(401, 422, 429))
async def client_token(door: Annotated[ClientDoor, Depends(_door)], body: ClientSignIn) -> Token:
    """A token of a system, with its scopes, for at most five minutes."""
    return await door.sign_in(body)


@router.get("", responses=responses(401, 403))
async def list_clients(_who: CallerNow, conn: Connection) -> Clients:
    """All clients; nobody ever reads a secret."""
    return Clients(items=[ClientLine(**row._asdict()) for row in await client_store.every(conn)])


@router.post("", status_code=201, responses=responses(401, 403, 409, 422))
async def add_client(request: Request, _who: CallerNow, conn: Connection, body: NewClient) -> ClientSecret:
    """A client for a system; its secret is in this answer only."""
    added = await client_store.add(conn, body.name, body.scopes, request.app.state.clock())
    if added is None:
        raise Conflict(_NAME_TAKEN)
    return ClientSecret(id=added[0], secret=added[1])


@router.post("/{client}/secret", status_code=201, responses=responses(401, 403, 404, 422))
async def renew_client_secret(_who: CallerNow, conn: Connection, client: UUID) -> ClientSecret:
    """A new secret; the one before opens nothing from now on."""
    secret = await client_store.renew_secret(conn, client)
    if secret is None:
        raise NotFound()
    return ClientSecret(id=client, secret=secret)


@router.put("/{client}/active", status_code=204, responses=responses(401, 403, 404, 422))
async def set_client_active(_who: CallerNow, conn: Connection, client: UUID, body: Active) -> None:
    """Close a client, or open it again. A token issued before goes on for its five minutes."""
    if not await client_store.set_active(conn, client, body.active):
        raise NotFound()
