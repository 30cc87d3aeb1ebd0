"""Who calls a staff route of accounts, and whom the address names: read at the source, not from the token."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.accounts import rules, store
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Forbidden, NotFound, Unauthorised
from services.kit.staff import Caller, Staff


class NotOneself(Forbidden):
    """An administrator at their own account."""

    detail = N_("Nobody does this to their own account. Ask another administrator.")


async def _caller_now(request: Request, who: Staff, conn: Connection) -> Caller:
    """The caller with the roles they have now: here, at the source, five minutes of trust are not needed."""
    found = await store.person(conn, who.person)
    if found is None:
        raise Unauthorised()
    if not rules.may_call(request.scope["route"].name, found.roles):
        raise Forbidden()
    return Caller(who.person, frozenset(found.roles), who.stepped)


CallerNow = Annotated[Caller, Depends(_caller_now, scope="function")]


async def _named(person: UUID, _who: CallerNow, conn: Connection) -> UUID:
    """The person that the address names. Error: NotFound, also for somebody who has left."""
    if await store.person(conn, person) is None:
        raise NotFound()
    return person


Named = Annotated[UUID, Depends(_named, scope="function")]
