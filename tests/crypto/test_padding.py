"""Padding hides sizes at a bounded price, and an opener accepts nothing else behind the bytes."""

from math import floor, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.errors import FormatError, Refused
from services.crypto.padding import frame, pad, padded, padme, unframe, unpad_check

bounded = settings(max_examples=100, deadline=None)


@bounded
@given(st.integers(2, 2**40))
def test_padme_is_the_published_formula(size: int):
    exponent = floor(log2(size)) if size < 2**40 else 40
    step = 2 ** (exponent - (floor(log2(exponent)) + 1 if exponent else 0))
    assert padme(size) == -(-size // step) * step


@bounded
@given(st.integers(0, 2**60))
def test_padme_costs_at_most_twelve_percent_and_is_stable(size: int):
    total = padme(size)
    assert size <= total <= size * 1.12 + 1
    assert padme(total) == total


@bounded
@given(st.integers(0, 2**40))
def test_a_larger_size_never_pads_to_less(size: int):
    assert padme(size) <= padme(size + 1)


def test_the_minimum_counts_before_padding():
    assert (padded(10, 4096), padded(4097, 4096), padded(5000, 5001)) == (4096, 4352, 5120)


@bounded
@given(st.binary(max_size=300), st.integers(0, 300))
def test_what_was_padded_is_cut_out_again(data: bytes, extra: int):
    total = len(data) + extra
    assert unpad_check(pad(data, total), len(data), total) == data


def test_what_does_not_fit_is_refused():
    with pytest.raises(Refused):
        pad(b"123", 2)
    with pytest.raises(Refused):
        frame(bytes(4093), exact=4096)
    assert len(frame(bytes(4092), exact=4096)) == 4096


@pytest.mark.parametrize("position", [3, 4, 9])
def test_a_padding_byte_that_is_not_zero_is_refused(position: int):
    data = bytearray(pad(b"abc", 10))
    data[position] = 1
    with pytest.raises(FormatError):
        unpad_check(bytes(data), 3, 10)


@pytest.mark.parametrize(("size", "total"), [(3, 11), (3, 9), (11, 10), (-1, 10)])
def test_another_length_is_refused(size: int, total: int):
    with pytest.raises(FormatError):
        unpad_check(pad(b"abc", 10), size, total)


@bounded
@given(st.integers(0, 9000))
def test_a_frame_comes_back_and_has_a_padme_size(size: int):
    document = b"x" * size
    framed = frame(document)
    assert unframe(framed) == document
    assert len(framed) == padme(len(framed)) >= 4096


@pytest.mark.parametrize("cut", [0, 3, 4095])
def test_a_cut_frame_is_refused(cut: int):
    with pytest.raises(FormatError):
        unframe(frame(b"abc")[:cut])


def test_a_frame_of_another_size_is_refused_even_if_all_zero_behind():
    for framed in (frame(b"abc", 8192), frame(b"abc", 7)):
        with pytest.raises(FormatError):
            unframe(framed)
        assert unframe(framed, len(framed)) == b"abc"
