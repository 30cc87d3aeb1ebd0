"""Who calls: access tokens of staff, verified offline, and a rule for every route, denied by default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request

from services.crypto import tokens
from services.crypto.canonical import unb64u
from services.crypto.errors import CryptoError
from services.kit.problems import Forbidden, Unauthorised


@dataclass(frozen=True)
class Caller:
    """A signed-in member of staff, as the token says."""

    person: UUID
    roles: frozenset[str]


async def caller(request: Request, authorization: Annotated[str | None, Header()] = None) -> Caller:
    """The caller of a staff route, if the route's rule allows one of their roles.

    The rule stands in `app.state.access` (operation name -> roles); a route without a rule is refused to everybody.
    Errors: Unauthorised, Forbidden.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorised()
    keys = [unb64u(key, 32) for key in request.app.state.settings.token_keys]
    try:
        claims = tokens.read(token, keys, int(request.app.state.clock().timestamp()))
        found = Caller(UUID(str(claims["sub"])), frozenset(claims["roles"]))
    except (CryptoError, KeyError, TypeError, ValueError):
        raise Unauthorised() from None
    access: Mapping[str, frozenset[str]] = request.app.state.access
    if not found.roles & access.get(request.scope["route"].name, frozenset()):
        raise Forbidden()
    return found


Staff = Annotated[Caller, Depends(caller)]
