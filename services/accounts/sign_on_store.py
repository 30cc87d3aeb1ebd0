"""SQL of single sign-on: logins that were used, and who is who at the provider."""

import uuid
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts.models import external_logins, external_subjects, people


async def use_login(conn: AsyncConnection, login_hash: bytes, expires: datetime) -> bool:
    """Remember a login as used until it would have expired; False when another request was first."""
    statement = pg_insert(external_logins).values(hash=login_hash, expires=expires)
    used = await conn.scalar(statement.on_conflict_do_nothing().returning(external_logins.c.hash))
    return used is not None


async def login_used(conn: AsyncConnection, login_hash: bytes) -> bool:
    query = select(external_logins.c.hash).where(external_logins.c.hash == login_hash)
    return (await conn.execute(query)).one_or_none() is not None


async def forget_logins(conn: AsyncConnection, now: datetime) -> int:
    return (await conn.execute(delete(external_logins).where(external_logins.c.expires <= now))).rowcount


async def login_of(conn: AsyncConnection, issuer: str, subject: str) -> str | None:
    """The login of the account linked to a subject, active or not."""
    query = (
        select(people.c.login)
        .join(external_subjects, external_subjects.c.person == people.c.id)
        .where(external_subjects.c.issuer == issuer, external_subjects.c.subject == subject)
    )
    login: str | None = await conn.scalar(query)
    return login


async def link(conn: AsyncConnection, person: uuid.UUID, issuer: str, subject: str) -> bool:
    """Link a person to a subject, in place of an earlier one; False when it belongs to somebody else."""
    await unlink(conn, person)
    statement = pg_insert(external_subjects).values(person=person, issuer=issuer, subject=subject)
    added = await conn.scalar(statement.on_conflict_do_nothing().returning(external_subjects.c.person))
    return added is not None


async def unlink(conn: AsyncConnection, person: uuid.UUID) -> None:
    await conn.execute(delete(external_subjects).where(external_subjects.c.person == person))
