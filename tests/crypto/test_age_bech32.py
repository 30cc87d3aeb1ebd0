"""Bech32 has one spelling per case, carries any length, and notices a slip."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import bech32
from services.crypto.errors import FormatError

SETTINGS = settings(max_examples=100, deadline=None)
HRPS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30).map(str.lower)
LONG = "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio"
LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


@SETTINGS
@given(HRPS, st.binary(max_size=1300))
def test_decode_undoes_encode(hrp: str, data: bytes) -> None:
    text = bech32.encode(hrp, data)
    assert bech32.decode(text) == (hrp, data)
    assert bech32.decode(text.upper()) == (hrp, data)


# From BIP-173, those whose payload is a whole number of bytes.
@pytest.mark.parametrize(
    ("text", "hrp", "size"),
    [
        ("A12UEL5L", "a", 0),
        ("a12uel5l", "a", 0),
        (
            "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
            LONG,
            0,
        ),
        ("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "abcdef", 20),
        ("split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w", "split", 30),
    ],
)
def test_published_examples(text: str, hrp: str, size: int) -> None:
    found, data = bech32.decode(text)
    assert found == hrp
    assert len(data) == size
    assert bech32.encode(found, data) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "no separator",
        "a12uel5",  # checksum cut
        "12uel5l",  # empty prefix
        "a12uel5b",  # b is not in the alphabet
        "A12uel5l",  # mixed case
        "a12UEL5L",
        " a12uel5l",
        "a12uel5l\n",
        "de1lg7wt\xff",  # from BIP-173: invalid character in the checksum
        "A1G7SGD8",  # from BIP-173: checksum computed with an upper-case prefix
        "\x801eym55h",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        bech32.decode(text)


def test_letters_that_only_fold_to_ascii_are_refused() -> None:
    kelvin = "\u212a"
    assert kelvin.lower() == "k"
    text = bech32.encode("k", b"key").upper()
    with pytest.raises(FormatError):
        bech32.decode(text.replace("K", kelvin))


@SETTINGS
@given(st.binary(min_size=1, max_size=40), st.data())
def test_up_to_three_wrong_letters_are_always_noticed(data: bytes, draw: st.DataObject) -> None:
    letters = list(bech32.encode("age", data))
    places = draw.draw(st.sets(st.integers(4, len(letters) - 1), min_size=1, max_size=3))
    for place in places:
        letters[place] = draw.draw(st.sampled_from(LETTERS.replace(letters[place], "")))
    with pytest.raises(FormatError, match="checksum"):
        bech32.decode("".join(letters))


def test_a_foreign_letter_that_would_balance_the_checksum_is_refused() -> None:
    # "b" is code 98 = 3 * 32 + 2: fed to the checksum it acts like a 2 here and a 3 on the letter before.
    texts = (bech32.encode("age", bytes([value])) for value in range(256))
    text = next(text for text in texts if text[-1] == LETTERS[2])
    before = LETTERS[LETTERS.index(text[-2]) ^ 3]
    with pytest.raises(FormatError, match="alphabet"):
        bech32.decode(text[:-2] + before + "b")


@pytest.mark.parametrize("extra", range(1, 32))
def test_set_spare_bits_are_refused(extra: int) -> None:
    # One byte takes two letters with two spare bits; forge the last letter and a right checksum.
    text = _with_checksum("age", [0, extra])
    if extra % 4:
        with pytest.raises(FormatError, match="padding"):
            bech32.decode(text)
    else:
        assert bech32.decode(text) == ("age", bytes([extra >> 2]))


@pytest.mark.parametrize("count", [1, 3, 6, 9, 11, 14])
def test_a_superfluous_letter_is_refused(count: int) -> None:
    with pytest.raises(FormatError):
        bech32.decode(_with_checksum("age", [0] * count))


@pytest.mark.parametrize("hrp", ["", "Age", "a b", "ключ", "a\n"])
def test_unusable_prefix_is_refused(hrp: str) -> None:
    with pytest.raises(FormatError):
        bech32.encode(hrp, b"")


def _with_checksum(hrp: str, values: list[int]) -> str:
    """BIP-173's reference formula, written out on its own so that a mistake of ours is not repeated here."""
    state = 1
    expanded = [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp] + values + [0] * 6
    for value in expanded:
        top = state >> 25
        state = ((state & 0x1FFFFFF) << 5) ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= generator if top >> bit & 1 else 0
    state ^= 1
    return hrp + "1" + "".join(LETTERS[v] for v in values + [state >> 5 * (5 - i) & 31 for i in range(6)])
