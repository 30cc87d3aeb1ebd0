"""Helpers for tests that start, kill and question real PostgreSQL clusters."""

import contextlib
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from services.kit import postgres_processes
from services.kit.postgres import Cluster, RunningCluster

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc or prctl")


def value(cluster: RunningCluster, query: str) -> object:
    with psycopg.connect(cluster.superuser_conninfo()) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def setting(cluster: RunningCluster, name: str) -> object:
    return value(cluster, f"SELECT current_setting('{name}')")


def pid_of(cluster: RunningCluster) -> int:
    assert cluster.pid is not None
    return cluster.pid


def until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def servers(folder: Path) -> frozenset[int]:
    return postgres_processes.servers_on(Cluster(folder).data)


PREAMBLE = """
import os, signal, sys
from pathlib import Path
from services.kit.postgres import ensure_cluster
folder = Path(sys.argv[1])
"""


@contextlib.contextmanager
def start(script: str, folder: Path, *prefix: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs `script`; killed in the end."""
    code = PREAMBLE + textwrap.dedent(script)
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(script: str, folder: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    with start(script, folder, *prefix) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


HOLD = """
cluster = ensure_cluster(folder, durable=False)
print(cluster.pid, flush=True)
signal.pause()
"""


@contextlib.contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which runs the cluster."""
    with start(HOLD, folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        yield process
