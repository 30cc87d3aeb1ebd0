"""Clusters for the tests of the PostgreSQL runner, and a sample schema for what needs a database."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.kit.clock import utc_now
from services.kit.db import make_engine
from services.kit.postgres import RunningCluster, ensure_cluster


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    """A cluster made once and stopped, to be copied: initdb takes most of the time."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    try:
        ensure_cluster(folder / "c", durable=False).stop()
        yield folder / "c"
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def stopped(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A stopped cluster of one's own. The copy is ours; root hands it over at the start."""
    yield Path(shutil.copytree(made, tmp_path / "c", symlinks=True))
    shutil.rmtree(tmp_path / "c")


@pytest.fixture(scope="module")
def running(made: Path) -> Iterator[RunningCluster]:
    """A running cluster for tests that leave it running."""
    with ensure_cluster(made.parent / "running", durable=False) as cluster:
        yield cluster


@pytest.fixture
def sample(database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A schema that no service has, with the tables that the kit expects, for the login `adal_registry`; its URL."""
    for name in [name for name in os.environ if name.startswith("ADAL_")]:
        monkeypatch.delenv(name)
    with database.superuser() as conn:
        conn.execute(
            "CREATE SCHEMA sample "
            "CREATE TABLE alembic_version (version_num text) "
            "CREATE TABLE things (id uuid PRIMARY KEY, word text UNIQUE) "
            "CREATE TABLE job_runs (name text PRIMARY KEY, started timestamptz NOT NULL, finished timestamptz, "
            "done int NOT NULL, error text NOT NULL) "
            "CREATE TABLE idempotency_keys (key_hash bytea PRIMARY KEY, fingerprint bytea NOT NULL, answer bytea, "
            "expires timestamptz NOT NULL)"
        )
        conn.execute("GRANT USAGE ON SCHEMA sample TO adal_registry")
        conn.execute("GRANT ALL ON ALL TABLES IN SCHEMA sample TO adal_registry")
        yield database.url("registry")
        conn.execute("DROP SCHEMA sample CASCADE")


@pytest.fixture
async def state(sample: str) -> AsyncIterator[SimpleNamespace]:
    """What the kit needs of `app.state`, with a real engine."""
    engine = make_engine(sample, 8)
    yield SimpleNamespace(engine=engine, schema="sample", clock=utc_now)
    await engine.dispose()
