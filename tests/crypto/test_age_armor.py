"""Armor is undone exactly, and other spellings than its own are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import age
from services.crypto.errors import FormatError

SETTINGS = settings(max_examples=100, deadline=None)
BEGIN, END = "-----BEGIN AGE ENCRYPTED FILE-----\n", "-----END AGE ENCRYPTED FILE-----\n"
LINE = "A" * 64 + "\n"


@SETTINGS
@given(st.binary(max_size=500))
def test_dearmor_undoes_armor(data: bytes) -> None:
    text = age.armor(data)
    assert text.startswith(BEGIN)
    assert text.endswith(END)
    assert max(len(line) for line in text.splitlines()[1:-1] or [""]) <= 64
    assert age.dearmor(text.encode()) == data


@SETTINGS
@given(st.binary(max_size=200), st.text(" \t\r\n", max_size=9), st.text(" \t\r\n", max_size=9))
def test_line_ends_and_outer_white_space_are_forgiven(data: bytes, before: str, after: str) -> None:
    text = age.armor(data).replace("\n", "\r\n")
    assert age.dearmor((before + text + after).encode()) == data
    assert age.dearmor(age.armor(data).strip().encode()) == data


@SETTINGS
@given(st.binary(max_size=200), st.data())
def test_an_edited_text_is_refused_or_says_something_else(data: bytes, draw: st.DataObject) -> None:
    text = bytearray(age.armor(data).encode())
    place = draw.draw(st.integers(0, len(text) - 2))
    text[place : place + draw.draw(st.integers(0, 2))] = draw.draw(st.binary(max_size=2))
    try:
        found = age.dearmor(bytes(text))
    except FormatError:
        return
    assert age.armor(found).split() == bytes(text).decode().split()


@pytest.mark.parametrize(
    "text",
    [
        "",
        BEGIN,
        END,
        END + BEGIN,
        BEGIN + "\n" + END,
        BEGIN + LINE + "\n" + END,
        BEGIN + "\n" + LINE + END,
        BEGIN + LINE,
        LINE + END,
        BEGIN + "AAAA\nAAAA\n" + END,  # a short line before the last
        BEGIN + "A" * 68 + "\n" + END,
        BEGIN + "AAA\n" + END,
        BEGIN + "AA\n==\n" + END,
        BEGIN + "AB==\n" + END,  # spare bits
        BEGIN + "AA=A\n" + END,
        BEGIN + "A A=\n" + END,
        BEGIN + " AAAA\n" + END,
        BEGIN + "AAAA \n" + END,
        BEGIN + "AA-_\n" + END,
        BEGIN + "ключ\n" + END,
        BEGIN + "Header: value\n\n" + LINE + END,
        "text\n" + BEGIN + LINE + END,
        BEGIN + LINE + END + "text\n",
        (BEGIN + LINE + END) * 2,
        BEGIN.lower() + LINE + END.lower(),
        BEGIN.replace("FILE", "MESSAGE") + LINE + END,
        BEGIN.replace("-----", "----- ", 1) + LINE + END,
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="armor"):
        age.dearmor(text.encode())


def test_an_armored_file_opens() -> None:
    identity = age.HybridIdentity.generate()
    text = age.armor(age.encrypt(b"text", [identity.recipient]))
    assert age.decrypt(age.dearmor(text.encode()), [identity]) == b"text"
    with pytest.raises(FormatError):
        age.decrypt(text.encode(), [identity])
