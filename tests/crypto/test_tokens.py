"""A token is good for five minutes, under one of the known keys, exactly as it was issued."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.canonical import b64u, dumps, unb64u
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused
from services.crypto.signatures import SigningKey
from services.crypto.tokens import CLOCK_SKEW, MAX_LENGTH, issue, read

KEY, OTHER = SigningKey.from_seed(b"\x01" * 32), SigningKey.from_seed(b"\x02" * 32)
KEYS = [KEY.verify_key]
NOW = 1_790_000_000
CLAIMS = {"sub": "5b0c8d3e", "roles": ["lead"], "iat": NOW, "exp": NOW + 300}
TOKEN = issue(CLAIMS, KEY)


def signed(claims: object, key: SigningKey = KEY) -> str:
    """A token with any claims: what an issuer with a fault could send."""
    return b64u(dumps(claims)) + "." + b64u(key.sign("access-token", claims))


def test_a_token_gives_back_its_claims_while_it_lives():
    for now in (NOW, NOW + 1, NOW + 299, NOW - CLOCK_SKEW):
        assert read(TOKEN, KEYS, now) == CLAIMS


def test_a_token_is_claims_and_signature():
    payload, signature = TOKEN.split(".")
    assert json.loads(unb64u(payload)) == CLAIMS
    assert unb64u(signature) == KEY.sign("access-token", CLAIMS)


@pytest.mark.parametrize("now", [NOW + 300, NOW + 301, NOW + 10**6])
def test_an_expired_token_is_refused(now: int):
    with pytest.raises(Refused):
        read(TOKEN, KEYS, now)


@pytest.mark.parametrize("now", [NOW - CLOCK_SKEW - 1, NOW - 3600, 0])
def test_a_token_from_the_future_is_refused(now: int):
    with pytest.raises(Refused):
        read(TOKEN, KEYS, now)


@pytest.mark.parametrize("lifetime", [301, 3600, 10**9, 0, -1])
def test_a_lifetime_outside_five_minutes_is_neither_issued_nor_accepted(lifetime: int):
    claims = CLAIMS | {"exp": NOW + lifetime}
    with pytest.raises(Refused):
        issue(claims, KEY)
    with pytest.raises(Refused):
        read(signed(claims), KEYS, NOW)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"iat": NOW},
        {"exp": NOW},
        {"iat": True, "exp": 2},
        {"iat": str(NOW), "exp": NOW + 9},
        {"iat": None, "exp": 5},
    ],
)
def test_a_token_without_times_is_malformed(claims: Any):
    with pytest.raises(FormatError):
        issue(claims, KEY)
    with pytest.raises(FormatError):
        read(signed(claims), KEYS, NOW)


def test_a_token_under_another_key_is_refused():
    with pytest.raises(BadSignature):
        read(issue(CLAIMS, OTHER), KEYS, NOW)
    with pytest.raises(BadSignature):
        read(TOKEN, [], NOW)


def test_any_of_several_keys_may_have_signed():
    assert read(TOKEN, [OTHER.verify_key, KEY.verify_key], NOW) == CLAIMS


def test_a_signature_made_for_something_else_is_refused():
    with pytest.raises(BadSignature):
        read(b64u(dumps(CLAIMS)) + "." + b64u(KEY.sign("certificate", CLAIMS)), KEYS, NOW)


def test_claims_cannot_be_changed():
    _, signature = TOKEN.split(".")
    with pytest.raises(BadSignature):
        read(b64u(dumps(CLAIMS | {"roles": ["administrator"]})) + "." + signature, KEYS, NOW)


def test_an_unsigned_token_is_refused():
    payload, _ = TOKEN.split(".")
    none = b64u(b'{"alg":"none"}')
    for token in (payload, payload + ".", f"{none}.{payload}.", f"{payload}.{b64u(bytes(64))}"):
        with pytest.raises((BadSignature, FormatError)):
            read(token, KEYS, NOW)


@pytest.mark.parametrize("claims", [[], "text", 5, None, [CLAIMS]])
def test_claims_that_are_no_object_are_malformed(claims: Any):
    with pytest.raises(FormatError):
        read(signed(claims), KEYS, NOW)


def test_claims_in_another_spelling_are_malformed():
    spaced = json.dumps(CLAIMS).encode()
    with pytest.raises(FormatError):
        read(b64u(spaced) + "." + b64u(KEY.sign("access-token", CLAIMS)), KEYS, NOW)


def test_long_tokens_are_neither_issued_nor_read():
    claims = CLAIMS | {"note": "x" * MAX_LENGTH}
    with pytest.raises(Refused):
        issue(claims, KEY)
    with pytest.raises(FormatError):
        read(signed(claims), KEYS, NOW)


def test_every_changed_character_is_refused():
    for at, char in enumerate(TOKEN):
        with pytest.raises(CryptoError):
            read(TOKEN[:at] + ("A" if char != "A" else "B") + TOKEN[at + 1 :], KEYS, NOW)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="eyJ.-_=A", max_size=60))
def test_any_text_is_refused_cleanly(text: str):
    for token in (text, text + "." + TOKEN.split(".")[1], TOKEN + text if text else text):
        with pytest.raises(CryptoError):
            read(token, KEYS, NOW)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | st.sampled_from([b"[" * 5000, b'{"a":' * 1000, b"1e999", b"9" * 5000]))
def test_any_signed_bytes_are_refused_cleanly(payload: bytes):
    with pytest.raises(CryptoError):
        read(b64u(payload) + "." + b64u(bytes(64)), KEYS, NOW)
