"""Servers that a bench starts for itself, on loopback, in a temporary folder that is gone afterwards."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from services.kit.ports import free_port

#: The proof of work is the visitor's cost; it is off, so that the service is what is measured.
NO_CHALLENGE = {"ADAL_INTAKE_CHALLENGE_COST": "0"}


@contextmanager
def temporary_home(need: int = 0) -> Iterator[Path]:
    """A new folder (TMPDIR says where) with `need` bytes of free disk. Error: SystemExit when there are fewer."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < need:
        raise SystemExit(f"{need >> 20} MiB of disk are needed, {free >> 20} are free; TMPDIR names another")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end cleans up too
    with tempfile.TemporaryDirectory(prefix="adal-bench-") as name:
        home = Path(name)
        home.chmod(0o755)  # PostgreSQL does not run as root and must get in
        yield home


@contextmanager
def started(
    command: Sequence[str],
    url: str,
    env: Mapping[str, str] | None = None,
    trust: ssl.SSLContext | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that answers at `url`; ended at the end. Error: SystemExit when it does not start."""
    process = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL)
    try:
        _wait(process, url, trust)
        yield process
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], url: str, trust: ssl.SSLContext | None) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=1, context=trust).close()
        except OSError:
            time.sleep(0.1)
            if process.poll() is not None:
                break
        else:
            return
    raise SystemExit("the server did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def health(port: int) -> str:
    """The address that tells whether a service answers."""
    return f"http://127.0.0.1:{port}/healthz"


@dataclass(frozen=True)
class Served:
    """An installation as `make serve` starts it: PostgreSQL fully durable, all services in one process `pid`."""

    var: Path
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @cached_property
    def directory(self) -> dict[str, Any]:
        """The signed key directory, as JSON."""
        found: dict[str, Any] = json.loads((self.var / "dev" / "directory.json").read_text())
        return found

    @cached_property
    def roots(self) -> list[str]:
        """The pinned keys, b64u."""
        found: list[str] = json.loads((self.var / "dev" / "roots.json").read_text())["roots"]
        return found


@contextmanager
def served(var: Path, settings: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A fresh installation in `var`, without proof of work, with further `settings` as environment variables."""
    port = free_port()
    command = [sys.executable, "-m", "services.dev", "--port", str(port), "--var", str(var)]
    with started(command, health(port), {**NO_CHALLENGE, **(settings or {})}) as process:
        yield Served(var, port, process.pid)


@contextmanager
def empty_route() -> Iterator[tuple[int, int]]:
    """The port and the process of an empty FastAPI service."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.empty:app", "--port", str(port), "--no-access-log"]
    with started([*command, "--log-level", "critical"], health(port)) as process:
        yield port, process.pid
