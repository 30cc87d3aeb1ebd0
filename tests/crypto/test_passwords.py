"""Passwords are checked slowly, alike for every account; a stored hash cannot ask for more than its share."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.errors import CryptoError, FormatError, Refused
from services.crypto.passwords import DUMMY, MAX_LENGTH, hash_password, needs_rehash, verify_password

PASSWORD = "құпия сөз 2026"
PHC = hash_password(PASSWORD)


def test_the_right_password_is_accepted_and_others_are_not():
    assert verify_password(PHC, PASSWORD)
    for wrong in (PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), "x"):
        assert not verify_password(PHC, wrong)


def test_the_hash_names_its_costs_and_is_salted():
    assert PHC.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hash_password(PASSWORD) != PHC


def test_a_letter_typed_in_two_ways_is_the_same_letter():
    phc = hash_password("йод")
    assert verify_password(phc, unicodedata.normalize("NFD", "йод"))


@pytest.mark.parametrize("text", ["", "x" * (MAX_LENGTH + 1), "ж" * (MAX_LENGTH // 2 + 1)])
def test_empty_and_endless_passwords_are_refused(text: str):
    with pytest.raises(Refused):
        hash_password(text)
    assert not verify_password(PHC, text)


def test_the_longest_password_works():
    text = "y" * MAX_LENGTH
    assert verify_password(hash_password(text), text)


def test_text_that_is_not_unicode_is_refused():
    with pytest.raises(FormatError):
        hash_password("\ud800")
    assert not verify_password(PHC, "\ud800")


def test_the_dummy_costs_the_same_and_accepts_nothing():
    assert not needs_rehash(DUMMY)
    assert len(DUMMY) == len(PHC)
    for text in (PASSWORD, "", "dummy"):
        assert not verify_password(DUMMY, text)


def test_hashes_with_other_costs_are_made_anew():
    assert not needs_rehash(PHC)
    assert needs_rehash(PHC.replace("t=2", "t=3"))


def test_a_changed_hash_does_not_match():
    last = "A" if PHC[-2] != "A" else "B"
    assert not verify_password(PHC[:-2] + last + PHC[-1], PASSWORD)
    assert not verify_password(PHC.replace("t=2", "t=3"), PASSWORD)


@pytest.mark.parametrize(
    "phc",
    [
        "",
        "x",
        PASSWORD,
        PHC[:40],
        PHC + "\n",
        " " + PHC,
        PHC.replace("argon2id", "argon2i"),
        PHC.replace("v=19", "v=16"),
        PHC.replace("m=19456", "m=4194304"),
        PHC.replace("m=19456", "m=999999"),
        PHC.replace("t=2", "t=9"),
        PHC.replace("p=1", "p=9"),
        PHC.replace("m=19456", "m=019456"),
        PHC.replace("m=19456", "m=-1"),
        PHC.replace("$", "%"),
    ],
    ids=range(15),
)
def test_hashes_that_are_malformed_or_cost_too_much_are_refused(phc: str):
    with pytest.raises(FormatError):
        verify_password(phc, PASSWORD)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(PHC) - 1), st.text(alphabet="$=,m0123456789Az+/-", max_size=2), st.integers(0, 2))
def test_any_edit_of_a_hash_is_refused_cleanly(at: int, new: str, drop: int):
    edited = PHC[:at] + new + PHC[at + drop :]
    try:
        assert verify_password(edited, PASSWORD) == (edited == PHC)
    except CryptoError:
        assert edited != PHC


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_as_a_hash_is_malformed(text: str):
    for phc in (text, "$argon2id$v=19$" + text, "$argon2id$v=19$m=8,t=1,p=4$" + text):
        with pytest.raises(CryptoError):
            verify_password(phc, PASSWORD)
