"""SQL of API clients: systems that call with scopes instead of roles."""

import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts.models import api_clients
from services.accounts.rules import hash_of
from services.kit.clock import day_of


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


async def add(
    conn: AsyncConnection, name: str, scopes: Sequence[str], now: datetime
) -> tuple[uuid.UUID, str] | None:
    """Id and secret of a new client; None when the name is taken."""
    secret = new_secret()
    statement = pg_insert(api_clients).values(
        id=uuid.uuid4(),
        name=name,
        scopes=sorted(set(scopes)),
        secret_hash=hash_of(secret),
        active=True,
        created=day_of(now),
    )
    added = await conn.scalar(
        statement.on_conflict_do_nothing(index_elements=["name"]).returning(api_clients.c.id)
    )
    return None if added is None else (added, secret)


async def every(conn: AsyncConnection) -> Sequence[Row[Any]]:
    """All clients without their secrets, oldest first."""
    columns = [api_clients.c[name] for name in ("id", "name", "scopes", "active", "created")]
    query = select(*columns).order_by(api_clients.c.created, api_clients.c.id)
    return (await conn.execute(query)).all()


async def find(conn: AsyncConnection, client: uuid.UUID) -> Row[Any] | None:
    """A client with its `secret_hash`, `scopes` and whether it is `active`."""
    return (await conn.execute(select(api_clients).where(api_clients.c.id == client))).one_or_none()


async def renew_secret(conn: AsyncConnection, client: uuid.UUID) -> str | None:
    """A new secret, the one before is void; None when there is no such client."""
    secret = new_secret()
    changed = await conn.execute(
        update(api_clients).where(api_clients.c.id == client).values(secret_hash=hash_of(secret))
    )
    return secret if changed.rowcount == 1 else None


async def set_active(conn: AsyncConnection, client: uuid.UUID, active: bool) -> bool:
    """Open or close a client; False when there is none."""
    changed = await conn.execute(update(api_clients).where(api_clients.c.id == client).values(active=active))
    return changed.rowcount == 1
