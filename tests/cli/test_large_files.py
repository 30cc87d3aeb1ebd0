"""A large file goes from one terminal to another, although the server is killed on the way."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.cli.conftest import Outcome, Run, run_command
from tests.cli.test_form import GOOD
from tests.cli.test_journey import secrets_of, shown_of
from tests.system.conftest import Server

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One of our own: other tests do not expect theirs to be started again."""
    made = Server(tmp_path_factory.mktemp("killed"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def adal(server: Server) -> Run:
    return lambda *args, typed="": run_command("--url", server.url, "--var", server.var, *args, typed=typed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("large")
    (made / "answers.json").write_text(json.dumps({**GOOD, "answers": {"what": "A film."}}))
    (made / "photo.jpg").write_bytes(b"\xff\xd8 evidence")
    return made


def bytes_in(blobs: Path) -> int:
    total = 0
    for path in blobs.rglob("*") if blobs.exists() else ():
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # taken away while we look
    return total


class Killer(threading.Thread):
    """Kills the server once `more` bytes arrived since now, and starts it again."""

    def __init__(self, server: Server, more: int) -> None:
        super().__init__(daemon=True)
        self.server, self.blobs = server, server.var / "blobs"
        self.limit = bytes_in(self.blobs) + more
        self.killed_at = 0

    def run(self) -> None:
        end = time.monotonic() + 120
        while (found := bytes_in(self.blobs)) < self.limit and time.monotonic() < end:
            time.sleep(0.01)
        assert self.server.process is not None
        self.server.process.kill()
        self.server.process.wait()
        self.killed_at = found
        time.sleep(0.5)
        self.server.start()


@pytest.mark.slow
@pytest.mark.parametrize("mode", [(), ("--plain",)])
def test_a_report_with_a_large_file_survives_kill_9_of_the_server(
    adal: Run, server: Server, folder: Path, tmp_path: Path, mode: tuple[str, ...]
):
    desk = secrets_of(adal, folder, "desk.large", "desk", "Desk Large")
    data = Random(str(mode)).randbytes(64 * MIB + 11)
    (tmp_path / "film.mp4").write_bytes(data)
    killer = Killer(server, 20 * MIB)
    before = killer.limit - 20 * MIB
    killer.start()
    found = adal(
        "report", "file", "--answers", folder / "answers.json", "--yes", *mode,
        "--attach", tmp_path / "film.mp4", "--attach", folder / "photo.jpg",
    )  # fmt: skip
    killer.join()
    assert found.code == 0, found.err
    assert before + 20 * MIB <= killer.killed_at < before + 64 * MIB  # in the middle
    assert f"film.mp4 ({len(data)})" in found.out
    _receipt, reference = shown_of(found)
    saved: Outcome = adal("case", "download", reference, "--to", tmp_path / "got", "--secrets", desk)
    assert saved.code == 0, saved.err
    assert (tmp_path / "got" / "film.mp4").read_bytes() == data
    assert (tmp_path / "got" / "photo.jpg").read_bytes() == (folder / "photo.jpg").read_bytes()


def test_what_is_above_the_limit_of_the_server_is_refused_in_its_words(
    adal: Run, folder: Path, tmp_path: Path
):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(3 << 30)
    found = adal(
        "report", "file", "--answers", folder / "answers.json", "--yes", "--attach", tmp_path / "huge"
    )
    assert found.code == 2
    assert len(found.err.strip().splitlines()) == 1
    assert "Traceback" not in found.text
