"""A note's text counts only under a good signature of a known key; everything else about it is strict."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused
from services.crypto.notes import (
    COSIGNATURE,
    MAX_NOTE,
    MAX_SIGNATURES,
    VerifierKey,
    cosign,
    open_note,
    sign_note,
    split_note,
)
from services.crypto.signatures import SigningKey

# The example of Go's sumdb/note: verifier key, seed of the signer, text, note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SKEY = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

KEY, OTHER = SigningKey.from_seed(bytes(range(32))), SigningKey.from_seed(bytes(32))
NAME, WITNESS = "adal.test/log", "witness.test/w1"
LOG = VerifierKey(NAME, KEY.verify_key)
TEXT = "жол\n\nsecond paragraph\n"
NOTE = sign_note(TEXT, NAME, KEY)
WITNESS_KEY = VerifierKey(WITNESS, OTHER.verify_key, COSIGNATURE)


def test_the_published_example_is_made_and_opened():
    seed = base64.b64decode(GO_SKEY)[1:]
    note = sign_note(GO_TEXT, "PeterNeumann", SigningKey.from_seed(seed))
    assert note == GO_TEXT + "\n" + GO_LINE
    assert str(VerifierKey.parse(GO_VKEY)) == GO_VKEY
    assert open_note(note, [VerifierKey.parse(GO_VKEY)]) == (GO_TEXT, ("PeterNeumann",))


def test_a_note_opens_from_text_and_from_bytes():
    assert open_note(NOTE, [LOG]) == open_note(NOTE.encode(), [LOG]) == (TEXT, (NAME,))


def test_the_text_reaches_to_the_last_empty_line():
    text = "\n\na\n\n\n"
    assert open_note(sign_note(text, NAME, KEY), [LOG]).text == text


def test_several_signers_are_named_once_each_in_order():
    both = NOTE + sign_note(TEXT, WITNESS, OTHER).rpartition("\n\n")[2]
    keys = [VerifierKey(WITNESS, OTHER.verify_key), LOG]
    assert open_note(both, keys).names == (NAME, WITNESS)
    assert open_note(NOTE + NOTE.rpartition("\n\n")[2], [LOG]).names == (NAME,)


def test_signatures_by_unknown_keys_are_passed_over():
    unknown = "— somebody.test " + base64.b64encode(b"1234" + b"any length").decode() + "\n"
    head, _, line = NOTE.rpartition("\n\n")
    assert open_note(f"{head}\n\n{unknown}{line}{unknown}", [LOG]).names == (NAME,)
    with pytest.raises(BadSignature):
        open_note(f"{head}\n\n{unknown}", [LOG])


def test_a_key_is_known_by_name_and_id_together():
    same_name, same_id = VerifierKey(NAME, OTHER.verify_key), VerifierKey("else.test", KEY.verify_key)
    for key in (same_name, same_id):
        with pytest.raises(BadSignature):
            open_note(NOTE, [key])
    assert open_note(NOTE, [same_name, LOG]).names == (NAME,)


def test_a_wrong_key_id_makes_the_signature_unknown():
    head, _, line = NOTE.rpartition(" ")
    data = bytearray(base64.b64decode(line))
    data[0] ^= 1
    with pytest.raises(BadSignature):
        open_note(f"{head} {base64.b64encode(data).decode()}\n", [LOG])


def test_one_wrong_signature_of_a_known_key_spoils_the_note():
    forged = "— " + NAME + " " + base64.b64encode(LOG.key_id + bytes(64)).decode() + "\n"
    with pytest.raises(BadSignature):
        open_note(NOTE + forged, [LOG])
    with pytest.raises(BadSignature):
        open_note(NOTE + forged, [LOG, WITNESS_KEY])


def test_every_flipped_bit_is_refused():
    data = NOTE.encode()
    for position in range(len(data) * 8):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises((BadSignature, FormatError)):
            open_note(bytes(changed), [LOG])


def test_every_truncation_is_refused():
    data = NOTE.encode()
    for end in range(len(data)):
        with pytest.raises((BadSignature, FormatError)):
            open_note(data[:end], [LOG])


def test_keys_that_cannot_be_told_apart_are_refused():
    # Two kinds of one key differ in their ids, so a collision has to be searched: 2^16 tries or so.
    seen: dict[bytes, VerifierKey] = {}
    for number in range(2**20):
        key = VerifierKey("x", number.to_bytes(32))
        other = seen.setdefault(key.key_id, key)
        if other != key:
            break
    with pytest.raises(Refused):
        open_note(NOTE, [LOG, key, other])
    assert open_note(NOTE, [LOG, LOG]).names == (NAME,)


def test_a_witness_signs_the_time_too():
    note = cosign(NOTE, WITNESS, OTHER, 1_700_000_000)
    assert open_note(note, [LOG, WITNESS_KEY]).names == (NAME, WITNESS)
    assert open_note(note, [LOG]).names == (NAME,)
    head, _, line = note.rpartition(" ")
    data = bytearray(base64.b64decode(line))
    assert int.from_bytes(data[4:12]) == 1_700_000_000
    for changed in (
        data[:11] + bytes([data[11] ^ 1]) + data[12:],
        data[:4] + b"\xff" * 8 + data[12:],
        data[:6],
    ):
        with pytest.raises(BadSignature):
            open_note(f"{head} {base64.b64encode(changed).decode()}\n", [LOG, WITNESS_KEY])


def test_a_cosignature_is_not_a_signature():
    witness_as_log = VerifierKey(WITNESS, OTHER.verify_key)
    note = cosign(NOTE, WITNESS, OTHER, 5)
    assert open_note(note, [LOG, witness_as_log]).names == (NAME,)
    assert WITNESS_KEY.key_id != witness_as_log.key_id


def test_a_labelled_signature_is_not_a_note_signature():
    line = base64.b64encode(LOG.key_id + KEY.sign("promise", {"v": 1})).decode()
    with pytest.raises(BadSignature):
        open_note(f'adal/v1/promise\n{{"v":1}}\n\n— {NAME} {line}\n', [LOG])


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\tb", "a\nb", "a\x00", "\ud800"]
)
def test_names_with_spaces_plus_or_controls_are_refused(name: str):
    with pytest.raises(FormatError):
        VerifierKey(name, KEY.verify_key)
    with pytest.raises(FormatError):
        sign_note(TEXT, name, KEY)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\x00\n", "return\r\n", "\ud800\n"])
def test_texts_that_no_note_may_have_are_not_signed(text: str):
    with pytest.raises(FormatError):
        sign_note(text, NAME, KEY)


LINE = NOTE.rpartition("\n\n")[2]


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"\n\n",
        b"a\n\n",
        b"a\n",
        b"a\n\n\xff\n",
        TEXT,
        LINE,
        "a\n\n" + LINE[:-1],
        "a\n\n" + LINE + "\n",
        "a\n\n-" + LINE[1:],
        "a\n\n" + LINE.replace("— ", "—  "),
        "a\n\n" + LINE[:-1] + " \n",
        "a\r\n\r\n" + LINE,
        "a\n\n— name AAAA\n",
        "a\n\n— name AAAAAA==\n",
        "a\n\n— name AAAAAAB=\n",
        "a\n\n— name !!!!!!!!\n",
        "a\n\n— na+me AAAAAAAA\n",
        "a\n\n—  AAAAAAAA\n",
        "\ud800\n\n" + LINE,
    ],
)
def test_malformed_notes_are_refused(note: str | bytes):
    with pytest.raises(FormatError):
        split_note(note)


def test_size_and_number_of_signatures_are_bounded():
    assert len(split_note("a\n\n" + LINE * MAX_SIGNATURES)[1]) == MAX_SIGNATURES >= 16
    with pytest.raises(FormatError):
        split_note("a\n\n" + LINE * (MAX_SIGNATURES + 1))
    with pytest.raises(FormatError):
        split_note("a" * MAX_NOTE + "\n\n" + LINE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "++",
        "a+b+c",
        "PeterNeumann",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("c7", "C7", 1),
        GO_VKEY[:-4],
        GO_VKEY + "=",
        GO_VKEY + "AAAA",
        " " + GO_VKEY,
        GO_VKEY + "\n",
        GO_VKEY.replace("+AR", "+AS"),
        "x+c74f20a3+",
        "PeterNeumann++ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "\ud800+00000000+AAAA",
    ],
)
def test_malformed_verifier_keys_are_refused(text: str):
    with pytest.raises(FormatError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("key", [LOG, WITNESS_KEY])
def test_verifier_keys_survive_writing_and_reading(key: VerifierKey):
    assert VerifierKey.parse(str(key)) == key


def test_other_kinds_of_keys_are_refused():
    for public, kind in ((KEY.verify_key, 2), (KEY.verify_key, 0x06), (KEY.verify_key[:-1], 1), (b"", 4)):
        with pytest.raises(FormatError):
            VerifierKey(NAME, public, kind)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab\n— +=/AQ", max_size=60) | st.text(max_size=40) | st.binary(max_size=60))
def test_any_input_as_a_note_is_refused_cleanly(note: str | bytes):
    with pytest.raises(CryptoError):
        open_note(note, [LOG, WITNESS_KEY])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(NOTE) - 1), st.text(alphabet="\n— A=+\x00\u2028", max_size=3), st.integers(0, 3))
def test_any_edit_of_a_note_is_refused_cleanly(at: int, new: str, drop: int):
    edited = NOTE[:at] + new + NOTE[at + drop :]
    if edited != NOTE:
        with pytest.raises(CryptoError):
            open_note(edited, [LOG])


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="Peter+c74f20AR=/", max_size=40) | st.text(max_size=40))
def test_any_text_as_a_verifier_key_is_refused_cleanly(text: str):
    with pytest.raises(CryptoError):
        VerifierKey.parse(text)
