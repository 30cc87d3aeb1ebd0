"""Two certifiers and the calendar decide whose key a member of staff has."""

from datetime import date
from typing import Any

import pytest

from services.crypto.certificates import Certificate, check_certificate, make_certificate
from services.crypto.errors import BadSignature, FormatError
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
