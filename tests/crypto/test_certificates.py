"""Two certifiers and the calendar decide whose key a member of staff has."""

import re
from datetime import date
from typing import Any

import pytest

from services.crypto.certificates import (
    Certificate,
    check_certificate,
    cosign,
    fingerprint,
    make_certificate,
    same_fingerprint,
)
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.signatures import Signed
from tests.crypto.builders import PERSON, TODAY, certificate, identity, signer, world


@pytest.mark.parametrize("certifiers", [(1, 2), (3, 1), (1, 2, 3)])
def test_any_two_certifiers_vouch(certifiers: tuple[int, ...]):
    cert = check_certificate(certificate(certifiers), world().directory, TODAY)
    assert (cert.person, cert.roles) == (PERSON, ("desk", "investigator"))
    assert (cert.recipient, cert.verify_key) == (identity("staff").recipient, signer("staff").verify_key)


def test_it_survives_json():
    doc = Signed.from_json(certificate().to_json())
    cert = check_certificate(doc, world().directory, TODAY)
    assert Certificate.from_json(cert.to_json()) == cert


@pytest.mark.parametrize("day", [date(2026, 11, 1), date(2027, 4, 30)])
def test_its_first_and_last_day_count(day: date):
    assert check_certificate(certificate(), world().directory, day).valid_until == date(2027, 4, 30)


def test_roots_are_no_certifiers():
    cert = Certificate.from_json(certificate().body)
    doc = make_certificate(cert, [signer("root 1"), signer("root 2")])
    with pytest.raises(BadSignature):
        check_certificate(doc, world().directory, TODAY)


@pytest.mark.parametrize(
    "changes",
    [{"roles": ()}, {"roles": ("lead", "desk")}, {"roles": ("desk", "desk")}, {"roles": ("a b",)}, {"person": "x"},
     {"person": PERSON.replace("-", "")}, {"verify_key": bytes(31)}],
)  # fmt: skip
def test_a_malformed_certificate_is_not_made(changes: dict[str, Any]):
    with pytest.raises(FormatError):
        certificate(**changes)


@pytest.mark.parametrize(
    "wrong", ["2026-02-30", "2026-1-1", "20261101", "2026-11-01T00:00:00Z", 20261101, "٢٠٢٦-11-01"]
)
def test_a_day_that_is_none_is_refused(wrong: Any):
    with pytest.raises(FormatError):
        Certificate.from_json({**certificate().body, "valid_from": wrong})


# --- fingerprints and the second signature


def wanted(doc: Signed) -> Certificate:
    return Certificate.from_json(doc.body)


def test_a_fingerprint_is_thirty_digits_of_both_keys():
    one = fingerprint(identity("staff").recipient, signer("staff").verify_key)
    assert re.fullmatch(r"(\d{5} ){5}\d{5}", one)
    assert one == fingerprint(identity("staff").recipient, signer("staff").verify_key)
    others = [
        fingerprint(identity("other").recipient, signer("staff").verify_key),
        fingerprint(identity("staff").recipient, signer("other").verify_key),
    ]
    assert len({one, *others}) == 3
    heard = one.replace(" ", "-")
    assert same_fingerprint(heard, identity("staff").recipient, signer("staff").verify_key)
    for wrong in (one[:-1], one + "0", others[0], "", one[:-1] + str((int(one[-1]) + 1) % 10)):
        assert not same_fingerprint(wrong, identity("staff").recipient, signer("staff").verify_key)


def test_a_second_certifier_completes_what_a_first_one_proposed():
    proposed = certificate((1,))
    with pytest.raises(BadSignature):
        check_certificate(proposed, world().directory, TODAY)
    done = cosign(proposed, wanted(proposed), world().directory, signer("certifier 3"))
    assert check_certificate(done, world().directory, TODAY) == wanted(proposed)
    assert done.digest == proposed.digest


def test_one_certifier_does_not_complete_their_own_proposal():
    proposed = certificate((1,))
    with pytest.raises(Refused):
        cosign(proposed, wanted(proposed), world().directory, signer("certifier 1"))
    twice = Signed(proposed.body, proposed.signatures * 2)
    with pytest.raises(BadSignature):
        check_certificate(twice, world().directory, TODAY)


def test_a_stranger_neither_proposes_nor_completes():
    proposed = certificate((1,))
    with pytest.raises(Refused):
        cosign(proposed, wanted(proposed), world().directory, signer("stranger"))
    forged = make_certificate(wanted(proposed), [signer("stranger")])
    with pytest.raises(BadSignature):
        cosign(forged, wanted(proposed), world().directory, signer("certifier 2"))


@pytest.mark.parametrize(
    "changes",
    [{"roles": ("custodian",)}, {"recipient": identity("swapped").recipient}, {"verify_key": bytes(32)},
     {"person": "00000000-0000-4000-8000-000000000001"}, {"valid_until": date(2030, 1, 1)}],
)  # fmt: skip
def test_a_proposal_of_another_body_is_not_completed(changes: dict[str, Any]):
    expected = wanted(certificate((1,)))
    with pytest.raises(Refused):
        cosign(certificate((1,), **changes), expected, world().directory, signer("certifier 2"))
