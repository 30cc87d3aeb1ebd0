"""A payload comes back whole, in sizes that tell little; what it must not accept stands in test_adversaries."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import age
from services.crypto.errors import CryptoError, FormatError, Refused, WrongKey
from services.crypto.padding import padme
from services.crypto.payloads import ZERO32, Header, open_payload, seal_payload
from tests.crypto.builders import identity, seed, signer

READER, AUTHOR = identity("reader"), signer("author")
RID = seed("rid")


def header(**changes: Any):
    fields = {"type": "message", "by": "reporter", "rid": RID, "dir_seq": 3, "n": 0, "prev": ZERO32}
    return Header(**{**fields, **changes})


def sealed(body: Any = None, **changes: Any):
    return seal_payload(header(**changes), body or {"text": "x"}, AUTHOR, [READER.recipient])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20_000))
def test_a_body_of_any_size_comes_back_padded(size: int):
    data = sealed({"text": "ж" * size})
    opened = open_payload(data, READER)
    opened.check(rid=RID, type="message", by="reporter", n=0, prev=ZERO32, verify_key=AUTHOR.verify_key)
    assert (opened.header, opened.body) == (header(), {"text": "ж" * size})
    plaintext = age.open_part(data, READER)
    assert len(plaintext) == padme(len(plaintext)) >= 4096


def test_every_identity_has_one_size():
    sizes = {
        len(sealed({"identity": named}, type="identity"))
        for named in (None, {"name": "a"}, {"name": "b" * 3000})
    }
    assert len(sizes) == 1


def test_an_identity_that_does_not_fit_is_not_sealed():
    with pytest.raises(Refused):
        sealed({"identity": {"name": "b" * 4000}}, type="identity")


def test_all_recipients_open_it_and_nobody_else():
    other, stranger = identity("other"), identity("stranger")
    data = seal_payload(header(), {"text": "x"}, AUTHOR, [READER.recipient, other.recipient])
    assert open_payload(data, READER) == open_payload(data, other)
    with pytest.raises(WrongKey):
        open_payload(data, stranger)


def test_nothing_is_sealed_to_nobody_or_to_nine():
    for recipients in ([], [READER.recipient] * 9):
        with pytest.raises(Refused):
            seal_payload(header(), {}, AUTHOR, recipients)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "note"},
        {"by": "server"},
        {"rid": bytes(31)},
        {"dir_seq": 0},
        {"n": -1},
        {"n": True},
        {"prev": b""},
    ],
)
def test_an_impossible_header_is_not_sealed(change: dict[str, Any]):
    with pytest.raises(FormatError):
        sealed(**change)


def test_a_body_that_is_no_json_is_not_sealed():
    with pytest.raises(FormatError):
        sealed({"text": 1.5})


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_flipped_bit_anywhere_is_noticed(share: float):
    data = bytearray(sealed())
    data[int(len(data) * share)] ^= 4
    with pytest.raises(CryptoError):
        open_payload(bytes(data), READER)


@pytest.mark.parametrize("cut", [0, 10, 1600, 1630, 5000, -1])
def test_a_truncated_file_is_refused(cut: int):
    with pytest.raises(FormatError):
        open_payload(sealed()[:cut], READER)


def test_an_opened_payload_does_not_print_its_body():
    assert "unusual-word" not in repr(open_payload(sealed({"text": "unusual-word"}), READER))
