"""Codes of the second factor are those that the service accepts."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.codes import totp_code
from services.crypto.errors import FormatError
from services.crypto.totp import verify_totp

# RFC 6238, appendix B, SHA-1, the last six of its eight digits.
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (20000000000, "353130"),
    ],
)
def test_codes_of_the_standard(now: int, code: str):
    assert totp_code(RFC_SECRET, now) == code


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**40))
@settings(max_examples=50, deadline=None)
def test_the_service_accepts_the_code(secret: bytes, now: int):
    text = base64.b32encode(secret).decode().rstrip("=").lower()
    assert verify_totp(secret, totp_code(text, now), now, None) == now // 30


@pytest.mark.parametrize("text", ["", "1", "AB", "привет", "AAAA!AAA"])
def test_what_is_no_secret_is_refused(text: str):
    with pytest.raises(FormatError):
        totp_code(text, 0)
