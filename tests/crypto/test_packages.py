"""A report from sealing to opening: what comes out is what went in, and what differs is shown or refused."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto import canonical, packages
from services.crypto.attachments import open_attachment
from services.crypto.errors import BadSignature, FormatError, Refused, WrongKey
from services.crypto.manifests import Manifest
from services.crypto.packages import (
    NewAttachment,
    SealedReport,
    check_package,
    open_identity,
    open_report,
    package_from_json,
)
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.receipts import ReceiptError, derive, parse_receipt
from services.crypto.shares import combine, open_share
from tests.crypto.builders import (
    ANSWERS,
    FIELDS,
    NAMED,
    identity,
    opened,
    other,
    report_key,
    reporter,
    seal,
    sealed,
    signer,
    world,
)
from tests.crypto.forge import opened_shares


def files(report: SealedReport):
    return [part.data for part in report.parts]


def reopened(sent: SealedReport, **changes: Any):
    arguments = {
        "manifest": sent.manifest, "signature": sent.signature, "parts": files(sent),
        "report": report_key(sent), **changes,
    }  # fmt: skip
    return open_report(**arguments)


def resigned(manifest: Manifest):
    """What a reporter who lies on purpose sends: a manifest of their own, properly signed."""
    return {"manifest": manifest, "signature": reporter().signing.sign("manifest", manifest.to_json())}


def with_narrative(body: Any, **header: Any):
    """The sealed report with another narrative of the same reporter, the manifest made to fit."""
    manifest = sealed().manifest
    fields = {
        "type": "narrative",
        "by": "reporter",
        "rid": manifest.rid,
        "dir_seq": 1,
        "n": 0,
        "prev": ZERO32,
    }
    file = seal_payload(Header(**{**fields, **header}), body, reporter().signing, [manifest.report_recipient])
    line = replace(manifest.parts[0], size=len(file), sha256=sha256(file).digest())
    made = resigned(replace(manifest, parts=(line, *manifest.parts[1:])))
    return {**made, "parts": [file, *files(sealed())[1:]]}


def narrative(**changes: Any):
    lines = [line.to_json() for line in opened(sealed()).envelopes]
    keys = packages.reporter_json(reporter().identity.recipient, reporter().signing.verify_key)
    return {"answers": ANSWERS, "attachments": lines, "fields": FIELDS, "reporter": keys, **changes}


def test_the_desk_reads_what_the_reporter_wrote():
    report = opened(sealed())
    assert (report.answers, report.fields, report.field_differences) == (ANSWERS, FIELDS, {})
    assert (report.reporter_recipient, report.reporter_verify_key) == (
        reporter().identity.recipient,
        reporter().signing.verify_key,
    )
    assert [line.name for line in report.envelopes] == ["фото.jpg", "empty.txt"]
    key = report_key(sealed())
    found = [open_attachment(*pair, key) for pair in zip(files(sealed())[2:], report.envelopes, strict=True)]
    assert found == [b"\xff\xd8" * 700, b""]


def test_a_package_survives_the_wire_and_passes_the_service():
    package = package_from_json(canonical.loads(canonical.dumps(sealed().to_json())))
    assert package == sealed().package
    check_package(package, world().directory)


def test_a_receipt_is_made_when_none_is_given():
    report = seal(receipt=None, keys=None)
    assert parse_receipt(report.receipt) == report.receipt
    assert derive(report.receipt).lookup == report.package.lookup
    assert opened(report).reporter_recipient == report.keys.identity.recipient


def test_keys_without_their_receipt_are_refused():
    with pytest.raises(Refused):
        seal(receipt=None)


def test_no_secret_of_the_reporter_is_in_the_package():
    text = canonical.dumps(sealed().to_json()).decode()
    keys = reporter()
    for secret in (str(keys.identity), str(keys.identity.recipient), canonical.b64u(keys.signing.verify_key)):
        assert secret not in text
    assert "AGE-SECRET-KEY" not in text
    assert not [word for word in (*NAMED.values(), ANSWERS["what"]) if word in text or word in repr(sealed())]


def test_two_reports_with_and_without_a_name_look_alike():
    for one, two in zip(seal(identity=None).parts, seal().parts, strict=True):
        assert (one.role, len(one.data)) == (two.role, len(two.data))


def test_an_anonymous_identity_part_opens_to_nothing():
    report = seal(identity=None)
    shares = {
        seat: open_share(report.shares[seat - 1].data, world().seats[seat - 1], seat, report.manifest)
        for seat in (1, 3)
    }
    key = combine(shares, report.manifest)
    assert open_identity(files(report)[1], key, report.manifest, reporter().signing.verify_key) is None


def test_plain_mode_keeps_no_hash_of_true_bytes():
    report = seal(mode="plain", attachments=[NewAttachment("a", "text/plain", b"abc")])
    (line,) = opened(report).envelopes
    assert line.sha256 is None
    assert report.manifest.mode == "plain"
    assert open_attachment(files(report)[2], line, report_key(report)) == b"abc"


@settings(max_examples=12, deadline=None)
@given(
    st.dictionaries(
        st.text("абвгabc_", min_size=1, max_size=8),
        st.text(max_size=2000).filter(str.isprintable),
        max_size=5,
    ),
    st.lists(st.binary(max_size=70_000), max_size=3),
)
def test_answers_and_attachments_of_any_size_come_back(answers: dict[str, str], data: list[bytes]):
    report = seal(answers=answers, attachments=[NewAttachment("f", "a/b", item) for item in data])
    check_package(package_from_json(report.to_json()), world().directory)
    found = opened(report)
    assert found.answers == answers
    true = [
        open_attachment(*p, report_key(report)) for p in zip(files(report)[2:], found.envelopes, strict=True)
    ]
    assert true == data


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"desk_id": "nobody"}, Refused),
        ({"identity": {"name": "x" * 5000}}, Refused),
        ({"fields": {**FIELDS, "region": "in my own words"}}, FormatError),
        ({"fields": {}}, FormatError),
        ({"form": ""}, FormatError),
        ({"mode": "open"}, FormatError),
        ({"answers": {"x": 1.5}}, FormatError),
        ({"attachments": [NewAttachment("", "text/plain", b"")]}, FormatError),
        ({"attachments": [NewAttachment("a", "text", b"")]}, FormatError),
        ({"receipt": "1", "keys": None}, ReceiptError),
    ],
)
def test_what_nobody_could_open_is_not_sealed(changes: Any, error: type[Exception]):
    with pytest.raises(error):
        seal(**changes)


def test_clear_fields_that_differ_from_the_sealed_ones_are_shown():
    lie = with_narrative(narrative(fields={**FIELDS, "urgency": "life", "year": 2025}))
    assert reopened(sealed(), **lie).field_differences == {
        "urgency": ("normal", "life"),
        "year": (2026, 2025),
    }


def test_fields_that_stand_on_one_side_only_are_shown():
    less = {name: value for name, value in FIELDS.items() if name != "sector"}
    lie = with_narrative(narrative(fields={**less, "other": 1}))
    assert reopened(sealed(), **lie).field_differences == {"other": (None, 1), "sector": ("health", None)}


def test_an_honest_narrative_made_the_same_way_opens():
    assert reopened(sealed(), **with_narrative(narrative())).field_differences == {}


def test_a_changed_manifest_is_refused():
    with pytest.raises(BadSignature):
        reopened(sealed(), manifest=replace(sealed().manifest, fields={**FIELDS, "urgency": "low"}))


def test_a_manifest_signed_by_somebody_else_is_refused():
    signature = signer("server").sign("manifest", sealed().manifest.to_json())
    with pytest.raises(BadSignature):
        reopened(sealed(), signature=signature)


def test_the_narrative_of_another_report_is_refused():
    moved = [other().parts[0].data, *files(sealed())[1:]]
    with pytest.raises(Refused):
        reopened(sealed(), parts=moved)
    line = replace(sealed().manifest.parts[0], size=len(moved[0]), sha256=sha256(moved[0]).digest())
    made = resigned(replace(sealed().manifest, parts=(line, *sealed().manifest.parts[1:])))
    with pytest.raises(WrongKey):
        reopened(sealed(), parts=moved, **made)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ({"rid": other().rid}, Refused),
        ({"type": "message"}, Refused),
        ({"by": "desk"}, Refused),
        ({"n": 1}, Refused),
        ({"prev": b"\1" * 32}, Refused),
        ({"dir_seq": 2}, Refused),
    ],
)
def test_a_narrative_bound_to_something_else_is_refused(header: Any, error: type[Exception]):
    with pytest.raises(error):
        reopened(sealed(), **with_narrative(narrative(), **header))


def test_a_narrative_that_names_another_s_key_is_refused():
    keys = packages.reporter_json(identity("victim").recipient, signer("victim").verify_key)
    with pytest.raises(BadSignature):
        reopened(sealed(), **with_narrative(narrative(reporter=keys)))


@pytest.mark.parametrize(
    "changes", [{"answers": []}, {"fields": None}, {"reporter": {}}, {"attachments": {}}, {"extra": 1}]
)
def test_a_malformed_narrative_is_refused(changes: Any):
    with pytest.raises(FormatError):
        reopened(sealed(), **with_narrative(narrative(**changes)))


def test_attachments_left_out_added_or_exchanged_are_refused():
    lines = narrative()["attachments"]
    exchanged = [{**lines[1], "i": 0}, {**lines[0], "i": 1}]
    for attachments in (lines[:1], [], exchanged):
        with pytest.raises(Refused):
            reopened(sealed(), **with_narrative(narrative(attachments=attachments)))


def test_parts_may_come_later_but_not_in_another_order():
    assert reopened(sealed(), parts=files(sealed())[:1]).answers == ANSWERS
    for wrong in ([], files(sealed())[:2][::-1], [*files(sealed()), b"x"]):
        with pytest.raises(Refused):
            reopened(sealed(), parts=wrong)


def test_the_key_of_another_report_opens_nothing():
    with pytest.raises(WrongKey):
        reopened(sealed(), report=report_key(other()))


def test_an_identity_part_is_bound_to_its_report_and_signer():
    key = combine(opened_shares(), sealed().manifest)
    part = files(sealed())[1]
    assert open_identity(part, key, sealed().manifest, reporter().signing.verify_key) == NAMED
    with pytest.raises(BadSignature):
        open_identity(part, key, sealed().manifest, signer("desk").verify_key)
    with pytest.raises(Refused):
        open_identity(files(other())[1], key, sealed().manifest, reporter().signing.verify_key)


def test_an_identity_added_later_has_its_place_in_the_chain():
    manifest, key = sealed().manifest, combine(opened_shares(), sealed().manifest)
    prev = opened(sealed()).last
    header = Header("identity", "reporter", manifest.rid, 1, 2, prev)
    part = seal_payload(
        header, {"identity": {"name": "Кейін"}}, reporter().signing, [manifest.identity_recipient]
    )
    verify_key = reporter().signing.verify_key
    assert open_identity(part, key, manifest, verify_key, n=2, prev=prev) == {"name": "Кейін"}
    for n, before in ((3, prev), (2, manifest.parts[0].sha256), (1, None)):
        with pytest.raises(Refused):
            open_identity(part, key, manifest, verify_key, n=n, prev=before)


def test_neither_the_receipt_nor_the_desk_opens_the_identity():
    for stranger in (reporter().identity, world().desk, report_key(sealed())):
        with pytest.raises(WrongKey):
            open_identity(files(sealed())[1], stranger, sealed().manifest, reporter().signing.verify_key)


def test_a_small_file_has_the_size_the_service_expects():
    assert {len(files(sealed())[1]), *(len(share.data) for share in sealed().shares)} == {packages.SMALL_FILE}
