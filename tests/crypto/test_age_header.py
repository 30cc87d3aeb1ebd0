"""The header parser takes one spelling only: what it accepts is what would be written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import age
from services.crypto.age_header import Source, Stanza, b64decode, b64encode, read_header, write_header
from services.crypto.errors import CryptoError, FormatError

SETTINGS = settings(max_examples=100, deadline=None)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
STANZAS = st.builds(Stanza, WORDS, st.lists(WORDS, max_size=3).map(tuple), st.binary(max_size=200))
KEY = b"k" * 32
VERSION = "age-encryption.org/v1\n"
MAC = "--- " + "A" * 43 + "\n"


@SETTINGS
@given(st.lists(STANZAS, min_size=1, max_size=5), st.binary(max_size=50))
def test_read_undoes_write_and_leaves_the_payload(stanzas: list[Stanza], payload: bytes) -> None:
    written = write_header(stanzas, KEY)
    source = Source([written, payload])
    header = read_header(source)
    assert list(header.stanzas) == stanzas
    assert write_header(header.stanzas, KEY) == written
    assert source.read(1000) == payload
    header.check_mac(KEY)
    with pytest.raises(FormatError, match="MAC"):
        header.check_mac(b"x" * 32)


@SETTINGS
@given(st.lists(STANZAS, min_size=1, max_size=3), st.data())
def test_an_edited_header_is_refused_or_reads_back_as_it_stands(
    stanzas: list[Stanza], data: st.DataObject
) -> None:
    text = bytearray(write_header(stanzas, KEY))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    source = Source([bytes(text)])
    try:
        header = read_header(source)
    except CryptoError:
        return
    body = b"".join(stanza.encode() for stanza in header.stanzas)
    again = VERSION.encode() + body + b"--- " + b64encode(header.mac).encode() + b"\n"
    assert again + source.read(len(text)) == bytes(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        VERSION,
        VERSION + MAC,  # no stanza
        "age-encryption.org/v2\n-> a\n\n" + MAC,
        VERSION.upper() + "-> a\n\n" + MAC,
        "\n" + VERSION + "-> a\n\n" + MAC,
        VERSION.replace("\n", "\r\n") + "-> a\n\n" + MAC,
        VERSION + "->\n\n" + MAC,
        VERSION + "-> \n\n" + MAC,
        VERSION + "->a\n\n" + MAC,
        VERSION + "-> a \n\n" + MAC,
        VERSION + "->  a\n\n" + MAC,
        VERSION + "-> a  b\n\n" + MAC,
        VERSION + "-> a\tb\n\n" + MAC,
        VERSION + "-> a\x7f\n\n" + MAC,
        VERSION + "-> ключ\n\n" + MAC,
        VERSION + "-> a\r\n\n" + MAC,
        VERSION + "-> a\n" + MAC,  # no body line
        VERSION + "-> a\n" + "A" * 64 + "\n" + MAC,  # no short line at the end
        VERSION + "-> a\n" + "A" * 68 + "\n" + MAC,
        VERSION + "-> a\nAAAA\nAAAA\n" + MAC,
        VERSION + "-> a\nAA==\n" + MAC,
        VERSION + "-> a\nAB\n" + MAC,  # spare bits
        VERSION + "-> a\nA\n" + MAC,
        VERSION + "-> a\nAA_-\n" + MAC,
        VERSION + "-> a\nAA AA\n" + MAC,
        VERSION + "-> a\n\n" + MAC[:-1],
        VERSION + "-> a\n\n" + MAC[:-2] + "\n",
        VERSION + "-> a\n\n" + MAC[:-1] + "A\n",
        VERSION + "-> a\n\n" + MAC[:-2] + "B\n",
        VERSION + "-> a\n\n" + MAC[:-1] + "=\n",
        VERSION + "-> a\n\n" + MAC[:-1] + " \n",
        VERSION + "-> a\n\n" + MAC[:-1] + "\r\n",
        VERSION + "-> a\n\n" + MAC.replace("--- ", "---"),
        VERSION + "-> a\n\n" + MAC.replace("--- ", "---  "),
        VERSION + "-> a\n\n" + MAC.replace("--- ", "---- "),
        VERSION + "-> a\n\n---\n",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        age.stanza_types(text.encode())


def test_the_plain_spelling_is_read() -> None:
    # The counterpart of the list above: its building blocks are right.
    assert age.stanza_types((VERSION + "-> a\n\n" + MAC).encode()) == ["a"]
    full = VERSION + "-> a b\n" + "A" * 64 + "\n\n-> !~\nAAAA\n" + MAC
    assert age.stanza_types(full.encode()) == ["a", "!~"]


@SETTINGS
@given(st.binary(max_size=100))
def test_base64_is_strict_both_ways(data: bytes) -> None:
    text = b64encode(data).encode()
    assert b64decode(text) == data
    for bad in (text + b"=", text + b"\n", b" " + text, text + b"A" * (1 + -len(text) % 4)):
        with pytest.raises(FormatError):
            b64decode(bad)


@SETTINGS
@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 60), max_size=8))
def test_source_gives_the_bytes_in_order_whatever_the_cuts(chunks: list[bytes], sizes: list[int]) -> None:
    source, whole = Source(chunks), b"".join(chunks)
    for size in sizes:
        assert source.read(size) == whole[:size]
        whole = whole[size:]


def test_lines_and_counts_can_be_mixed() -> None:
    source = Source([b"fir", b"st\nsec", b"ond\n", b"rest\n"])
    assert source.line() == b"first"
    assert source.read(3) == b"sec"
    assert source.line() == b"ond"
    assert source.read(99) == b"rest\n"
    with pytest.raises(FormatError):
        source.line()
