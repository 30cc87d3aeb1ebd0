"""One spelling for each value, in both directions."""

from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import canonical
from services.crypto.canonical import b64, b64u, members, unb64, unb64u
from services.crypto.errors import FormatError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
bounded = settings(max_examples=100, deadline=None)


@bounded
@given(JSON)
def test_what_is_written_is_read_back(value: Any):
    data = canonical.dumps(value)
    assert canonical.loads(data) == value
    assert canonical.dumps(canonical.loads(data)) == data


@settings(max_examples=400, deadline=None)
@given(JSON)
def test_it_is_what_the_library_of_rfc_8785_writes(value: Any):
    """Above all for odd keys and control characters: the fast way must not have an own opinion."""
    assert canonical.dumps(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "character", [chr(code) for code in (*range(32), 0x22, 0x5C, 0x7F, 0x2028, 0xFFFF, 0x10000)]
)
def test_every_escape_is_that_of_rfc_8785(character: str):
    assert canonical.dumps({character: character}) == rfc8785.dumps({character: character})


@bounded
@given(st.binary(min_size=1, max_size=40), st.data())
def test_bits_after_the_last_byte_are_zero(data: bytes, draw: Any):
    """Another last character that stands for the same bytes is refused."""
    text = b64(data)
    place = len(text.rstrip("=")) - 1
    other = draw.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
    changed = text[:place] + other + text[place + 1 :]
    try:
        assert b64(unb64(changed)) == changed
    except FormatError:
        assert changed != text


def test_keys_are_sorted_by_utf16_units():
    assert (
        canonical.dumps({"\ufb33": 1, "\U0001f600": 2, "a": 3})
        == '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()
    )


def test_tuples_are_written_as_lists():
    assert canonical.dumps(("a", 1)) == b'["a",1]'


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), b"bytes", {1: 2}, {None: 1}, {1, 2}, object(), 2**53, "\ud800"]
)
def test_a_value_outside_the_format_is_not_written(value: Any):
    with pytest.raises(FormatError):
        canonical.dumps([value])


def test_thirty_two_levels_are_the_limit():
    allowed = "[" * 32 + "]" * 32
    assert canonical.dumps(canonical.loads(allowed.encode())) == allowed.encode()
    with pytest.raises(FormatError):
        canonical.loads(f"[{allowed}]".encode())


def test_a_value_that_contains_itself_is_refused():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(FormatError):
        canonical.dumps(loop)


@bounded
@given(JSON, st.data())
def test_a_space_anywhere_outside_text_is_refused(value: Any, data: Any):
    text = canonical.dumps([value, 0])
    with pytest.raises(FormatError):
        canonical.loads(text[:-2] + b" " + text[-2:])


@bounded
@given(st.binary(max_size=80))
def test_base64_of_both_kinds_comes_back(data: bytes):
    assert unb64u(b64u(data), len(data)) == data
    assert unb64(b64(data)) == data
    assert "=" not in b64u(data)


@bounded
@given(st.text("AQgw_-+/=\n ", max_size=9))
def test_only_one_text_stands_for_some_bytes(text: str):
    for decode, encode in ((unb64u, b64u), (unb64, b64)):
        try:
            data = decode(text)
        except FormatError:
            continue
        assert encode(data) == text


@pytest.mark.parametrize("value", [None, 1, b"AAAA", ["AAAA"]])
def test_what_is_no_text_is_no_base64(value: Any):
    for decode in (unb64u, unb64):
        with pytest.raises(FormatError):
            decode(value)


def test_the_number_of_bytes_is_checked():
    with pytest.raises(FormatError):
        unb64u(b64u(bytes(31)), 32)


@pytest.mark.parametrize("value", [[], None, {"a": 1}, {"a": 1, "b": 2, "z": 3}])
def test_an_object_has_exactly_its_members(value: Any):
    with pytest.raises(FormatError):
        members(value, ("a", "b"), ("c",))


def test_an_optional_member_may_be_there_or_not():
    for value in ({"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}):
        assert members(value, ("a", "b"), ("c",)) == value
