"""Large attachments get through broken lines and killed servers, whole, in little memory, and leave nothing behind."""

import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.client.errors import Problem
from services.client.filing import FileAttachment, Filed, in_memory, opened, size_of
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.client.uploads import INSIDE, sealed_size
from services.crypto.attachments import seal_attachment_stream
from services.crypto.canonical import b64u
from services.crypto.errors import FormatError, Refused
from services.crypto.packages import NewAttachment
from tests.client.breaking import breaking
from tests.client.people import PASSPHRASE, PASSWORD, Team
from tests.client.test_journey import FIELDS, report
from tests.crypto.builders import identity

MIB = 1 << 20
BINARY = "application/octet-stream"


@pytest.fixture(scope="module")
def desk(team: Team) -> Iterator[StaffSession]:
    session = team.signed_in("desk.uploads", "desk")
    yield session
    session.close()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this process puts temporary files; nothing of a report stays there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def noise(size: int, seed: int) -> bytes:
    return Random(seed).randbytes(size)


def on_disk(folder: Path, data: bytes, name: str = "large.bin") -> FileAttachment:
    path = folder / name
    path.write_bytes(data)
    return FileAttachment(path, name, BINARY)


def filing(reporter: Reporter, mode: str) -> Callable[..., Filed]:
    return reporter.file_sealed if mode == "sealed" else reporter.file_plain


def downloaded(desk: StaffSession, filed: Filed, folder: Path) -> list[bytes]:
    """What the desk finds in the report, in order."""
    case = desk.case(desk.find(filed.reference).id)
    return [desk.download(case, one, folder / "desk").read_bytes() for one in case.attachments]


@given(st.integers(0, 300_000))
@example(0)
@example(1)
@example(65535)
@example(65536)
@example(65537)
@example(3 * MIB + 1)
@settings(max_examples=40, deadline=None)
def test_the_length_of_a_sealed_file_is_known_before(size: int):
    made = seal_attachment_stream([bytes(size)], size, [identity("report").recipient])
    assert sum(map(len, made)) == sealed_size(size)


@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_several_files_from_paths_streams_and_memory(
    team: Team, desk: StaffSession, tmp_path: Path, mode: str
):
    contents = [noise(5 * MIB + 3, 1), noise(4 * MIB, 2), b"", b"small"]
    stream = io.BytesIO(contents[1])
    stream.seek(77)  # a caller may have read from it
    items = [
        on_disk(tmp_path, contents[0], "құжат.bin"),
        FileAttachment(stream, "stream.bin", BINARY),
        on_disk(tmp_path, contents[2], "empty.txt"),
        NewAttachment("small.txt", "text/plain", contents[3]),
    ]
    told: list[tuple[int, int]] = []
    with team.reporter() as reporter:
        filed = filing(reporter, mode)(
            report(attachments=items), progress=lambda done, total: told.append((done, total))
        )
    assert downloaded(desk, filed, tmp_path) == contents
    totals = {total for _, total in told}
    expected = sum(map(len, contents)) if mode == "plain" else sum(sealed_size(len(one)) for one in contents)
    assert totals == {expected}
    assert told == sorted(told)  # nothing broke, so it never stepped back
    assert told[-1][0] == expected
    assert not stream.closed


