"""A signature says one thing of one body, and a threshold counts people's keys, not signatures."""

from typing import Any

import pytest

from services.crypto import signatures
from services.crypto.errors import BadSignature, FormatError
from services.crypto.signatures import Signed, SigningKey, check_document, sign_document, verify
from tests.crypto.builders import signer

BODY = {"v": 1, "text": "қазақша"}
ONE, TWO, THREE = signer("one"), signer("two"), signer("three")
KEYS = {ONE.verify_key, TWO.verify_key, THREE.verify_key}


@pytest.mark.parametrize("type_", sorted(signatures.TYPES))
def test_a_signature_holds_for_its_type_only(type_: str):
    sig = ONE.sign(type_, BODY)
    verify(ONE.verify_key, type_, BODY, sig)
    for other in signatures.TYPES - {type_}:
        with pytest.raises(BadSignature):
            verify(ONE.verify_key, other, BODY, sig)


def test_the_signed_bytes_are_label_line_feed_and_canonical_body():
    assert signatures.message("payload", {"b": 1, "a": "ә"}) == 'adal/v1/payload\n{"a":"ә","b":1}'.encode()


def test_an_unknown_type_is_not_signed():
    with pytest.raises(FormatError):
        ONE.sign("note", BODY)


@pytest.mark.parametrize("position", [0, 31, 32, 63])
def test_a_flipped_bit_spoils_a_signature(position: int):
    sig = bytearray(ONE.sign("payload", BODY))
    sig[position] ^= 1
    with pytest.raises(BadSignature):
        verify(ONE.verify_key, "payload", BODY, bytes(sig))


def test_another_body_or_key_or_length_does_not_verify():
    sig = ONE.sign("payload", BODY)
    for key, body, given in (
        (ONE.verify_key, {**BODY, "v": 2}, sig),
        (TWO.verify_key, BODY, sig),
        (ONE.verify_key, BODY, sig[:-1]),
        (ONE.verify_key[:-1], BODY, sig),
    ):
        with pytest.raises(BadSignature):
            verify(key, "payload", body, given)


def test_a_key_is_its_seed():
    key = SigningKey.generate()
    assert SigningKey.from_seed(key.seed).verify_key == key.verify_key
    assert SigningKey.generate().seed != key.seed
    with pytest.raises(FormatError):
        SigningKey.from_seed(bytes(31))


def test_a_key_does_not_show_its_secret():
    assert ONE.seed.hex() not in repr(ONE)
    assert str(ONE) == "SigningKey(...)"


def test_enough_different_keys_satisfy_a_threshold():
    doc = sign_document("directory", BODY, [ONE, THREE])
    check_document("directory", doc, KEYS, 2)
    with pytest.raises(BadSignature):
        check_document("directory", doc, KEYS, 3)


def test_two_signatures_by_one_key_count_once():
    with pytest.raises(BadSignature):
        check_document("directory", sign_document("directory", BODY, [ONE, ONE]), KEYS, 2)


def test_strangers_do_not_count_and_do_not_harm():
    doc = sign_document("directory", BODY, [signer("stranger"), ONE, TWO])
    check_document("directory", doc, KEYS, 2)
    with pytest.raises(BadSignature):
        check_document("directory", sign_document("directory", BODY, [signer("stranger"), ONE]), KEYS, 2)


def test_a_wrong_signature_beside_good_ones_does_not_harm():
    good = sign_document("directory", BODY, [ONE, TWO])
    doc = Signed(BODY, ((THREE.verify_key, bytes(64)), *good.signatures))
    check_document("directory", doc, KEYS, 2)
    with pytest.raises(BadSignature):
        check_document("directory", doc, KEYS, 3)


def test_a_threshold_of_zero_still_needs_one_signature():
    with pytest.raises(BadSignature):
        check_document("directory", Signed(BODY, ()), KEYS, 0)


def test_a_document_survives_json_and_its_digest_ignores_signatures():
    doc = sign_document("directory", BODY, [ONE, TWO])
    again = Signed.from_json(doc.to_json())
    assert again == doc
    assert again.digest == Signed(BODY, ()).digest != Signed({**BODY, "v": 2}, ()).digest


@pytest.mark.parametrize(
    "change",
    [
        {"body": []},
        {"body": {"x": 1.5}},
        {"signatures": {}},
        {"signatures": [{}]},
        {"extra": 1},
        {"signatures": [1]},
    ],
)
def test_what_is_no_signed_document_is_refused(change: dict[str, Any]):
    with pytest.raises(FormatError):
        Signed.from_json({**sign_document("directory", BODY, [ONE]).to_json(), **change})


def test_more_than_sixteen_signatures_are_refused_before_any_is_checked():
    line = sign_document("directory", BODY, [ONE]).to_json()["signatures"]
    with pytest.raises(FormatError):
        Signed.from_json({"body": BODY, "signatures": line * 17})
