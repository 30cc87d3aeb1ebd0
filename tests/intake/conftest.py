"""The intake service alone: it never needs another one to run."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from services import dev
from services.first_run import Folder
from services.intake.app import create_app
from services.kit.clock import utc_now
from tests.intake.builders import Reporter, Sql, World


@pytest.fixture
def database(migrated: Any) -> Iterator[Any]:
    """As everywhere, but with only the tables of intake to empty, which is ten times as fast."""
    yield migrated
    with migrated.superuser() as conn:
        conn.execute(_EMPTY)


_EMPTY = """
    DO $$
    DECLARE
        name text;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'intake' AND tablename <> 'alembic_version' LOOP
            EXECUTE format('DELETE FROM intake.%I', name);
        END LOOP;
    END
    $$
"""


#: Settings -> app: the framework takes a tenth of a second to build the routes of a new one.
_made: dict[str, FastAPI] = {}


def app_of_environment() -> FastAPI:
    """The intake app for the settings in the environment, as if it were new."""
    settings = str(sorted(item for item in os.environ.items() if item[0].startswith("ADAL_")))
    app = _made.get(settings) or _made.setdefault(settings, create_app())
    app.state.clock = utc_now
    return app


@pytest.fixture
async def apps(environment: dict[str, str], folder: Folder) -> AsyncIterator[dict[str, FastAPI]]:
    app = app_of_environment()
    async with app.router.lifespan_context(app):
        await dev.publish_directory(app, folder)
        yield {"intake": app}


@pytest.fixture
async def http(apps: dict[str, FastAPI]) -> AsyncIterator[httpx2.AsyncClient]:
    # A failure inside must show as the answer that a caller would get.
    transport = httpx2.ASGITransport(app=apps["intake"], raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def world(apps: dict[str, FastAPI], http: httpx2.AsyncClient, folder: Folder) -> World:
    return World(apps["intake"], http, folder)


@pytest.fixture
async def reporter(world: World) -> Reporter:
    filed = await world.file_plain()
    return Reporter(filed, await world.case_id(filed["reference"]))


@pytest.fixture
def sql(database: Any) -> Iterator[Sql]:
    """Run a statement as the superuser; its rows."""
    with database.superuser() as conn:

        def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
            cursor = conn.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def failing_commit(sql: Sql) -> Callable[[str], AbstractContextManager[None]]:
    """While the context lasts, a transaction that inserts into this table fails at its COMMIT, and not before."""

    @contextmanager
    def failing(table: str) -> Iterator[None]:
        sql(
            "CREATE FUNCTION intake.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'refused at commit'; END $$"
        )
        sql(
            f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON intake.{table} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION intake.refuse()"
        )
        try:
            yield
        finally:
            sql("DROP FUNCTION intake.refuse() CASCADE")

    return failing
