"""A growing file keeps what was flushed, forgets the rest when told, and has one writer at a time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from services.kit.appending import AppendingFile, BusyError, LostBytesError
from services.kit.blobs import BlobNotFoundError, LocalBlobs
from services.kit.threads import in_thread

pytestmark = pytest.mark.anyio


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def path_of(tmp_path: Path, name: str) -> Path:
    return tmp_path / "blobs" / name[:2] / name


def test_a_new_growing_blob_is_an_empty_private_file_under_a_random_name(blobs: LocalBlobs, tmp_path: Path):
    one, two = blobs.start(), blobs.start()
    assert one.name != two.name
    assert blobs.read(one.name) == b""
    assert path_of(tmp_path, one.name).stat().st_mode & 0o777 == 0o600
    assert set(blobs.names()) == {one.name, two.name}


def test_bytes_are_appended_across_openings(blobs: LocalBlobs):
    file = blobs.start()
    file.write(b"one ")
    file.flush()
    file.close()
    again = blobs.grow(file.name)
    again.cut(4)
    again.write(b"two")
    again.flush()
    again.close()
    assert blobs.read(file.name) == b"one two"
    assert blobs.digest(file.name) == sha256(b"one two").digest()
    assert (blobs.head(file.name, 3), blobs.head(file.name, 99)) == (b"one", b"one two")


def test_a_cut_forgets_what_came_after(blobs: LocalBlobs):
    file = blobs.start()
    file.write(b"kept, and lost")
    file.cut(4)
    file.write(b"!")
    file.close()
    assert blobs.read(file.name) == b"kept!"


def test_a_file_that_is_shorter_than_it_should_be_is_not_filled_with_zeros(blobs: LocalBlobs):
    file = blobs.start()
    file.write(b"short")
    with pytest.raises(LostBytesError):
        file.cut(6)
    file.close()
    assert blobs.read(file.name) == b"short"


def test_a_second_writer_is_refused_and_let_in_after_the_first(blobs: LocalBlobs):
    file = blobs.start()
    with pytest.raises(BusyError):
        blobs.grow(file.name)
    file.close()
    file.close()
    blobs.grow(file.name).close()


def test_a_writer_in_another_process_is_refused_and_its_death_frees_the_file(
    blobs: LocalBlobs, tmp_path: Path
):
    file = blobs.start()
    file.close()
    script = (
        "import sys, time; from pathlib import Path; from services.kit.appending import AppendingFile;"
        "held = AppendingFile.reopen(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    path = path_of(tmp_path, file.name)
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert other.stdout is not None
    with other.stdout:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BusyError):
            blobs.grow(file.name)
        other.kill()
        other.wait()
    blobs.grow(file.name).close()


def test_flushing_reaches_the_disk_and_rounds_the_times(
    blobs: LocalBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    order: list[str] = []
    fsync, utime = os.fsync, os.utime

    def seen(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def told(*arguments: Any) -> None:
            order.append(name)
            call(*arguments)

        return told

    monkeypatch.setattr(os, "fsync", seen("fsync", fsync))
    monkeypatch.setattr(os, "utime", seen("utime", utime))
    file = blobs.start()
    # The file, its folder and the folder above, since each may be new.
    assert order.count("fsync") == 3
    order.clear()
    file.write(b"x")
    file.flush()
    assert order == ["utime", "fsync"]
    file.close()
    found = path_of(tmp_path, file.name).stat()
    assert found.st_mtime % 86_400 == found.st_atime % 86_400 == 0
    assert time.time() - found.st_mtime < 2 * 86_400


def test_a_creation_that_fails_leaves_nothing(blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch):
    def broken(_: Any) -> None:
        raise OSError(5, "broken")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="broken"):
            blobs.start()
    assert list(blobs.names()) == []


def test_short_writes_are_completed(blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch):
    file, write = blobs.start(), os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    file.write(b"0123456789")
    file.close()
    assert blobs.read(file.name) == b"0123456789"


def test_neither_links_nor_missing_files_are_opened(blobs: LocalBlobs, tmp_path: Path):
    target = tmp_path / "elsewhere"
    target.write_bytes(b"not ours")
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        AppendingFile.reopen(link)
    with pytest.raises(BlobNotFoundError):
        blobs.grow("0" * 32)
    with pytest.raises(ValueError, match="name"):
        blobs.grow("../elsewhere")


async def test_several_blobs_are_deleted_at_once(blobs: LocalBlobs):
    names = [blobs.put(b"x"), blobs.put(b"y")]
    kept = blobs.put(b"z")
    assert await blobs.delete_all([*names, "0" * 32]) == 2
    assert list(blobs.names()) == [kept]


def test_free_bytes_are_those_of_the_disk(blobs: LocalBlobs, tmp_path: Path):
    found = os.statvfs(tmp_path)
    assert abs(blobs.free() - found.f_bavail * found.f_frsize) < 4 << 30
    assert list(blobs.names(timedelta(days=1))) == []


async def test_work_in_a_thread_gives_its_result_or_its_error():
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)
