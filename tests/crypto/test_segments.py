"""Attachments in segments: they open as one file, or not at all."""

import json
import tracemalloc
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import age
from services.crypto.age import HybridIdentity, PartSealer
from services.crypto.attachments import Envelope, envelopes, open_attachment, open_attachment_stream
from services.crypto.canonical import unb64
from services.crypto.errors import CryptoError, FormatError, Refused, WrongKey
from services.crypto.padding import padme
from services.crypto.segments import MAX_SEGMENTS, SEGMENT, SegmentSealer, segments_from_json
from tests.crypto.builders import identity
from tests.crypto.make_vectors import FOLDER, made_in_segments, segment_flaws

READER = identity("segments")
VECTOR = json.loads((FOLDER / "segments.json").read_text())


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=3000), st.lists(st.integers(1, 2999), max_size=6, unique=True), st.integers(1, 5000)
)
def test_any_cuts_give_the_same_bytes_back(data: bytes, cuts: list[int], read: int):
    borders = sorted(cut for cut in cuts if cut < len(data))
    file, envelope, _ = made_in_segments(data, borders)
    assert Envelope.from_json(envelope.to_json()) == envelope
    assert open_attachment(file, envelope, READER) == data
    chunks = [file[i : i + read] for i in range(0, len(file), read)]
    assert b"".join(open_attachment_stream(chunks, envelope, READER)) == data


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=70_000), max_size=5))
def test_a_part_that_is_pushed_is_the_same_as_one_that_is_pulled(pieces: list[bytes]):
    sealer = PartSealer([READER.recipient])
    file = b"".join([*map(sealer.push, pieces), sealer.close()])
    assert age.open_part(file, READER) == b"".join(pieces)
    assert len(file) == len(age.seal(b"".join(pieces), [READER.recipient]))


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 131073])
def test_pushed_parts_hold_at_the_borders_of_chunks(size: int):
    sealer, data = PartSealer([READER.recipient]), bytes(i % 251 for i in range(size))
    file = b"".join([*(sealer.push(data[i : i + 999]) for i in range(0, size, 999)), sealer.close()])
    assert age.open_part(file, READER) == data


@pytest.mark.parametrize("recipients", [[], [READER.recipient] * 9])
def test_pushed_parts_obey_the_part_rule(recipients: Any):
    with pytest.raises(Refused):
        PartSealer(recipients)


def test_a_segment_counts_what_goes_in_and_what_comes_out():
    sealer = SegmentSealer([READER.recipient])
    made = sealer.push(b"x" * 1000) + sealer.push(b"y") + sealer.close(last=True)
    assert (sealer.plain, sealer.file) == (1001, len(made))
    assert age.open_part(made, READER) == (b"x" * 1000 + b"y").ljust(padme(1001), b"\0")


def test_a_segment_ends_at_8_mib():
    sealer = SegmentSealer([READER.recipient])
    for _ in range(8):
        sealer.push(bytes(1 << 20))
    with pytest.raises(Refused):
        sealer.push(b"x")


def test_memory_stays_constant_while_a_segment_is_sealed():
    block, sealer, length = bytes(1 << 16), SegmentSealer([READER.recipient]), 0
    tracemalloc.start()
    for _ in range(SEGMENT >> 16):
        length += len(sealer.push(block))
    length += len(sealer.close(last=True))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length > SEGMENT
    assert peak < 1 << 20


@pytest.mark.parametrize("case", VECTOR["cases"], ids=lambda case: str(case["envelope"]["size"]))
def test_the_vectors_open(case: dict[str, Any]):
    (envelope,) = envelopes([case["envelope"]])
    reader = HybridIdentity.parse(VECTOR["identity"])
    assert open_attachment(unb64(case["file"]), envelope, reader) == unb64(case["data"])


@pytest.mark.parametrize("flaw", VECTOR["refuse"], ids=lambda flaw: flaw["why"])
def test_the_flaws_of_the_vectors_are_refused(flaw: dict[str, Any]):
    reader = HybridIdentity.parse(VECTOR["identity"])
    for opener in (open_attachment, lambda *a: b"".join(open_attachment_stream([a[0]], *a[1:]))):
        with pytest.raises(CryptoError):
            opener(unb64(flaw["file"]), Envelope.from_json(flaw["envelope"]), reader)


def test_the_flaws_start_from_a_file_that_opens():
    file, envelope, data = made_in_segments(bytes(3001), [1000, 1001])
    assert open_attachment(file, envelope, READER) == data
    assert len(list(segment_flaws(file, envelope))) == len(VECTOR["refuse"])


@pytest.mark.parametrize(
    "value",
    [None, {}, "x", [[]], [[1]], [["1", 1]], [[1.0, 1]], [[True, 1]], [[-1, 1], [2, 1]], [[1, 0]], [(1, 1)]],
)
def test_a_malformed_list_is_refused(value: Any):
    with pytest.raises(FormatError):
        segments_from_json(value, 1)


def test_the_longest_list_passes():
    assert len(segments_from_json([[1, 1]] * MAX_SEGMENTS, MAX_SEGMENTS)) == MAX_SEGMENTS
    with pytest.raises(FormatError):
        segments_from_json([[1, 1]] * (MAX_SEGMENTS + 1), MAX_SEGMENTS + 1)


def test_nothing_of_a_segment_comes_out_before_it_was_authenticated():
    data = bytes(200_000)
    file, envelope, _ = made_in_segments(data, [100_000])
    first = (envelope.segments or ())[0][1]
    altered = file[: first + 2000] + bytes([file[first + 2000] ^ 1]) + file[first + 2001 :]
    released = open_attachment_stream([altered], envelope, READER)
    got: list[bytes] = []
    with pytest.raises(FormatError):
        got.extend(released)
    assert b"".join(got) == data[:100_000]


def test_a_hash_of_the_true_bytes_is_checked_where_there_is_one():
    file, envelope, data = made_in_segments(b"true bytes", [4])
    assert open_attachment(file, replace(envelope, sha256=sha256(data).digest()), READER) == data
    with pytest.raises(Refused):
        open_attachment(file, replace(envelope, sha256=bytes(32)), READER)


def test_a_stranger_opens_no_segment():
    file, envelope, _ = made_in_segments(b"true bytes", [4])
    with pytest.raises(WrongKey):
        open_attachment(file, envelope, identity("stranger"))


def test_an_envelope_without_segments_says_nothing_of_them():
    _, envelope, _ = made_in_segments(b"x", [])
    assert "segments" not in replace(envelope, segments=None).to_json()
