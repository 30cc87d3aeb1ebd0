"""What an administrator does to the accounts of others: roles, activity, enrolment, sessions, leaving.

Nothing here gives out a key or opens one. Who takes over an account gets what the server has: wrapped keys.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Row

from services.accounts import admin_store, rules, store
from services.accounts.callers import CallerNow, NotOneself
from services.accounts.context import InContext
from services.accounts.schemas import Active, EnrolmentRenewed, Roles
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, FieldError, Forbidden, Invalid, NotFound, responses
from services.kit.service import JsonRoute

router = APIRouter(
    prefix="/api/accounts/v1",
    tags=["administration"],
    route_class=JsonRoute,
    responses=responses(401, 403, 404, 422),
)

_INACTIVE = N_("This account is closed. Open it first.")
_LAST_HOLDER = N_(
    "This person alone holds the key of a seat. Hand the seat over first, or what it guards would be lost."
)


def refuse_conflicts(roles: list[Any]) -> list[str]:
    """The roles, each once, sorted. Error: Invalid with the reason of every two that exclude one another."""
    conflicts = rules.conflicts_of(roles)
    if conflicts:
        reasons = dict.fromkeys(conflict.reason for conflict in conflicts)
        raise Invalid(errors=[FieldError("/roles", reason) for reason in reasons])
    return sorted(set(roles))


async def _subject(request: Request, person: UUID, who: CallerNow, conn: Connection) -> Row[Any]:
    """The person an administrator acts on, closed accounts included. Errors: NotOneself, Forbidden, NotFound.

    Waits for every other such change, so that of two administrators who remove each other one remains.
    """
    if person == who.person and request.scope["route"].name in rules.NEVER_ONESELF:
        raise NotOneself()
    if who.person not in await admin_store.lock_administrators(conn):
        raise Forbidden()
    found = await admin_store.employed(conn, person)
    if found is None:
        raise NotFound()
    return found


Subject = Annotated[Any, Depends(_subject, scope="function")]


@router.put("/staff/{person}/roles", status_code=204)
async def change_roles(subject: Subject, conn: Connection, body: Roles) -> None:
    """Other roles for a colleague, in force with their next token. Certificates stay as they are signed."""
    await admin_store.change_roles(conn, subject.id, refuse_conflicts(body.roles))


@router.put("/staff/{person}/active", status_code=204)
async def set_active(subject: Subject, conn: Connection, body: Active) -> None:
    """Close an account, which ends its sessions, or open it again."""
    await admin_store.set_active(conn, subject.id, body.active)


@router.post("/staff/{person}/enrolment", status_code=201, responses=responses(409))
async def renew_enrolment(
    request: Request, subject: Subject, conn: Connection, context: InContext
) -> EnrolmentRenewed:
    """A new one-time secret for somebody who lost their factors; all factors and sessions before are gone."""
    if not subject.active:
        raise Conflict(_INACTIVE)
    life = context.settings.enrolment_life
    secret = await admin_store.renew_enrolment(conn, subject.id, request.app.state.clock(), life)
    return EnrolmentRenewed(enrolment=secret)


@router.delete("/staff/{person}/sessions", status_code=204)
async def end_sessions(subject: Subject, conn: Connection) -> None:
    """End all sessions of a person. Tokens issued before go on for at most five minutes."""
    await store.revoke_sessions(conn, subject.id)


@router.post("/staff/{person}/leave", status_code=204, responses=responses(409))
async def leave_staff(request: Request, subject: Subject, conn: Connection) -> None:
    """Somebody leaves for good: no way in, no group keys; what they signed and did stays with the cases."""
    held, others = await admin_store.held_keys(conn, subject.id)
    if rules.only_here(held, others):
        raise Conflict(_LAST_HOLDER)
    await admin_store.leave(conn, subject.id, day_of(request.app.state.clock()))
