"""SQL of what administrators do to accounts. Roles, activity and leaving are all of a person that ever changes."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts import factor_store, sign_on_store, store
from services.accounts.models import credentials, group_keys, people
from services.accounts.rules import hash_of
from services.contracts.accounts import Role


async def lock_administrators(conn: AsyncConnection) -> frozenset[uuid.UUID]:
    """The administrators as they are once every change that runs now has ended; none changes until this one ends."""
    # Two administrators who remove each other at the same moment would leave none.
    await conn.execute(text("SELECT pg_advisory_xact_lock(hashtext('adal-accounts-administrators'))"))
    query = select(people.c.id).where(people.c.active, people.c.roles.contains([Role.ADMINISTRATOR]))
    return frozenset((await conn.scalars(query)).all())


async def employed(conn: AsyncConnection, person: uuid.UUID) -> Row[Any] | None:
    """A person, active or not, who has not left for good."""
    query = select(people).where(people.c.id == person, people.c.left_on.is_(None))
    return (await conn.execute(query)).one_or_none()


async def change_roles(conn: AsyncConnection, person: uuid.UUID, roles: Sequence[str]) -> None:
    await conn.execute(update(people).where(people.c.id == person).values(roles=list(roles)))


async def set_active(conn: AsyncConnection, person: uuid.UUID, active: bool) -> None:
    """Open or close an account; closing ends its sessions."""
    await conn.execute(update(people).where(people.c.id == person).values(active=active))
    if not active:
        await store.revoke_sessions(conn, person)


async def renew_enrolment(conn: AsyncConnection, person: uuid.UUID, now: datetime, life: timedelta) -> str:
    """A new one-time secret; whatever somebody could sign in with before is gone, and so are the sessions."""
    await factor_store.forget_factors(conn, person)
    await store.revoke_sessions(conn, person)
    secret = store.new_secret()
    await conn.execute(
        update(credentials)
        .where(credentials.c.person == person)
        .values(enrolment_hash=hash_of(secret), enrolment_expires=now + life)
    )
    return secret


async def held_keys(conn: AsyncConnection, person: uuid.UUID) -> tuple[list[str], frozenset[str]]:
    """Ids of the group keys wrapped for a person, and of those wrapped for other active people."""
    mine = select(group_keys.c.key_id).where(group_keys.c.person == person)
    theirs = (
        select(group_keys.c.key_id)
        .join(people)
        .where(group_keys.c.person != person, people.c.active)
        .distinct()
    )
    return list((await conn.scalars(mine)).all()), frozenset((await conn.scalars(theirs)).all())


async def leave(conn: AsyncConnection, person: uuid.UUID, day: date) -> None:
    """Somebody leaves for good: no way in, no sessions, no group keys. Their row and certificates stay."""
    await conn.execute(update(people).where(people.c.id == person).values(active=False, left_on=day))
    await factor_store.forget_factors(conn, person)
    await store.revoke_sessions(conn, person)
    await sign_on_store.unlink(conn, person)
    await conn.execute(delete(group_keys).where(group_keys.c.person == person))
