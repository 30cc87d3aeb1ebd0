"""An archive made piece by piece is one that stock tools read, whatever the sizes and names."""

import hashlib
import io
import json
import subprocess
import tarfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.tarring import MANIFEST, SUMS, Member, tar_stream
from services.crypto.errors import Refused

DAY = date(2026, 11, 25)
NAMES = st.lists(st.text("abcқғ0-", min_size=1, max_size=120), unique=True, max_size=5)


def archive(*members: Member) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(members, DAY))))


def read(found: tarfile.TarFile, name: str) -> bytes:
    file = found.extractfile(name)
    assert file is not None
    return file.read()


@given(NAMES, st.lists(st.binary(max_size=3000), min_size=5, max_size=5))
@settings(max_examples=60, deadline=None)
def test_every_member_comes_out_as_it_went_in(names: list[str], contents: list[bytes]):
    given_files = dict(zip(names, contents, strict=False))
    found = archive(*(Member.of(name, data) for name, data in given_files.items()))
    assert found.getnames() == [*given_files, MANIFEST, SUMS]
    for name, data in given_files.items():
        assert read(found, name) == data
    lines = json.loads(read(found, MANIFEST))["files"]
    assert {line["name"]: line["sha256"] for line in lines} == {
        name: hashlib.sha256(data).hexdigest() for name, data in given_files.items()
    }


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10_240])
def test_borders_of_blocks(size: int):
    data = b"x" * size
    whole = b"".join(tar_stream([Member.of("f", data)], DAY))
    assert len(whole) % 10_240 == 0
    assert read(archive(Member.of("f", data)), "f") == data


def test_files_are_private_and_carry_a_day_and_no_person():
    (first, *_rest) = archive(Member.of("f", b"x")).getmembers()
    assert (first.mode, first.uid, first.gid, first.uname, first.gname) == (0o600, 0, 0, "", "")
    assert datetime.fromtimestamp(first.mtime, UTC) == datetime(2026, 11, 25, tzinfo=UTC)


def test_stock_tar_and_sha256sum_take_it(tmp_path: Path):
    path = tmp_path / "package.tar"
    members = [Member.of("attachments/001-Құжат №5.pdf", b"pdf"), Member.of("ә" * 120, b"long")]
    path.write_bytes(b"".join(tar_stream(members, DAY)))
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    subprocess.run(["tar", "-xf", path, "-C", tmp_path], check=True, env=environment)
    done = subprocess.run(
        ["sha256sum", "-c", SUMS], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == 3


@pytest.mark.parametrize("data", [b"ab", b"abcd"])
def test_a_member_of_another_size_stops_everything(data: bytes):
    member = Member("f", 3, Member.of("f", data).open)
    with pytest.raises(Refused):
        b"".join(tar_stream([member], DAY))


def test_a_large_member_takes_no_memory():
    size, piece = 200 << 20, bytes(1 << 16)

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield (piece for _ in range(size // len(piece)))

    tracemalloc.start()
    try:
        total = sum(len(chunk) for chunk in tar_stream([Member("large", size, opened)], DAY))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > size
    assert most < 4 << 20
