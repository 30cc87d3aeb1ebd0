"""The log under faults: published by a process of its own, which is killed too; it must verify and only grow."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from services.client.errors import Problem
from services.client.log import verify_log
from services.client.memory import Memory
from services.client.reporter import Reporter
from services.crypto.canonical import unb64u
from services.crypto.errors import CryptoError
from tests.system.conftest import Server

ROOT = Path(__file__).parents[2]
_HALF = """
    SELECT count(*) FROM intake.log_entries WHERE position >= (SELECT coalesce(max(size), 0) FROM intake.log_checkpoints)
"""
_TWICE = "SELECT count(*) - count(DISTINCT leaf) FROM intake.log_entries"


@dataclass
class Publisher:
    """Runs `adal jobs run intake.publish-log`; remembers what the log looked like, as a client does."""

    server: Server
    memory: Memory | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin to publish everything that waits."""
        command = [sys.executable, "-m", "services.cli.main", "--var", str(self.server.var)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ADAL_")}
        self.process = subprocess.Popen(
            [*command, "jobs", "run", "intake.publish-log"],
            cwd=ROOT,
            env=clean,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self, kill: bool) -> bool:
        """End it, at once or when it is through; whether it said that everything was published."""
        if self.process is None:
            return False
        if kill:
            self.process.kill()
        try:
            return self.process.wait(60) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        finally:
            self.process = None

    def wrong(self, conn: psycopg.Connection) -> str:
        """What is wrong with the log after a restart, or an empty text."""
        for query, text in ((_HALF, "entries without a checkpoint"), (_TWICE, "an entry twice")):
            row = conn.execute(query.encode()).fetchone()
            if row is None or row[0]:
                return f"the log has {text}"
        return self._unverified()

    def _unverified(self) -> str:
        roots = [unb64u(root, 32) for root in self._roots()]
        self.memory = self.memory or Memory(roots)
        with Reporter(self.server.url, roots, memory=self.memory) as reporter:
            try:
                verify_log(reporter.http, reporter.directories)
            except CryptoError:
                return "the log does not verify"
            except Problem as exc:
                return "" if exc.slug == "not-published" else "the log cannot be read"
        return ""

    def _roots(self) -> list[str]:
        found: list[str] = json.loads((self.server.var / "dev" / "roots.json").read_text())["roots"]
        return found
