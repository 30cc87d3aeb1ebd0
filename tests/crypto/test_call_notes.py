"""A note of a call opens for the desk's key only, and only as the note of one call and kind."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.crypto import canonical
from services.crypto.age import HybridIdentity, open_part, seal, stanza_types
from services.crypto.call_notes import (
    MAX_NUMBER,
    MAX_TEXT,
    MAX_WISH,
    CallNote,
    open_call_note,
    seal_call_note,
)
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused, WrongKey
from services.crypto.padding import frame, unframe
from services.crypto.signatures import Signed, sign_document
from tests.crypto.builders import PERSON, TODAY, identity, signer, world

DESK, OPERATOR, KEY = identity("desk key"), identity("operator"), signer("operator")
CALL = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
BACK = CallNote(CALL, "callback", TODAY, "central", "Лицензия туралы", "+7 700 000 00 00", "after six")
WORDS = CallNote(CALL, "note", TODAY, "central", "asked about rewards")


def certificate(**changes: Any) -> Signed:
    fields: dict[str, Any] = {
        "person": PERSON, "roles": ("operator",), "recipient": OPERATOR.recipient, "verify_key": KEY.verify_key,
        "valid_from": TODAY - timedelta(days=1), "valid_until": TODAY + timedelta(days=1), **changes,
    }  # fmt: skip
    return make_certificate(Certificate(**fields), world().certifiers[:2])


def sealed(note: CallNote = BACK, signed: bool = True, **changes: Any) -> bytes:
    by = (certificate(**changes), KEY) if signed else (None, None)
    return seal_call_note(note, DESK.recipient, *by)


def opened(file: bytes, reader: HybridIdentity = DESK, call: str = CALL, kind: str = "callback"):
    return open_call_note(file, reader, call, kind, [world().directory])


def document(file: bytes) -> dict[str, Any]:
    found: dict[str, Any] = canonical.loads(unframe(open_part(file, DESK)))
    return found


def forged(body: dict[str, Any], *keys: Any) -> bytes:
    return seal(frame(canonical.dumps(sign_document("call-note", body, keys).to_json())), [DESK.recipient])


@pytest.mark.parametrize("note", [BACK, WORDS, replace(WORDS, wish="in Kazakh"), replace(BACK, wish=None)])
def test_it_opens_for_the_desk_and_names_who_signed(note: CallNote):
    found = opened(sealed(note), kind=note.kind)
    assert (found.note, found.person) == (note, PERSON)
    with pytest.raises(WrongKey):
        opened(sealed(note), OPERATOR, kind=note.kind)
    assert len(stanza_types(sealed(note))) == 1


def test_an_operator_without_keys_leaves_it_unsigned_and_readers_see_that():
    found = opened(sealed(signed=False))
    assert (found.note, found.person) == (BACK, None)
    assert document(sealed(signed=False))["signatures"] == []


def test_it_shows_nothing_in_its_name():
    assert str(BACK.number) not in repr(BACK)
    assert BACK.text not in repr(opened(sealed()))


def test_its_size_tells_little():
    assert len(sealed(replace(BACK, text="x"))) == len(sealed(replace(BACK, text="y" * 300)))


@pytest.mark.parametrize("changes", [{"call": str(uuid.uuid4())}, {"kind": "note"}])
def test_it_is_of_one_call_and_kind(changes: dict[str, Any]):
    with pytest.raises(Refused):
        opened(sealed(), **changes)


def test_a_signature_cannot_be_taken_off_or_put_on():
    body = document(sealed())["body"]
    with pytest.raises(BadSignature):
        opened(forged(body))
    with pytest.raises(BadSignature):
        opened(forged(body, signer("somebody")))
    with pytest.raises(BadSignature):
        opened(forged({**body, "text": "other words"}))
    with pytest.raises(Refused):
        opened(forged(BACK.to_json(), KEY)), "a signature of nobody"


def test_only_a_certificate_of_the_directory_and_the_day_counts():
    periods: tuple[dict[str, Any], ...] = (
        {"valid_until": TODAY - timedelta(days=1)},
        {"valid_from": TODAY + timedelta(days=1)},
    )
    for changes in periods:
        with pytest.raises(Refused):
            opened(sealed(**changes))
    alone = Signed(certificate().body, certificate().signatures[:1])
    with pytest.raises(CryptoError):
        opened(seal_call_note(BACK, DESK.recipient, alone, KEY))
    with pytest.raises(Refused):
        open_call_note(sealed(), DESK, CALL, "callback", [])


def test_a_certificate_without_its_key_seals_nothing():
    for by in ((certificate(), None), (None, KEY)):
        with pytest.raises(FormatError):
            seal_call_note(BACK, DESK.recipient, *by)


@pytest.mark.parametrize(
    "note",
    [
        replace(BACK, number=None), replace(WORDS, number="5"), replace(BACK, number=""), replace(BACK, text=""),
        replace(BACK, text="x" * (MAX_TEXT + 1)), replace(BACK, number="5" * (MAX_NUMBER + 1)),
        replace(BACK, wish="x" * (MAX_WISH + 1)), replace(BACK, kind="voice"), replace(BACK, call="1"),
        replace(BACK, call=CALL.upper()), replace(BACK, desk="a desk"),
    ],
)  # fmt: skip
def test_impossible_notes_are_neither_sealed_nor_opened(note: CallNote):
    with pytest.raises(FormatError):
        sealed(note)
    with pytest.raises(FormatError):
        opened(forged(note.to_json()), call=note.call, kind=note.kind)


def test_the_largest_note_fits():
    note = replace(BACK, text="ү" * MAX_TEXT, number="5" * MAX_NUMBER, wish="x" * MAX_WISH)
    assert opened(sealed(note)).note == note


def test_further_members_are_refused():
    with pytest.raises(FormatError):
        opened(forged({**BACK.to_json(), "rid": "x"}))
