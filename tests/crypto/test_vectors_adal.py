"""The committed vectors: what both twins must agree on, and what both must refuse."""

import json
from typing import Any

import pytest

from services.crypto import canonical, padding
from services.crypto.age import HybridIdentity
from services.crypto.attachments import envelopes, open_attachment
from services.crypto.canonical import b64u, unb64, unb64u
from services.crypto.certificates import check_certificate
from services.crypto.directories import service_json
from services.crypto.errors import CryptoError
from services.crypto.grants import rid_of
from services.crypto.outcomes import event_id, read_outcome
from services.crypto.payloads import open_payload
from services.crypto.promises import check_promise, entry, leaf_hash
from services.crypto.receipts import ReceiptError, derive, parse_receipt
from services.crypto.rules import day
from services.crypto.signatures import Signed, SigningKey, verify
from tests.crypto import make_vectors
from tests.crypto.readers import READERS, read_directory, read_package, whole


def vector(name: str):
    return json.loads((make_vectors.FOLDER / f"{name}.json").read_text())


NEGATIVE = vector("negative")


@pytest.mark.parametrize("name", sorted(make_vectors.STEADY))
def test_the_committed_file_is_what_the_generator_writes(name: str):
    written = (make_vectors.FOLDER / f"{name}.json").read_text()
    assert written == make_vectors.text(make_vectors.STEADY[name]())


def test_canonical_texts():
    found = vector("canonical")
    for case in found["accept"]:
        assert canonical.dumps(case["value"]) == case["text"].encode()
        assert canonical.loads(case["text"].encode()) == case["value"]
    for case in found["refuse"]:
        with pytest.raises(CryptoError):
            canonical.loads(case["text"].encode())


def test_padded_sizes():
    found = vector("padding")
    assert [[size, padding.padme(size)] for size, _ in found["padme"]] == found["padme"]
    assert [[size, padding.padded(size, 4096)] for size, _ in found["padded_4096"]] == found["padded_4096"]


def test_report_ids():
    for case in vector("rid"):
        recipient = HybridIdentity.parse(case["identity"]).recipient
        assert (str(recipient), b64u(rid_of(recipient))) == (case["recipient"], case["rid"])


def test_receipts():
    found = vector("receipt")
    for case in found["derive"]:
        keys = derive(case["receipt"])
        assert b64u(keys.lookup) == case["lookup"]
        assert str(keys.identity.recipient) == case["recipient"]
        assert b64u(keys.signing.verify_key) == case["verify_key"]
    assert [parse_receipt(case["input"]) for case in found["parse"]] == [c["receipt"] for c in found["parse"]]
    for case in found["refuse"]:
        with pytest.raises(ReceiptError) as caught:
            parse_receipt(case["input"])
        assert caught.value.reason == case["reason"]


def test_signatures():
    for case in vector("signatures"):
        key = SigningKey.from_seed(unb64u(case["seed"]))
        assert b64u(key.verify_key) == case["verify_key"]
        # Ed25519 is deterministic: both twins make the same bytes.
        assert b64u(key.sign(case["type"], case["body"])) == case["sig"]
        verify(key.verify_key, case["type"], case["body"], unb64u(case["sig"]))


def test_the_package_opens_to_what_was_expected():
    found = vector("package")
    assert read_package(found) == found["expected"]


def test_outcomes():
    found = vector("outcome")
    for body in found["accept"]:
        assert read_outcome(body).body() == body
    for case in found["refuse"]:
        with pytest.raises(CryptoError):
            read_outcome(case["body"])
    for case in found["events"]:
        assert str(event_id(unb64u(case["claim"], 32), case["consumer"], case["n"])) == case["id"]


def test_both_readers_of_the_reply_see_the_same():
    found = vector("reply")
    assert found["attachments"]
    for reader in (HybridIdentity.parse(found["report_identity"]), derive(found["receipt"]).identity):
        opened = open_payload(unb64(found["file"]), reader)
        opened.check(
            rid=unb64u(found["rid"]), type="message", by="desk", n=found["header"]["n"],
            prev=unb64u(found["header"]["prev"]), verify_key=unb64u(found["verify_key"]),
        )  # fmt: skip
        assert (opened.header.to_json(), opened.body) == (found["header"], found["body"])
    lines = envelopes(found["body"]["attachments"])
    for line, case in zip(lines, found["attachments"], strict=True):
        true_bytes = open_attachment(unb64(case["file"]), line, derive(found["receipt"]).identity)
        assert true_bytes == unb64(case["data"])


def test_the_certificate_holds():
    found = vector("certificate")
    certificate = check_certificate(
        Signed.from_json(found["certificate"]), read_directory(found), day(found["today"])
    )
    assert certificate.to_json() == found["expected"]


def test_directories_with_and_without_services_hold():
    found = vector("directory")
    for case in found["accept"]:
        directory = read_directory({**found, **case})
        assert [service_json(service) for service in directory.services] == case["services"]


@pytest.mark.parametrize("case", vector("directory")["refuse"], ids=lambda case: case["why"])
def test_a_directory_with_wrong_services_is_refused(case: dict[str, Any]):
    with pytest.raises(CryptoError):
        read_directory({**vector("directory"), **case})


def test_the_promise_holds():
    found = vector("promise")
    salt = unb64u(found["salt"])
    check_promise(Signed.from_json(found["promise"]), unb64u(found["verify_key"]), found["record"], salt)
    leaf = leaf_hash(salt, canonical.dumps(found["record"]))
    assert (b64u(leaf), b64u(entry(unb64u(found["random"]), leaf))) == (found["leaf"], found["entry"])


@pytest.mark.parametrize("case", NEGATIVE["cases"], ids=lambda case: f"{case['kind']}: {case['why']}")
def test_a_negative_vector_is_refused(case: dict[str, Any]):
    with pytest.raises(CryptoError):
        READERS[case["kind"]](whole(case["input"], NEGATIVE["strings"]))
