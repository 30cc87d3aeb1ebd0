"""A box opens under its own key and associated data only; derived keys and keyed hashes are standard."""

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.errors import CryptoError, FormatError, WrongKey
from services.crypto.secretbox import OVERHEAD, equal, hkdf, mac, open_box, seal

KEY, OTHER = bytes(range(32)), bytes(32)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=5000), st.binary(max_size=60))
def test_a_box_gives_back_what_was_sealed(plaintext: bytes, aad: bytes):
    box = seal(KEY, plaintext, aad)
    assert len(box) == len(plaintext) + OVERHEAD
    assert open_box(KEY, box, aad) == plaintext


def test_the_same_text_never_gives_the_same_box():
    boxes = {seal(KEY, b"text") for _ in range(50)}
    assert len({box[1:33] for box in boxes}) == len({box[33:] for box in boxes}) == 50


def test_another_key_or_other_data_does_not_open_it():
    box = seal(KEY, b"text", b"row 1")
    for key, aad in ((OTHER, b"row 1"), (KEY, b"row 2"), (KEY, b""), (KEY, b"row 1\x00")):
        with pytest.raises(WrongKey):
            open_box(key, box, aad)


def test_every_flipped_bit_and_every_truncation_is_refused():
    box = seal(KEY, b"text")
    for bit in range(len(box) * 8):
        changed = bytearray(box)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CryptoError):
            open_box(KEY, bytes(changed))
    for end in range(len(box)):
        with pytest.raises(CryptoError):
            open_box(KEY, box[:end])


def test_what_is_no_box_is_malformed():
    for data in (b"", b"\x01" * (OVERHEAD - 1), b"\x02" + seal(KEY, b"")[1:]):
        with pytest.raises(FormatError):
            open_box(KEY, data)


@pytest.mark.parametrize("key", [b"", KEY[:-1], KEY + b"\x00"])
def test_a_key_has_thirty_two_bytes(key: bytes):
    with pytest.raises(FormatError):
        seal(key, b"text")
    with pytest.raises(FormatError):
        open_box(key, seal(KEY, b"text"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=120), st.binary(max_size=5))
def test_any_bytes_are_refused_cleanly(data: bytes, aad: bytes):
    for box in (data, b"\x01" + data):
        with pytest.raises(CryptoError):
            open_box(KEY, box, aad)


def test_hkdf_is_rfc_5869_with_an_empty_salt():
    # Written out with HMAC alone, and test case 3 of the RFC, which has no salt and no info.
    prk = hmac.digest(bytes(32), b"secret", "sha256")
    first = hmac.digest(prk, b"adal/v1/test\x01", "sha256")
    second = hmac.digest(prk, first + b"adal/v1/test\x02", "sha256")
    assert hkdf(b"secret", "adal/v1/test", 40) == (first + second)[:40]
    assert hkdf(b"\x0b" * 22, "", 42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_hkdf_depends_on_the_label():
    assert len({hkdf(KEY, label) for label in ("a", "b", "ab")}) == 3


def test_mac_is_hmac_over_lengths_and_parts():
    expected = hmac.new(KEY, b"\0" * 7 + b"\x02ab" + b"\0" * 8, hashlib.sha256).digest()
    assert mac(KEY, b"ab", b"") == expected


def test_no_two_lists_of_parts_share_a_mac():
    lists = [(), (b"",), (b"", b""), (b"ab",), (b"a", b"b"), (b"", b"ab"), (b"ab", b""), (b"\0" * 8,)]
    assert len({mac(KEY, *parts) for parts in lists}) == len(lists)
    assert mac(KEY, b"ab") != mac(OTHER, b"ab")


def test_mac_refuses_a_short_key():
    with pytest.raises(FormatError):
        mac(b"short", b"text")


def test_equal_compares_bytes():
    assert equal(b"same", b"same")
    assert not equal(b"same", b"samf")
    assert not equal(b"same", b"sam")
