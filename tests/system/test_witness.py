"""Two witnesses as two processes beside a real server: the quorum is reached, and a rolled-back log is caught."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from services.cli.here import Here
from services.client.directory import INTAKE
from services.client.http import Http
from services.client.log import Standing, verify_log
from services.client.witness import STATE
from services.crypto import tlog
from services.crypto.notes import split_note
from tests.system.conftest import Server
from tests.system.office import REPOSITORY, new_report

TERM = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Place:
    """A server, and the folders of two witnesses."""

    server: Server
    folders: tuple[Path, Path]

    @property
    def here(self) -> Here:
        return Here(self.server.url, self.server.var, None)

    def command(self, *args: object) -> list[str]:
        at = ["--url", self.server.url, "--var", str(self.server.var)]
        return [sys.executable, "-m", "services.cli.main", *at, *map(str, args)]

    def adal(self, *args: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args), cwd=REPOSITORY, env=clean(), capture_output=True, text=True, check=False
        )

    def done(self, *args: object) -> str:
        found = self.adal(*args)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    def checkpoint(self) -> str:
        http = Http(self.server.url)
        try:
            return http.get(f"{INTAKE}/log/checkpoint").body.decode()
        finally:
            http.close()


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ADAL_")} | {"LANG": "C"}


def running(place: Place, folder: Path) -> subprocess.Popen[str]:
    """`adal witness run`, as an operator starts it."""
    return subprocess.Popen(
        place.command("witness", "run", "--folder", folder, "--every", "0.2"),
        cwd=REPOSITORY, env=clean(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def until_signed_by(place: Place, count: int, above: int) -> int:
    """The size of the newest head above a size, once so many witnesses stand under it. The server publishes too."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        note = place.checkpoint()
        text, lines = split_note(note)
        if (size := tlog.Checkpoint.parse(text).size) > above and len(lines) == count + 1:
            return size
        time.sleep(0.1)
    raise AssertionError(place.checkpoint())


@pytest.fixture(scope="module")
def place(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = tmp_path_factory.mktemp("witnesses")
    found = Place(server, (made / "one", made / "two"))
    for number, folder in enumerate(found.folders, 1):
        found.done("witness", "key", f"witness.example/{number}", "--folder", folder)
        assert (folder / STATE).stat().st_mode & 0o777 == 0o600
        assert "names the witness" in found.done("witness", "enrol-development", "--folder", folder)
    return found


def superuser(server: Server) -> psycopg.Connection:
    from services.kit.postgres import ensure_cluster

    with ensure_cluster(server.var / "postgres") as cluster:
        return psycopg.connect(cluster.superuser_conninfo("adal"), autocommit=True)


def test_two_witnesses_make_a_head_witnessed_and_catch_a_log_that_is_rolled_back(place: Place) -> None:
    with place.here.reporter() as reporter:
        filed = reporter.file_sealed(new_report(reporter, "witnessed", "anonymous"))
        place.done("jobs", "run", "intake.publish-log")
        found = reporter.check_log_inclusion(filed)
        assert found is not None
        assert found.standing is Standing.NOT_YET, "nobody has looked yet, and 48 hours are not over"

        with ExitStack() as stack:
            processes = [stack.enter_context(running(place, folder)) for folder in place.folders]
            try:
                first = until_signed_by(place, 2, 0)
                found = reporter.check_log_inclusion(filed)
                assert found is not None
                assert found.witnessed
                assert verify_log(reporter.http, reporter.directories).standing is Standing.WITNESSED
                place.done("jobs", "run", "intake.publish-log")
                second = until_signed_by(place, 2, first)
                assert place.adal("witness", "once", "--folder", place.folders[0]).returncode == 1, (
                    "one at a time"
                )
            finally:
                for process, how in zip(processes, TERM, strict=True):
                    process.send_signal(how)
                outputs = [process.communicate(timeout=30)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], outputs
        assert all(str(second) in output for output in outputs)

        saved = place.server.home / "filed.json"
        saved.write_text(json.dumps(filed.to_json()))
        assert "independent witnesses" in place.done("inbox", "check", "--saved", saved)
        assert "independent witnesses" in place.done("log", "verify")

    # Somebody restores yesterday's database: the newest head is gone.
    with superuser(place.server) as conn:
        conn.execute("DELETE FROM intake.log_cosignatures WHERE size > %s", [first])
        conn.execute("DELETE FROM intake.log_checkpoints WHERE size > %s", [first])
    refused = place.adal("witness", "run", "--folder", place.folders[0], "--every", "0.2")
    assert refused.returncode == 1, refused.stdout
    assert "rolled back" in refused.stderr
    evidence = json.loads(next(place.folders[0].glob("evidence-*.json")).read_text())
    sizes = [tlog.Checkpoint.parse(split_note(evidence[name])[0]).size for name in ("known", "shown")]
    assert sizes[1] == first < second <= sizes[0]
    assert place.adal("log", "verify").returncode == 1, "a client that remembers refuses it too"
