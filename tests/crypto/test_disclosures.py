"""A record of a disclosure opens for its readers only, and only as the record of one report, article and writer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.crypto import canonical
from services.crypto.age import open_part, seal
from services.crypto.canonical import b64u
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.disclosures import MAX_WHO, Disclosure, open_disclosure, seal_disclosure
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused, WrongKey
from services.crypto.padding import frame, unframe
from services.crypto.signatures import sign_document
from tests.crypto.builders import PERSON, TODAY, identity, seed, signer, world

LEAD, KEY = identity("lead"), signer("lead")
RECORD = Disclosure(seed("rid"), "cc-424", TODAY, "Ойдан Шығарылған", "told the head of the clinic")


def certificate(**changes: Any):
    fields: dict[str, Any] = {
        "person": PERSON, "roles": ("lead",), "recipient": LEAD.recipient, "verify_key": KEY.verify_key,
        "valid_from": TODAY - timedelta(days=1), "valid_until": TODAY + timedelta(days=1), **changes,
    }  # fmt: skip
    return make_certificate(Certificate(**fields), world().certifiers[:2])


def sealed(record: Disclosure = RECORD, *readers: Any, **changes: Any) -> bytes:
    to = [reader.recipient for reader in readers or (LEAD,)]
    return seal_disclosure(record, certificate(**changes), KEY, to)


def opened(file: bytes, reader: Any = LEAD, rid: bytes = RECORD.rid, article: str = "cc-424"):
    return open_disclosure(file, reader, rid, article, [world().directory])


def test_it_opens_for_each_of_its_readers():
    readers = [identity(f"lead {i}") for i in range(8)]
    file = sealed(RECORD, *readers)
    for reader in readers:
        found = opened(file, reader)
        assert (found.disclosure, found.person) == (RECORD, PERSON)
    with pytest.raises(WrongKey):
        opened(file)
    with pytest.raises(Refused):
        sealed(RECORD, *readers, LEAD)


def test_its_size_tells_little():
    assert len(sealed(replace(RECORD, what="x"))) == len(sealed(replace(RECORD, what="y" * 300)))


def test_it_cannot_be_moved_to_another_report_or_article():
    for changes in ({"rid": seed("other")}, {"article": "cc-423"}):
        with pytest.raises(Refused):
            opened(sealed(), **changes)


def test_only_certified_staff_writes_one():
    with pytest.raises(CryptoError):
        opened(sealed(valid_until=TODAY - timedelta(days=1), valid_from=TODAY - timedelta(days=9)))
    with pytest.raises(BadSignature):
        opened(sealed(verify_key=signer("somebody else").verify_key))
    with pytest.raises(Refused):
        open_disclosure(sealed(), LEAD, RECORD.rid, "cc-424", [])


@pytest.mark.parametrize("member", ["article", "day", "rid", "what", "who"])
def test_a_changed_record_is_refused(member: str):
    document = canonical.loads(unframe(open_part(sealed(), LEAD)))
    changed = {"article": "cc-423", "day": "2026-11-23", "rid": b64u(seed("x")), "what": "no", "who": "no"}
    document["body"][member] = changed[member]
    file = seal(frame(canonical.dumps(document)), [LEAD.recipient])
    with pytest.raises((BadSignature, Refused)):
        opened(file)


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"who": ""}, {"who": "x" * (MAX_WHO + 1)}, {"more": 1}, {"day": "x"}]
)
def test_a_record_in_another_form_is_refused(change: Any):
    body = {**RECORD.to_json(), "certificate": certificate().to_json(), **change}
    document = sign_document("disclosure", body, [KEY])
    with pytest.raises(FormatError):
        opened(seal(frame(canonical.dumps(document.to_json())), [LEAD.recipient]))


def test_a_record_without_words_is_not_made():
    with pytest.raises(FormatError):
        sealed(replace(RECORD, who=""))
