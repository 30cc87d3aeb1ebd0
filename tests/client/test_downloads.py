"""Files of strangers get harmless names, private modes, and appear only whole."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.downloads import MAX_BYTES, file_name, save
from services.client.sealing import seal_files
from services.crypto.attachments import Envelope, open_attachment_stream
from services.crypto.canonical import unb64
from services.crypto.errors import FormatError, Refused
from services.crypto.packages import NewAttachment
from tests.crypto.builders import identity


def named(name: str) -> str:
    return file_name(Envelope(0, name, "text/plain", 0, None, bytes(32)))


@given(st.text(min_size=1, max_size=255))
@settings(max_examples=100, deadline=None)
def test_no_name_leaves_its_folder_hides_or_drives_a_terminal(name: str):
    made = named(name)
    assert made
    assert not set(made) & set('/\\:<>"|?*')
    assert made not in (".", "..")
    assert not made.startswith((".", "-", "~"))
    assert not any(unicodedata.category(char)[0] == "C" for char in made)
    assert len(made.encode()) <= MAX_BYTES


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("photo.jpg", "photo.jpg"),
        ("Құжат №5.pdf", "Құжат №5.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("/absolute", "absolute"),
        (".bashrc", "bashrc"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("a\x1b[31mred.txt", "a[31mred.txt"),
        ("line\nbreak", "linebreak"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("-rf", "_-rf"),
        ("what?.txt", "what_.txt"),
        ("\u200b", "attachment-1"),
        ("...", "attachment-1"),
    ],
)
def test_names(given_name: str, expected: str):
    assert named(given_name) == expected


def test_a_long_name_keeps_its_suffix_and_whole_letters():
    made = named("қ" * 240 + ".pdf")
    assert made.endswith("қ.pdf")
    assert len(made.encode()) <= MAX_BYTES
    assert named("a" * 255) == "a" * MAX_BYTES
    assert named("a." + "b" * 250) == ("a." + "b" * 250)[:MAX_BYTES]


def test_a_file_is_private_and_nothing_else_stays(tmp_path: Path):
    folder = tmp_path / "new"
    path = save(iter([b"ab", b"c"]), folder, "name.txt")
    assert path == folder / "name.txt"
    assert path.read_bytes() == b"abc"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == [path]


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path):
    (tmp_path / "name.txt").write_text("mine")
    (tmp_path / "plain").symlink_to("/etc/hostname")
    paths = [save(iter([b"new"]), tmp_path, "name.txt") for _ in range(2)]
    assert [path.name for path in paths] == ["name (2).txt", "name (3).txt"]
    assert (tmp_path / "name.txt").read_text() == "mine"
    assert save(iter([b"new"]), tmp_path, "plain").name == "plain (2)"


def test_nothing_is_left_when_the_source_fails(tmp_path: Path):
    def broken() -> Iterator[bytes]:
        yield b"some bytes"
        raise FormatError("cut")

    with pytest.raises(FormatError):
        save(broken(), tmp_path, "name.txt")
    assert list(tmp_path.iterdir()) == []


def sealed_file(data: bytes) -> tuple[bytes, Envelope]:
    sealed = seal_files([NewAttachment("a.bin", "application/pdf", data)], [identity("x").recipient])
    return unb64(sealed.files[0]), Envelope.from_json(sealed.lines[0])


@pytest.mark.parametrize("size", [0, 1, 65_536, 200_000])
def test_a_sealed_attachment_lands_whole(tmp_path: Path, size: int):
    data = os.urandom(size)
    file, envelope = sealed_file(data)
    path = save(open_attachment_stream([file], envelope, identity("x")), tmp_path, file_name(envelope))
    assert path.read_bytes() == data


@pytest.mark.parametrize("damage", ["cut", "flip", "other"])
def test_a_damaged_attachment_never_appears(tmp_path: Path, damage: str):
    file, envelope = sealed_file(os.urandom(200_000))
    if damage == "cut":
        file = file[:-1000]
    if damage == "flip":
        file = file[:150_000] + bytes([file[150_000] ^ 1]) + file[150_001:]
    if damage == "other":
        file, _ = sealed_file(os.urandom(200_000))
    with pytest.raises((FormatError, Refused)):
        save(open_attachment_stream([file], envelope, identity("x")), tmp_path, file_name(envelope))
    assert list(tmp_path.iterdir()) == []


def test_an_attachment_for_two_readers_opens_for_both():
    sealed = seal_files(
        [NewAttachment("a.txt", "text/plain", b"one"), NewAttachment("b.txt", "text/plain", b"two")],
        [identity("x").recipient, identity("y").recipient],
    )
    for who in ("x", "y"):
        for i, data in enumerate((b"one", b"two")):
            envelope = Envelope.from_json(sealed.lines[i])
            assert envelope.i == i
            file = unb64(sealed.files[i])
            assert b"".join(open_attachment_stream([file], envelope, identity(who))) == data
    assert "one" not in repr(sealed)
