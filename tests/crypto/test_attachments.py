"""Attachments of any size come back exactly or not at all."""

import tracemalloc
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import age
from services.crypto.attachments import (
    Envelope,
    envelopes,
    open_attachment,
    open_attachment_stream,
    seal_attachment,
    seal_attachment_stream,
)
from services.crypto.errors import FormatError, Refused, WrongKey
from services.crypto.padding import padme
from tests.crypto.builders import identity

READER = identity("reader")
BORDERS = [0, 1, 2, 65535, 65536, 65537, 131071, 131072, 131073, 200_000]


def made(data: bytes, **changes: Any):
    file = seal_attachment(data, READER.recipient)
    return file, replace(Envelope.of(0, "a.bin", "application/octet-stream", data, file), **changes)


def resealed(plaintext: bytes, data: bytes):
    """A file whose plaintext the author chose, under an honest hash of the file."""
    file = age.seal(plaintext, [READER.recipient])
    return file, Envelope.of(0, "a.bin", "application/octet-stream", data, file)


@pytest.mark.parametrize("size", BORDERS)
def test_sizes_around_chunk_borders_come_back(size: int):
    data = bytes(i * 7 % 251 for i in range(size))
    file, envelope = made(data)
    assert open_attachment(file, envelope, READER) == data
    assert len(age.open_part(file, READER)) == padme(size)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 700), st.integers(1, 5000))
def test_pieces_of_any_size_make_and_open_the_same(data: bytes, piece: int, read: int):
    pieces = [data[i : i + piece] for i in range(0, len(data), piece)]
    file = b"".join(seal_attachment_stream(pieces, len(data), [READER.recipient]))
    envelope = Envelope.of(0, "a", "text/plain", data, file)
    chunks = [file[i : i + read] for i in range(0, len(file), read)]
    assert b"".join(open_attachment_stream(chunks, envelope, READER)) == data


def test_memory_stays_constant_for_large_files():
    size = 24 * 2**20
    block = bytes(2**20)
    tracemalloc.start()
    digest, length = sha256(), 0
    for chunk in seal_attachment_stream((block for _ in range(24)), size, [READER.recipient]):
        digest.update(chunk)
        length += len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length > size
    assert peak < 6 * 2**20


@pytest.mark.parametrize("announced", [9, 11])
def test_another_size_than_announced_is_not_sealed(announced: int):
    with pytest.raises(Refused):
        b"".join(seal_attachment_stream([bytes(10)], announced, [READER.recipient]))


def test_plain_mode_keeps_no_hash_of_the_true_bytes_and_opens():
    file = seal_attachment(b"abc", READER.recipient)
    envelope = Envelope.of(0, "a", "text/plain", b"abc", file, plain=True)
    assert envelope.sha256 is None
    assert open_attachment(file, envelope, READER) == b"abc"


def test_another_file_than_the_envelope_s_is_refused():
    file, _ = made(b"one")
    _, envelope = made(b"one")
    with pytest.raises(Refused):
        open_attachment(file, envelope, READER)
    with pytest.raises(Refused):
        list(open_attachment_stream([file], envelope, READER))


def test_a_wrong_hash_of_the_true_bytes_is_refused():
    file, envelope = made(b"one", sha256=bytes(32))
    with pytest.raises(Refused):
        open_attachment(file, envelope, READER)


@pytest.mark.parametrize("size", [2, 4, 100])
def test_another_true_size_is_refused(size: int):
    file, envelope = made(b"one", size=size)
    with pytest.raises((Refused, FormatError)):
        open_attachment(file, envelope, READER)


def test_padding_that_is_not_zero_is_refused():
    data = b"x" * 1001
    file, envelope = resealed(data + b"\0" * (padme(1001) - 1002) + b"\1", data)
    with pytest.raises(FormatError):
        open_attachment(file, envelope, READER)


def test_too_much_or_no_padding_is_refused():
    data = b"x" * 1001
    for plaintext in (data, data.ljust(2048, b"\0")):
        file, envelope = resealed(plaintext, data)
        with pytest.raises(FormatError):
            open_attachment(file, envelope, READER)


def test_a_cut_file_never_ends_without_an_error() -> None:
    data = bytes(200_000)
    file, envelope = made(data)
    released = open_attachment_stream([file[:140_000]], envelope, READER)
    assert next(released) == bytes(65536)
    with pytest.raises(FormatError):
        list(released)


def test_a_stranger_does_not_open_it():
    file, envelope = made(b"one")
    with pytest.raises(WrongKey):
        open_attachment(file, envelope, identity("stranger"))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a.pdf", "a.pdf"),
        ("\u202egpj.exe", "gpj.exe"),
        ("a\x00b\n.txt", "ab.txt"),
        (".bashrc", "bashrc"),
        ("..", "attachment-1"),
        ("құжат 1.pdf", "құжат 1.pdf"),
        ("dir/", "attachment-1"),
    ],
)
def test_names_are_made_safe_to_show_and_save(name: str, safe: str):
    assert Envelope.of(0, name, "text/plain", b"", b"").safe_name == safe


def test_envelopes_survive_json_and_are_numbered_from_zero():
    lines = [replace(made(b"x")[1], i=i) for i in range(3)]
    assert envelopes([line.to_json() for line in lines]) == tuple(lines)
    for wrong in (lines[1:], [lines[0], lines[0]]):
        with pytest.raises(FormatError):
            envelopes([line.to_json() for line in wrong])


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"name": "x" * 256}, {"name": 1}, {"type": "text"}, {"type": "text/html; charset=x"}, {"size": -1},
     {"size": 1.0}, {"sha256": "x"}, {"file_sha256": None}, {"extra": 1}],
)  # fmt: skip
def test_a_malformed_envelope_is_refused(change: dict[str, Any]):
    with pytest.raises(FormatError):
        Envelope.from_json({**made(b"x")[1].to_json(), **change})


def test_an_envelope_does_not_print_the_file_s_name():
    assert "unusual-name" not in repr(Envelope.of(0, "unusual-name", "text/plain", b"", b""))
