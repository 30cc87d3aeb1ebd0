"""The blob store on a real folder, including a full disk and cancelled writes."""

import asyncio
import errno
import os
import resource
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit.blobs import CHUNK, BlobNotFoundError, LocalBlobs

ROOT = Path(__file__).parents[2]
DAY = 86_400


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "store")


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


async def slowly(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.binary(max_size=200), max_size=5), start=st.integers(0, 1000))
def test_what_was_put_is_read_back_from_any_offset(
    blobs: LocalBlobs, chunks: list[bytes], start: int
) -> None:
    whole = b"".join(chunks)
    name = blobs.put(iter(chunks))
    assert blobs.read(name) == whole
    assert blobs.size(name) == len(whole)
    start = min(start, len(whole))
    assert b"".join(blobs.open_stream(name, start)) == whole[start:]


def test_bytes_are_stored_as_one_piece(blobs: LocalBlobs) -> None:
    assert blobs.read(blobs.put(b"one piece")) == b"one piece"


def test_a_long_blob_is_streamed_in_bounded_chunks(blobs: LocalBlobs) -> None:
    whole = os.urandom(2 * CHUNK + 17)
    chunks = list(blobs.open_stream(blobs.put(whole), 5))
    assert b"".join(chunks) == whole[5:]
    assert max(map(len, chunks)) == CHUNK


@pytest.mark.parametrize("start", [-1, 4])
def test_a_start_outside_the_blob_is_refused_before_reading(blobs: LocalBlobs, start: int) -> None:
    name = blobs.put(b"abc")
    with pytest.raises(ValueError):
        blobs.open_stream(name, start)
    assert list(blobs.open_stream(name, 3)) == []


def test_equal_content_gets_different_names(blobs: LocalBlobs) -> None:
    names = {blobs.put(b"same") for _ in range(50)}
    assert len(names) == 50
    assert set(blobs.names()) == names


def test_files_are_private_and_their_names_tell_nothing(blobs: LocalBlobs, tmp_path: Path) -> None:
    name = blobs.put(b"x")
    (path,) = files(tmp_path)
    assert path == tmp_path / "store" / name[:2] / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


def test_file_and_folder_times_tell_the_day_only(blobs: LocalBlobs, tmp_path: Path) -> None:
    name = blobs.put(b"x")
    blobs.read(name)
    (path,) = files(tmp_path)
    for state in (path.stat(), path.parent.stat()):
        assert state.st_mtime % DAY == 0
        assert 0 <= time.time() - state.st_mtime < 2 * DAY
    assert path.stat().st_atime % DAY == 0


def test_deleting_removes_the_file_and_says_whether_it_was_there(blobs: LocalBlobs, tmp_path: Path) -> None:
    name = blobs.put(b"x")
    assert blobs.delete(name) is True
    assert files(tmp_path) == []
    assert (tmp_path / "store" / name[:2]).stat().st_mtime % DAY == 0
    assert blobs.delete(name) is False


def test_an_unknown_name_is_not_found(blobs: LocalBlobs) -> None:
    absent = "0" * 32
    with pytest.raises(BlobNotFoundError):
        blobs.read(absent)
    with pytest.raises(BlobNotFoundError):
        blobs.size(absent)
    with pytest.raises(BlobNotFoundError):
        blobs.open_stream(absent)


def test_a_blob_deleted_before_the_first_chunk_is_not_found(blobs: LocalBlobs) -> None:
    name = blobs.put(b"x")
    stream = blobs.open_stream(name)
    blobs.delete(name)
    with pytest.raises(BlobNotFoundError):
        next(stream)


