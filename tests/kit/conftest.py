"""Clusters for the tests of the PostgreSQL runner."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
