"""What the TypeScript twin sealed opens here; its files have the shapes of `vectors/adal/README.md`."""

import json

import pytest

from services.crypto.age import HybridIdentity
from services.crypto.attachments import envelopes, open_attachment
from services.crypto.canonical import unb64, unb64u
from services.crypto.payloads import open_payload
from services.crypto.receipts import derive
from tests.crypto.make_vectors import FOLDER
from tests.crypto.readers import read_package

PACKAGE, REPLY = FOLDER / "from-ts-package.json", FOLDER / "from-ts-reply.json"


@pytest.mark.skipif(not PACKAGE.exists(), reason="web/client has not written it")
def test_a_package_made_in_typescript_opens_here():
    vector = json.loads(PACKAGE.read_text())
    assert read_package(vector) == vector["expected"]


@pytest.mark.skipif(not REPLY.exists(), reason="web/client has not written it")
def test_a_message_made_in_typescript_opens_for_both_readers():
    vector = json.loads(REPLY.read_text())
    expected = vector["header"]
    for reader in (HybridIdentity.parse(vector["report_identity"]), derive(vector["receipt"]).identity):
        opened = open_payload(unb64(vector["file"]), reader)
        opened.check(
            rid=unb64u(vector["rid"]), type=expected["type"], by=expected["by"], n=expected["n"],
            prev=unb64u(expected["prev"]), verify_key=unb64u(vector["verify_key"]),
        )  # fmt: skip
        assert (opened.header.to_json(), opened.body) == (expected, vector["body"])
    lines = envelopes(vector["body"]["attachments"])
    for line, case in zip(lines, vector["attachments"], strict=True):
        assert open_attachment(unb64(case["file"]), line, reader) == unb64(case["data"])
