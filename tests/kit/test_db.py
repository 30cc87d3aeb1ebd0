"""Engines: the session is the same on every server, and errors show nothing of what was bound."""

from datetime import UTC
from email.utils import format_datetime

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.kit.db import make_engine
from tests.conftest import Database

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("zone", ["Etc/UTC", "Asia/Almaty"])
async def test_instants_are_in_utc_whatever_the_server_is_set_to(migrated: Database, zone: str):
    """The official PostgreSQL image says Etc/UTC, which is not UTC to Python."""
    url = migrated.url("rewards")
    with migrated.superuser() as conn:
        conn.execute(f"ALTER ROLE adal_rewards SET timezone TO '{zone}'".encode())
    try:
        with psycopg.connect(url.replace("+psycopg", "")) as plain:
            assert plain.info.timezone is not UTC
        engine = make_engine(url, 1)
        async with engine.connect() as conn:
            instant = await conn.scalar(text("SELECT now()"))
        await engine.dispose()
    finally:
        with migrated.superuser() as conn:
            conn.execute("ALTER ROLE adal_rewards RESET timezone")
    assert instant.tzinfo is UTC
    assert format_datetime(instant, usegmt=True).endswith("GMT")


async def test_an_error_shows_nothing_that_was_bound(migrated: Database):
    engine = make_engine(migrated.url("rewards"), 1)
    with pytest.raises(DBAPIError) as caught:
        async with engine.connect() as conn:
            await conn.execute(text("SELECT 1 / 0 WHERE 'geheim' = :value"), {"value": "geheim-2"})
    await engine.dispose()
    assert "geheim-2" not in str(caught.value)
