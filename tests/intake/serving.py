"""The intake service as a process of its own, on loopback: what can be killed, measured and cut off."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from services.kit.ports import free_port


@dataclass
class Process:
    """`uvicorn services.intake.app:create_app` with the environment of a test."""

    environment: dict[str, str]
    output: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout: float = 60) -> None:
        command = [sys.executable, "-m", "uvicorn", "--factory", "services.intake.app:create_app"]
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-access-log", "--loop", "uvloop"]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *options],
                env={**os.environ, **self.environment},
                cwd=Path(__file__).parents[2],
                stdout=output,
                stderr=output,
            )
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                if httpx2.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            except httpx2.TransportError:
                assert self._process.poll() is None, self.output.read_text()
            time.sleep(0.05)
        raise AssertionError(self.output.read_text())

    def kill(self) -> None:
        """`kill -9`, and wait until it is dead."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)

    def status(self, name: str) -> int:
        """A line of the kernel's status of the process in bytes, for example `VmRSS` or `VmHWM`."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))
