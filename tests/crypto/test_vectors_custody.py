"""The committed vectors of staff work: read as they say, and refused where they say so."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from services.crypto import custody, reportkeys, splits
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64u, unb64, unb64u
from services.crypto.custody import CheckedRequest
from services.crypto.disclosures import open_disclosure
from services.crypto.errors import CryptoError
from services.crypto.manifests import Manifest
from services.crypto.payloads import open_payload
from services.crypto.receipts import derive
from services.crypto.rules import day, instant
from services.crypto.shares import combine
from services.crypto.signatures import Signed
from tests.crypto.make_vectors import FOLDER
from tests.crypto.readers import read_directory

Json = dict[str, Any]


def vector(name: str) -> Json:
    found: Json = json.loads((FOLDER / f"{name}.json").read_text())
    return found


PARTS, CUSTODY = vector("later-parts"), vector("custody")
DISCLOSURE, SPLIT = vector("disclosure"), vector("key-split")


def why(case: Json) -> str:
    return str(case["why"])


# --- later parts


@pytest.mark.parametrize(
    "part", PARTS["parts"], ids=lambda part: f"{part['header']['type']} by {part['header']['by']}"
)
def test_a_later_part_opens_for_each_of_its_readers(part: Json):
    head = part["header"]
    for reader in part["readers"]:
        opened = open_payload(unb64(part["file"]), HybridIdentity.parse(reader["identity"]))
        opened.check(
            rid=unb64u(head["rid"]), type=head["type"], by=head["by"], n=head["n"], prev=unb64u(head["prev"]),
            verify_key=unb64u(part["verify_key"]),
        )  # fmt: skip
        assert (opened.header.to_json(), opened.body) == (head, part["body"])
    if head["type"] == "report-keys":
        newest = HybridIdentity.parse(part["readers"][0]["identity"]).recipient
        assert reportkeys.report_recipient_of(opened.body) == newest


def test_the_note_for_a_new_code_opens_with_the_code():
    found = PARTS["carried"]
    carried = reportkeys.open_carried(unb64(found["file"]), derive(found["receipt"]), unb64u(found["rid"]))
    assert (carried.n, b64u(carried.part), str(carried.recipient)) == (
        found["n"], found["part"], found["recipient"],
    )  # fmt: skip
    with pytest.raises(CryptoError):
        reportkeys.open_carried(unb64(found["file"]), derive(found["receipt"]), bytes(32))


@pytest.mark.parametrize("case", PARTS["refuse"], ids=why)
def test_what_names_no_report_recipient_is_refused(case: Json):
    with pytest.raises(CryptoError):
        reportkeys.report_recipient_of(case["body"])


# --- the opening of an identity


def checked() -> CheckedRequest:
    return _request(CUSTODY["request"])


def _request(document: Json) -> CheckedRequest:
    return custody.check_request(Signed.from_json(document), read_directory(CUSTODY), instant(CUSTODY["now"]))


def test_the_request_and_its_reason_are_read_by_every_seat():
    request = checked()
    assert b64u(request.digest) == CUSTODY["digest"]
    files = [unb64(file) for file in CUSTODY["reasons"]]
    for seat in CUSTODY["seats"]:
        holder = HybridIdentity.parse(seat["identity"])
        assert custody.open_reason(files, holder, request.request) == CUSTODY["reason"]


def test_the_approvals_are_those_it_says():
    documents = [Signed.from_json(one) for one in CUSTODY["decisions"]]
    found = custody.approvals(documents, checked(), read_directory(CUSTODY), day(CUSTODY["today"]))
    assert sorted(one.decision.seat for one in found) == CUSTODY["approving"]


def test_k_releases_give_the_identity_key_and_fewer_do_not():
    request, directory = checked(), read_directory(CUSTODY)
    asker, manifest = (
        HybridIdentity.parse(CUSTODY["asker"]["identity"]),
        Manifest.from_json(CUSTODY["manifest"]),
    )
    shares = {
        one["seat"]: custody.open_release(
            unb64(one["file"]), asker, request, one["seat"], {custody.seat_of(directory, one["seat"]).verify_key}
        )
        for one in CUSTODY["releases"]
    }  # fmt: skip
    assert combine(shares, manifest).recipient == manifest.identity_recipient
    with pytest.raises(CryptoError):
        combine(dict([next(iter(shares.items()))]), manifest)


def test_the_undertaking_is_the_asker_s():
    found = custody.check_undertaking(Signed.from_json(CUSTODY["undertaking"]), checked())
    assert found.to_json() == CUSTODY["undertaking"]["body"]


CHECKS: dict[str, Callable[[Json], object]] = {
    "request": _request,
    "decision": lambda found: custody.check_decision(
        Signed.from_json(found), checked(), read_directory(CUSTODY), day(CUSTODY["today"])
    ),
    "undertaking": lambda found: custody.check_undertaking(Signed.from_json(found), checked()),
}


@pytest.mark.parametrize("case", CUSTODY["refuse"], ids=why)
def test_a_changed_document_of_custody_is_refused(case: Json):
    with pytest.raises(CryptoError):
        CHECKS[case["kind"]](case["document"])


# --- disclosures


def disclosed(case: Json) -> Any:
    reader = HybridIdentity.parse(case["identity"])
    return open_disclosure(
        unb64(case["file"]), reader, unb64u(case["rid"]), case["article"], [read_directory(DISCLOSURE)]
    )


def test_an_incident_opens_for_each_lead():
    for reader in (DISCLOSURE["identity"], *DISCLOSURE["others"]):
        found = disclosed({**DISCLOSURE, "identity": reader})
        record = found.disclosure
        assert {
            "person": found.person, "day": record.day.isoformat(), "who": record.who, "what": record.what,
        } == DISCLOSURE["expected"]  # fmt: skip


@pytest.mark.parametrize("case", DISCLOSURE["refuse"], ids=why)
def test_a_changed_incident_is_refused(case: Json):
    with pytest.raises(CryptoError):
        disclosed(case)


# --- a key in sub-shares


def stated(document: Json) -> splits.Split:
    key = HybridIdentity.parse
    recipient = key(vector("custody")["seats"][1]["identity"]).recipient
    assert str(recipient) == SPLIT["recipient"]
    return splits.check_split(
        Signed.from_json(document), SPLIT["of"], recipient, unb64u(SPLIT["verify_key"], 32)
    )


def opened(case: Json) -> bytes:
    reader = HybridIdentity.parse(case["identity"])
    return splits.open_share(unb64(case["file"]), reader, stated(SPLIT["document"]), case["holder"])


def test_any_k_holders_rebuild_both_halves_of_the_key():
    split = stated(SPLIT["document"])
    assert len(SPLIT["holders"]) == 3
    for pair in itertools.combinations(SPLIT["holders"], SPLIT["k"]):
        key = splits.combine({case["holder"]: opened(case) for case in pair}, split)
        assert key.signing is not None
        assert b64u(key.identity.seed + key.signing.seed) == SPLIT["secret"]


@pytest.mark.parametrize("case", SPLIT["refuse"], ids=why)
def test_a_changed_statement_is_refused(case: Json):
    with pytest.raises(CryptoError):
        stated(case["document"])


@pytest.mark.parametrize("case", SPLIT["refuse_shares"], ids=why)
def test_a_moved_sub_share_is_refused(case: Json):
    with pytest.raises(CryptoError):
        opened(case)