BAD_NAMES = [
    "",
    "a",
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "a" * 31,
    "a" * 33,
    "A" * 32,
    "a" * 32 + "\n",
    "a" * 32 + ".part",
    "aa/" + "a" * 29,
    "a" * 31 + "\0",
    "１" * 32,
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_anything_but_a_name_is_refused_without_being_quoted(blobs: LocalBlobs, name: str) -> None:
    for use in (blobs.read, blobs.size, blobs.delete, blobs.open_stream):
        with pytest.raises(ValueError) as caught:
            use(name)
        assert str(caught.value) == "not a blob name"


def test_a_link_in_place_of_a_blob_is_not_followed(blobs: LocalBlobs, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    name = blobs.put(b"x")
    (path,) = files(tmp_path)
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(OSError) as caught:
        blobs.read(name)
    assert caught.value.errno == errno.ELOOP


def test_a_failing_source_leaves_nothing(blobs: LocalBlobs, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        blobs.put(broken())
    assert files(tmp_path) == []
    assert list(blobs.names()) == []


@pytest.mark.parametrize("pieces", [1, 64])
def test_a_file_size_limit_leaves_nothing(blobs: LocalBlobs, tmp_path: Path, pieces: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(OSError) as caught:
            blobs.put(bytes(128 * 1024 // pieces) for _ in range(pieces))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert files(tmp_path) == []
    assert blobs.read(blobs.put(b"room again")) == b"room again"


FULL_DISK = """
    import errno, os, sys
    from pathlib import Path
    from services.kit.blobs import LocalBlobs

    folder = Path(sys.argv[1])
    blobs = LocalBlobs(folder)
    kept = blobs.put(b"kept")
    try:
        blobs.put(bytes(4096) for _ in range(1000))
    except OSError as error:
        assert error.errno == errno.ENOSPC
    else:
        raise SystemExit("the disk was not full")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [kept]
    assert blobs.read(blobs.put(bytes(8192))) == bytes(8192)
    print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_a_full_disk_leaves_nothing_and_room_for_the_next(tmp_path: Path) -> None:
    enter = ["unshare", "--mount", "--map-root-user"]
    mount = f'mount -t tmpfs -o size=256k tmpfs "{tmp_path}"'
    if subprocess.run([*enter, "sh", "-c", mount], capture_output=True).returncode != 0:
        pytest.skip("no private mounts here")
    script = 'exec "$0" -c "$1" "$2"'
    result = subprocess.run(
        [*enter, "sh", "-c", f"{mount} && {script}", sys.executable, textwrap.dedent(FULL_DISK), tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.stdout == "done\n", result.stderr


def test_sweep_removes_old_parts_and_nothing_else(blobs: LocalBlobs, tmp_path: Path) -> None:
    name = blobs.put(b"whole")
    left = tmp_path / "store" / name[:2] / ("a" * 32 + ".part")
    left.write_bytes(b"half")
    os.utime(left, (0, 0))  # rounded or old modification times do not make a running upload old
    assert blobs.sweep(timedelta(hours=1)) == 0
    assert list(blobs.names()) == [name]
    assert blobs.sweep(timedelta(0)) == 1
    assert not left.exists()
    assert blobs.read(name) == b"whole"


def test_names_can_leave_out_young_blobs(blobs: LocalBlobs) -> None:
    name = blobs.put(b"x")
    assert list(blobs.names(timedelta(hours=1))) == []
    assert list(blobs.names()) == [name]


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from services.kit.blobs import LocalBlobs

    def chunks():
        yield bytes(100_000)
        os.kill(os.getpid(), signal.SIGKILL)

    LocalBlobs(Path(sys.argv[1])).put(chunks())
"""


def test_a_killed_writer_leaves_a_part_that_is_no_blob_and_is_swept(
    blobs: LocalBlobs, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), tmp_path / "store"], cwd=ROOT)
    (left,) = files(tmp_path)
    assert left.suffix == ".part"
    assert list(blobs.names()) == []
    assert blobs.sweep(timedelta(0)) == 1
    assert files(tmp_path) == []


@pytest.mark.anyio
async def test_the_async_calls_do_the_same(blobs: LocalBlobs) -> None:
    name = await blobs.put_async(slowly(b"ab", b"", b"cd"))
    assert await blobs.read_async(name) == b"abcd"
    assert await blobs.size_async(name) == 4
    assert b"".join([chunk async for chunk in await blobs.open_stream_async(name, 1)]) == b"bcd"
    assert await blobs.delete_async(name) is True
    with pytest.raises(BlobNotFoundError):
        await blobs.open_stream_async(name)
    assert blobs.read(await blobs.put_async(b"bytes")) == b"bytes"


@pytest.mark.anyio
async def test_many_writers_at_once_do_not_disturb_each_other(blobs: LocalBlobs) -> None:
    contents = [os.urandom(1000) for _ in range(30)]
    names = await asyncio.gather(*(blobs.put_async(slowly(one[:300], one[300:])) for one in contents))
    assert [blobs.read(name) for name in names] == contents


@pytest.mark.anyio
async def test_a_failing_async_source_leaves_nothing(blobs: LocalBlobs, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await blobs.put_async(broken())
    assert files(tmp_path) == []


@pytest.mark.anyio
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13])
async def test_a_cancelled_write_leaves_nothing(blobs: LocalBlobs, tmp_path: Path, turns: int) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)

    task = asyncio.create_task(blobs.put_async(endless()))
    for _ in range(turns):
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


@pytest.mark.anyio
async def test_a_write_cancelled_at_any_moment_is_either_named_or_gone(
    blobs: LocalBlobs, tmp_path: Path
) -> None:
    named = set()
    for step in range(40):
        task = asyncio.create_task(blobs.put_async(b"short"))
        await asyncio.sleep(step * 0.0002)
        task.cancel()
        try:
            named.add(await task)
        except asyncio.CancelledError:
            continue
    assert {path.name for path in files(tmp_path)} == named
