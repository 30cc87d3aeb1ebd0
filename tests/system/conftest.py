"""A separately started installation, as `make serve` starts it, for tests that talk HTTP only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from services.kit.ports import free_port


@dataclass
class Server:
    """One run of `python -m services.dev`: its folder, its port, and everything it printed."""

    home: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=lambda: {"ADAL_INTAKE_CHALLENGE_COST": "10"})
    process: subprocess.Popen[bytes] | None = None

    @property
    def var(self) -> Path:
        return self.home / "var"

    @property
    def output(self) -> Path:
        return self.home / "output"

    @property
    def temporary(self) -> Path:
        return self.home / "tmp"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self, timeout: float = 90) -> float:
        """Start and wait until it answers; the seconds that took."""
        if self.process is not None:
            self.process.wait(30)
        self.temporary.mkdir(exist_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ADAL_")}
        begun = time.monotonic()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.dev", "--port", str(self.port), "--var", str(self.var)],
                env={**clean, **self.settings, "TMPDIR": str(self.temporary)},
                cwd=Path(__file__).parents[2],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while time.monotonic() - begun < timeout:
            try:
                if httpx2.get(f"{self.url}/api/intake/v1/key-directory", timeout=2).status_code == 200:
                    return time.monotonic() - begun
            except httpx2.TransportError:
                assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.05)
        raise AssertionError(self.output.read_text())

    def stop(self) -> None:
        """Ctrl-C, and wait for a clean end."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    made.start()
    yield made
    made.stop()
