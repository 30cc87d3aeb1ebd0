"""Codes are those of RFC 6238, good around their own half minute, and once only."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.errors import CryptoError, FormatError
from services.crypto.totp import new_secret, uri, verify_totp

# RFC 6238 appendix B, SHA-1: the last six of the eight digits.
SECRET = b"12345678901234567890"
VECTORS = [
    (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"),
    (1234567890, "89005924"), (2000000000, "69279037"), (20000000000, "65353130"),
]  # fmt: skip
NOW, CODE = VECTORS[3][0], VECTORS[3][1][2:]
STEP = NOW // 30


@pytest.mark.parametrize(("now", "digits"), VECTORS)
def test_codes_are_those_of_the_rfc(now: int, digits: str):
    assert verify_totp(SECRET, digits[2:], now, None) == now // 30


def test_a_code_is_good_one_step_before_and_after_its_own():
    accepted = [
        shift for shift in range(-4, 5) if verify_totp(SECRET, CODE, NOW + 30 * shift, None) is not None
    ]
    assert accepted == [-1, 0, 1]
    assert verify_totp(SECRET, CODE, NOW + 30, None) == STEP


def test_a_used_code_is_refused():
    assert verify_totp(SECRET, CODE, NOW, STEP) is None
    assert verify_totp(SECRET, CODE, NOW + 30, STEP) is None


def test_a_code_older_than_the_last_one_used_is_refused():
    assert verify_totp(SECRET, CODE, NOW + 30, STEP + 1) is None
    assert verify_totp(SECRET, CODE, NOW, STEP - 1) == STEP


def test_the_first_seconds_of_time_have_no_step_before():
    assert verify_totp(SECRET, "755224", 0, None) == 0
    assert verify_totp(SECRET, "755224", -500, None) is None


def test_a_wrong_code_and_another_secret_are_refused():
    wrong = f"{(int(CODE) + 1) % 10**6:06}"
    assert verify_totp(SECRET, wrong, NOW, None) is None
    assert verify_totp(SECRET[::-1], CODE, NOW, None) is None


def test_spaces_in_a_code_are_forgiven():
    assert verify_totp(SECRET, f" {CODE[:3]} {CODE[3:]} ", NOW, None) == STEP


@pytest.mark.parametrize(
    "code", ["", CODE[:5], CODE + "0", CODE + "\n", "٠" * 6, "-" + CODE[1:], "0x1234", "\ud800"]
)
def test_what_is_not_six_digits_is_refused(code: str):
    assert verify_totp(SECRET, code, NOW, None) is None


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=8) | st.text(alphabet="0123456789 ", max_size=9), st.integers(0, 2**40))
def test_any_text_is_answered_cleanly(code: str, now: int):
    step = verify_totp(SECRET, code, now, None)
    assert step is None or abs(step - now // 30) <= 1


def test_secrets_are_random_and_twenty_bytes_long():
    secrets = {new_secret() for _ in range(20)}
    assert len(secrets) == 20
    assert {len(secret) for secret in secrets} == {20}


@pytest.mark.parametrize("secret", [b"", SECRET[:-1], SECRET + b"0"])
def test_secrets_of_another_length_are_refused(secret: bytes):
    with pytest.raises(FormatError):
        verify_totp(secret, CODE, NOW, None)
    with pytest.raises(FormatError):
        uri(secret, "a", "b")


def test_the_address_for_the_phone_holds_secret_and_names():
    parts = urlsplit(uri(SECRET, "айгүл", "Adal"))
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/Adal:айгүл")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query["secret"] == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert (query["issuer"], query["digits"], query["period"], query["algorithm"]) == (
        "Adal",
        "6",
        "30",
        "SHA1",
    )


def test_names_that_are_not_unicode_are_refused():
    with pytest.raises(CryptoError):
        uri(SECRET, "\ud800", "Adal")