@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_small_files_go_inside_the_report(
    team: Team, desk: StaffSession, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.client.reporter.Draft", None)
    data = noise(300_000, 3)
    with team.reporter() as reporter:
        filed = filing(reporter, mode)(report(attachments=[on_disk(tmp_path, data)]))
    assert downloaded(desk, filed, tmp_path) == [data]


@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_a_line_that_breaks_at_random_bytes(team: Team, desk: StaffSession, tmp_path: Path, mode: str):
    data = noise(12 * MIB + 4321, 4)
    with breaking(team.server.port, seed=len(mode)) as line, Reporter(line.url, team.roots) as reporter:
        form = reporter.form()["version"]
        told: list[int] = []

        def progress(done: int, _total: int) -> None:
            told.append(done)
            # Broken from here to the end, the filing included; few pieces of 8 MiB would get through.
            line.spread = (100_000, 6 * MIB)

        filed = filing(reporter, mode)(
            report(attachments=[on_disk(tmp_path, data)]), form=form, progress=progress
        )
        assert line.cuts >= 2
    assert told != sorted(told)
    assert downloaded(desk, filed, tmp_path) == [data]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_a_server_that_is_killed_and_started_again(team: Team, desk: StaffSession, tmp_path: Path, mode: str):
    data, server = noise(40 * MIB + 99, 5), team.server
    at = [10 * MIB, 30 * MIB]
    starts: list[threading.Thread] = []

    def progress(done: int, _total: int) -> None:
        if at and done > at[0]:
            at.pop(0)
            assert server.process is not None
            server.process.kill()
            server.process.wait()
            starts.append(threading.Thread(target=server.start))
            starts[-1].start()

    with team.reporter() as reporter:
        filed = filing(reporter, mode)(report(attachments=[on_disk(tmp_path, data)]), progress=progress)
    for start in starts:
        start.join()
    assert len(starts) == 2
    assert downloaded(desk, filed, tmp_path) == [data]


@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_a_file_above_the_limit_is_refused_before_a_byte_is_read(team: Team, tmp_path: Path, mode: str):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(3 << 30)  # no block of it exists
    with team.reporter() as reporter, pytest.raises(Problem) as caught:
        filing(reporter, mode)(report(attachments=[FileAttachment(path, "huge.bin", BINARY)]))
    assert caught.value.status == 413
    assert caught.value.detail


class Interrupted(BaseException):
    """As Ctrl-C, but not mistaken for it by the test runner."""


@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_who_stops_in_the_middle_leaves_nothing_at_the_server(team: Team, tmp_path: Path, mode: str):
    def blobs() -> list[Path]:
        return [path for path in (team.server.var / "blobs").rglob("*") if path.is_file()]

    def progress(done: int, _total: int) -> None:
        if done > 9 * MIB:
            seen.extend(set(blobs()) - before)
            raise Interrupted

    before, seen = set(blobs()), list[Path]()
    with team.reporter() as reporter, pytest.raises(Interrupted):
        filing(reporter, mode)(report(attachments=[on_disk(tmp_path, noise(20 * MIB, 6))]), progress=progress)
    assert seen
    assert not [path for path in seen if path.exists()]


@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_a_file_that_gets_shorter_while_it_is_sent_is_not_filed(team: Team, mode: str):
    items = [FileAttachment(Shrinking(noise(20 * MIB, 7)), "a", BINARY)]
    with team.reporter() as reporter, pytest.raises(Refused):
        filing(reporter, mode)(report(attachments=items))


class Shrinking(io.BytesIO):
    """Loses its end after its size was asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.truncate(15 * MIB)
        return found


@pytest.mark.parametrize(("name", "media"), [("", BINARY), ("x" * 256, BINARY), ("a.bin", "no type")])
def test_an_unusable_name_is_refused_before_anything_is_uploaded(
    team: Team, tmp_path: Path, name: str, media: str
):
    path = tmp_path / "large"
    path.write_bytes(bytes(INSIDE + 1))
    told: list[int] = []
    with team.reporter() as reporter, pytest.raises(FormatError):
        reporter.file_sealed(
            report(attachments=[FileAttachment(path, name, media)]),
            progress=lambda done, _: told.append(done),
        )
    assert told == []


def test_a_file_that_is_not_there_is_an_error_of_the_system(team: Team, tmp_path: Path):
    missing = FileAttachment(tmp_path / "missing", "a", BINARY)
    with team.reporter() as reporter, pytest.raises(FileNotFoundError):
        reporter.file_sealed(report(attachments=[missing]))


def test_attachments_are_read_from_their_start_and_say_nothing_of_themselves(tmp_path: Path):
    item = on_disk(tmp_path, b"MARKER-content", "MARKER-name")
    assert (size_of(item), in_memory(item).data) == (14, b"MARKER-content")
    with opened(item) as first, opened(item) as second:
        assert first.read() == second.read() == b"MARKER-content"
    assert "MARKER" not in repr(item)
    assert "MARKER" not in repr(report(attachments=[item]))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sealed", "plain"])
def test_memory_does_not_grow_with_the_file(team: Team, desk: StaffSession, tmp_path: Path, mode: str):
    """200 MiB up and down, each in a process of its own."""
    path, block = tmp_path / "large.bin", noise(MIB, 8)
    digest = sha256()
    with path.open("wb") as file:
        for _ in range(200):
            file.write(block)
            digest.update(block)
    sent = run_apart(team, do="upload", mode=mode, file=str(path), fields=json.dumps(FIELDS))
    got = run_apart(
        team, do="download", reference=sent["reference"], folder=str(tmp_path / "desk"),
        login="desk.uploads", password=PASSWORD, passphrase=PASSPHRASE,
    )  # fmt: skip
    with Path(got["path"]).open("rb") as file:
        assert hashlib_of(file) == digest.hexdigest()
    assert sent["growth"] < 48 * MIB
    assert got["growth"] < 24 * MIB
    case = desk.case(desk.find(sent["reference"]).id)
    assert (case.attachments[0].segments is None) == (mode == "sealed")


def hashlib_of(file: Any) -> str:
    digest = sha256()
    while chunk := file.read(MIB):
        digest.update(chunk)
    return digest.hexdigest()


def run_apart(team: Team, **order: Any) -> dict[str, Any]:
    given_order = {"url": team.server.url, "roots": [b64u(root) for root in team.roots], **order}
    found = subprocess.run(
        [sys.executable, "-m", "tests.client.measured"],
        input=json.dumps(given_order), capture_output=True, text=True, timeout=300, env=dict(os.environ),
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer
