"""Who calls: access tokens of staff, verified offline, and a rule for every route, denied by default."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request

from services.contracts.accounts import ISSUER
from services.crypto import tokens
from services.crypto.canonical import unb64u
from services.crypto.errors import CryptoError
from services.kit.i18n import N_
from services.kit.problems import Forbidden, Problem, Unauthorised

STEP_UP_SECONDS = 300
"""How long a full proof of oneself is good for operations that ask for a fresh one."""


class StepUpNeeded(Problem):
    """The caller may do this, but must prove who they are once more (`sessions/current/step-up` of accounts)."""

    status, slug, title = 403, "step-up", "Prove who you are again"
    detail = N_("This needs a fresh proof of who you are. Give a code of the second factor or use a passkey.")


@dataclass(frozen=True)
class Caller:
    """Who signed in, as the token says; `stepped` is the POSIX second of their last full proof, 0 for never."""

    person: UUID
    roles: frozenset[str]
    stepped: int = 0

    def proved_lately(self, now: int) -> bool:
        """Whether the last full proof is fresh at `now`, in POSIX seconds."""
        return now - self.stepped <= STEP_UP_SECONDS


def _read(token: str, keys: Collection[bytes], now: int) -> Caller:
    """The caller of a token. Errors: CryptoError, KeyError, TypeError, ValueError."""
    claims: Mapping[str, Any] = tokens.read(token, keys, now)
    stepped = claims.get("stepped", 0)
    if claims["iss"] != ISSUER or type(stepped) is not int:
        raise ValueError("not a token of accounts")
    return Caller(UUID(str(claims["sub"])), frozenset(claims["roles"]), stepped)


def is_access_token(authorization: str | None) -> bool:
    """Whether an Authorization header may hold an access token; secrets of drafts and inboxes have no dot."""
    return authorization is not None and "." in authorization


def identify(request: Request, authorization: str | None) -> Caller:
    """Whose access token this is, whatever they may do: a person with roles or a system with scopes.

    Error: Unauthorised.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorised()
    now = int(request.app.state.clock().timestamp())
    try:
        keys = [unb64u(key, 32) for key in request.app.state.settings.token_keys]
        return _read(token, keys, now)
    except (CryptoError, KeyError, TypeError, ValueError):
        raise Unauthorised() from None


async def caller(request: Request, authorization: Annotated[str | None, Header()] = None) -> Caller:
    """The caller of a staff route, if the route's rule allows one of their roles.

    The rule stands in `app.state.access` (operation name -> roles); a route without a rule is refused to everybody.
    Operations in `app.state.step_up` ask for a full proof in the last five minutes besides.
    Errors: Unauthorised, Forbidden, StepUpNeeded.
    """
    found = identify(request, authorization)
    now = int(request.app.state.clock().timestamp())
    operation = request.scope["route"].name
    access: Mapping[str, frozenset[str]] = request.app.state.access
    if not found.roles & access.get(operation, frozenset()):
        raise Forbidden()
    if operation in request.app.state.step_up and not found.proved_lately(now):
        raise StepUpNeeded()
    return found


Staff = Annotated[Caller, Depends(caller)]
