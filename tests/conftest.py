"""One real PostgreSQL for each test process, migrated once; every test that touches it leaves it empty."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from services import dev, first_run
from services.first_run import Folder
from services.kit.postgres import RunningCluster, ensure_cluster

#: Rows that migrations put there and every test needs.
SEEDED = {"mci_values", "publication", "alembic_version"}


@dataclass(frozen=True)
class Database:
    """The test database: URLs of all logins, and the superuser for what no login may do."""

    cluster: RunningCluster
    urls: dict[str, str]

    def url(self, service: str, owner: bool = False) -> str:
        return self.urls[f"ADAL_{service.upper()}_{'OWNER_' if owner else ''}DATABASE_URL"]

    def superuser(self) -> psycopg.Connection:
        return psycopg.connect(self.cluster.superuser_conninfo("adal"), autocommit=True)

    def empty(self) -> None:
        """Delete every row that a test made."""
        with self.superuser() as conn:
            rows = conn.execute(
                "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables "
                "WHERE schemaname = ANY(%s) AND NOT tablename = ANY(%s)",
                [list(first_run.SERVICES), list(SEEDED)],
            ).fetchall()
            conn.execute("TRUNCATE " + ", ".join(name for (name,) in rows))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """`var` of a test installation: keys, directory, blobs."""
    made = Folder(tmp_path_factory.mktemp("var"))
    made.prepare()
    return made


@pytest.fixture(scope="session")
def migrated(folder: Folder) -> Iterator[Database]:
    with ensure_cluster(folder.var / "postgres", durable=False) as cluster:
        yield Database(cluster, first_run.prepare_database(cluster, folder))


@pytest.fixture
def database(migrated: Database) -> Iterator[Database]:
    yield migrated
    migrated.empty()


@pytest.fixture
def environment(database: Database, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of the four services, in the environment; proof of work off unless a test turns it on."""
    first_run.directory(folder, first_run.now())
    found = first_run.environment(folder, database.urls) | {"ADAL_INTAKE_CHALLENGE_COST": "0"}
    for name in [name for name in os.environ if name.startswith("ADAL_")]:
        monkeypatch.delenv(name)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
async def apps(environment: dict[str, str], folder: Folder) -> AsyncIterator[dict[str, FastAPI]]:
    """The four services, started, with the development directory in force."""
    made = dev.make_apps()
    async with AsyncExitStack() as stack:
        for app in made.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        await dev.publish_directory(made["intake"], folder)
        yield made


@pytest.fixture
async def http(apps: dict[str, FastAPI]) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of all four behind the development gateway."""
    transport = httpx2.ASGITransport(app=dev.Gateway(apps))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[1]
