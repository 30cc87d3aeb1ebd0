"""A case opens only if grant, manifest, narrative and every later part hold; what does not is named, not shown.

Each test plays a server that serves something else than it was given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.client.cases import OpenedCase, SealedCase, open_case
from services.client.chain import Part, Place, hash_of
from services.client.errors import BadAnswer
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.canonical import b64, b64u
from services.crypto.errors import BadSignature, CryptoError, Refused, WrongKey
from services.crypto.grants import seal_grant
from services.crypto.packages import SealedReport, reporter_json
from services.crypto.payloads import Header, seal_payload
from services.crypto.receipts import ReceiptKeys
from services.crypto.signatures import SigningKey
from tests.crypto.builders import (
    ANSWERS,
    FIELDS,
    TODAY,
    certificate,
    identity,
    other,
    report_key,
    reporter,
    sealed,
    signer,
    world,
)

DAY = TODAY.isoformat()


@dataclass
class Server:
    """What a server holds of one report, in the shape of the API; tests change it at will."""

    report: SealedReport
    holder: HybridIdentity
    lines: list[dict[str, Any]] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for i, part in enumerate(self.report.parts):
            self.add(part.role, "reporter", None if part.role == "attachment" else i, part.data)

    @property
    def key(self) -> HybridIdentity:
        return report_key(self.report)

    def add(self, role: str, by: str, n: int | None, data: bytes) -> None:
        number = len(self.files)
        self.files.append(data)
        line = {"number": number, "role": role, "by": by, "n": n, "size": len(data), "day": DAY}
        self.lines.append({**line, "sha256": b64u(hash_of(data))})

    def place(self, by_reporter: bool) -> Place:
        chain = [
            line for line in self.lines if line["n"] is not None and (line["by"] == "reporter") == by_reporter
        ]
        return Place(len(chain), hash_of(self.files[chain[-1]["number"]])) if chain else Place()

    def write(
        self,
        by: str,
        signing: SigningKey,
        body: dict[str, Any],
        role: str = "message",
        recipients: Sequence[HybridRecipient] = (),
        **header: Any,
    ) -> bytes:
        place = self.place(by == "reporter")
        head = Header(role, by, self.report.rid, 1, place.n, place.prev)
        part = seal_payload(
            replace(head, **header), body, signing, recipients or [self.report.manifest.report_recipient]
        )
        self.add(role, by, place.n, part)
        return part

    def to_json(self) -> dict[str, Any]:
        grant = seal_grant(self.key, "desk", self.holder.recipient)
        return {
            "id": "6f1c1f0a-8d5c-4d29-9be4-3a2a0e3f0d11",
            "reference": "7K3F-9Q2M-XT",
            "state": "received",
            "filed_on": DAY,
            "mode": "sealed",
            "lane": "main",
            "desk": "central",
            "fields": FIELDS,
            "assignees": [],
            "rid": b64u(self.report.rid),
            "manifest": self.report.manifest.to_json(),
            "signature": b64u(self.report.signature),
            "parts": self.lines,
            "grants": [{"key": 0, "holder": "central", "data": b64(grant)}],
            "holders": [{"holder": "central", "role": "desk"}],
            "states": [{"state": "received", "day": DAY}],
            "assignments": [],
            "code_replaced_on": None,
            "directory": world().document.to_json(),
            **self.changes,
        }

    def open(self) -> OpenedCase:
        case = SealedCase.from_json(self.to_json())
        return open_case(
            case, [identity("nobody"), self.holder], [world().directory], lambda part: self.files[part.number]
        )


def said(text: str, attachments: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {"attachments": list(attachments), "text": text}


@pytest.fixture
def server() -> Server:
    return Server(sealed(), world().desk)


@pytest.fixture
def keys() -> ReceiptKeys:
    return reporter()


def test_an_honest_case_opens_whole(server: Server, keys: ReceiptKeys):
    server.write("reporter", keys.signing, said("first"))
    server.write("desk", world().desk_signing, said("question"))
    server.write("reporter", keys.signing, said("answer"))
    case = server.open()
    assert case.narrative.answers == ANSWERS
    assert case.narrative.field_differences == {}
    assert [(one.by, one.text) for one in case.messages] == [
        ("reporter", "first"), ("desk", "question"), ("reporter", "answer"),
    ]  # fmt: skip
    assert case.messages[1].signer == world().directory.desks[0].id
    assert case.rejected == ()
    assert case.place == server.place(by_reporter=False)
    assert case.reporter == keys.identity.recipient
    assert [one.name for one in case.attachments] == ["фото.jpg", "empty.txt"]
    assert server.files[case.part_of(case.attachments[0]).number] == server.report.parts[2].data


def test_nothing_of_an_opened_case_shows_in_its_representation(server: Server, keys: ReceiptKeys):
    server.write("reporter", keys.signing, said("MARKER of a message"))
    case = server.open()
    for secret in ("MARKER", "Просили", str(case.keyring.keys[0]), "фото"):
        assert secret not in repr(case) + repr(case.messages) + repr(case.sealed)


def test_clear_fields_that_differ_from_the_sealed_ones_are_shown(server: Server):
    assert server.open().differences == {}
    server.changes["fields"] = {**FIELDS, "region": "71"}
    assert server.open().differences == {"region": ("71", FIELDS["region"])}


def test_a_certified_investigator_is_believed_by_certificate(server: Server):
    document = certificate()
    server.write("staff", signer("staff"), {**said("by me"), "certificate": document.to_json()})
    case = server.open()
    found = [one.signer for one in case.messages] or [one.reason for one in case.rejected]
    assert found == [document.body["person"]]


@pytest.mark.parametrize("kind", ["one certifier", "no certificate", "other key"])
def test_uncertified_staff_is_not_believed(server: Server, kind: str):
    document = certificate(certifiers=(1,) if kind == "one certifier" else (1, 2)).to_json()
    body = said("by me") if kind == "no certificate" else {**said("by me"), "certificate": document}
    server.write("staff", signer("stranger" if kind == "other key" else "staff"), body)
    case = server.open()
    assert case.messages == ()
    assert [one.number for one in case.rejected] == [len(server.files) - 1]


def test_an_answer_not_signed_by_the_desk_is_named_and_not_shown(server: Server):
    server.write("desk", signer("the server itself"), said("tell us your name"))
    case = server.open()
    assert case.messages == ()
    assert [one.reason for one in case.rejected] == ["signature"]


def test_a_reporter_message_by_somebody_else_is_not_shown(server: Server):
    server.write("reporter", signer("the server itself"), said("I take it all back"))
    assert [one.reason for one in server.open().rejected] == ["signature"]


def test_a_part_of_another_report_is_not_shown(server: Server, keys: ReceiptKeys):
    server.write("reporter", keys.signing, said("from elsewhere"), rid=other().rid)
    assert [one.reason for one in server.open().rejected] == ["place"]


def test_a_replayed_part_is_not_shown_twice(server: Server, keys: ReceiptKeys):
    part = server.write("reporter", keys.signing, said("yes"))
    server.write("reporter", keys.signing, said("no"))
    server.add("message", "reporter", 4, part)
    case = server.open()
    assert [one.text for one in case.messages] == ["yes", "no"]
    assert [one.reason for one in case.rejected] == ["place"]


def test_swapped_parts_are_not_shown(server: Server, keys: ReceiptKeys):
    server.write("reporter", keys.signing, said("one"))
    server.write("reporter", keys.signing, said("two"))
    server.files[-2:] = reversed(server.files[-2:])
    for line in server.lines[-2:]:
        data = server.files[line["number"]]
        line.update(size=len(data), sha256=b64u(hash_of(data)))
    case = server.open()
    assert case.messages == ()
    assert len(case.rejected) == 2


def test_a_dropped_message_in_the_middle_is_noticed(server: Server, keys: ReceiptKeys):
    for text in ("one", "two", "three"):
        server.write("reporter", keys.signing, said(text))
    del server.lines[-2]
    with pytest.raises(Refused):
        server.open()
    server.lines[-1]["n"] = 3
    case = server.open()
    assert [one.text for one in case.messages] == ["one"]
    assert [one.reason for one in case.rejected] == ["place"]


def test_a_file_that_is_not_the_listed_one_is_not_opened(server: Server, keys: ReceiptKeys):
    server.write("reporter", keys.signing, said("one"))
    server.files[-1] = server.files[-1][:-1] + bytes([server.files[-1][-1] ^ 1])
    assert [one.reason for one in server.open().rejected] == ["place"]
    server.files[0] = server.files[0][:-1] + bytes([server.files[0][-1] ^ 1])
    with pytest.raises(Refused):
        server.open()


def test_a_replaced_code_changes_where_answers_go_and_who_may_write(server: Server, keys: ReceiptKeys):
    new_identity, new_signing = identity("new receipt"), signer("new receipt")
    body = {"reporter": reporter_json(new_identity.recipient, new_signing.verify_key)}
    server.write("reporter", keys.signing, body, role="reporter-keys")
    server.write("reporter", new_signing, said("it is me"))
    server.write("reporter", keys.signing, said("whoever has the old code"))
    case = server.open()
    assert case.reporter == new_identity.recipient
    assert [one.text for one in case.messages] == ["it is me"]
    assert [one.reason for one in case.rejected] == ["signature"]


def test_new_keys_that_the_old_ones_did_not_sign_change_nothing(server: Server, keys: ReceiptKeys):
    stranger = reporter_json(identity("stranger").recipient, signer("stranger").verify_key)
    server.write("reporter", signer("stranger"), {"reporter": stranger}, role="reporter-keys")
    case = server.open()
    assert case.reporter == keys.identity.recipient
    assert [one.reason for one in case.rejected] == ["signature"]


def test_identities_added_later_are_counted_and_stay_sealed(server: Server, keys: ReceiptKeys):
    recipients = [server.report.manifest.identity_recipient]
    server.write(
        "reporter", keys.signing, {"identity": {"name": "x"}}, role="identity", recipients=recipients
    )
    server.write("reporter", keys.signing, said("that was me"))
    case = server.open()
    assert case.identities == 1
    assert [one.text for one in case.messages] == ["that was me"]


@pytest.mark.parametrize(
    "body", [{}, {"text": 1, "attachments": []}, {"text": "x"}, {"text": "x", "attachments": [1]}]
)
def test_a_message_without_words_is_malformed(server: Server, keys: ReceiptKeys, body: dict[str, Any]):
    server.write("reporter", keys.signing, body)
    assert [one.reason for one in server.open().rejected] == ["form"]


def test_the_grant_of_another_report_or_of_nobody_opens_nothing(server: Server):
    foreign = seal_grant(report_key(other()), "desk", server.holder.recipient)
    server.changes["grants"] = [{"key": 0, "holder": "central", "data": b64(foreign)}]
    with pytest.raises(Refused):
        server.open()
    server.changes["grants"] = []
    with pytest.raises(WrongKey):
        server.open()
    nobodys = seal_grant(server.key, "desk", identity("somebody").recipient)
    server.changes["grants"] = [{"key": 0, "holder": "central", "data": b64(nobodys)}]
    with pytest.raises(WrongKey):
        server.open()


def test_a_manifest_that_the_reporter_did_not_sign_is_refused(server: Server):
    manifest = server.report.manifest.to_json()
    server.changes["manifest"] = {**manifest, "fields": {**FIELDS, "region": "71"}}
    with pytest.raises(BadSignature):
        server.open()


def test_the_manifest_of_another_report_is_refused(server: Server):
    server.changes["manifest"] = other().manifest.to_json()
    with pytest.raises(CryptoError):
        server.open()


def test_another_identity_part_is_refused(server: Server):
    data = other().parts[1].data
    server.files[1] = data
    server.lines[1].update(size=len(data), sha256=b64u(hash_of(data)))
    with pytest.raises(Refused):
        server.open()


def test_a_missing_attachment_is_refused_when_asked_for(server: Server):
    del server.lines[2]
    case = server.open()
    with pytest.raises(Refused):
        case.part_of(case.attachments[0])


@pytest.mark.parametrize(
    "change",
    [{"manifest": None}, {"signature": "x"}, {"parts": None}, {"parts": [{}]}, {"rid": 7}, {"grants": 7},
     {"states": [1]}, {"filed_on": "yesterday"}, {"fields": None}, {"code_replaced_on": 5}],
)  # fmt: skip
def test_what_is_no_case_is_refused(server: Server, change: dict[str, Any]):
    server.changes |= change
    with pytest.raises((BadAnswer, CryptoError)):
        server.open()


def test_a_part_line_is_read_strictly():
    line = {
        "number": 1,
        "role": "message",
        "by": "desk",
        "n": None,
        "size": 3,
        "sha256": b64u(bytes(32)),
        "day": DAY,
    }
    assert Part.from_json(line).day == datetime(2026, 11, 24, tzinfo=UTC).date()
    for change in ({"n": -1}, {"size": "3"}, {"sha256": "AA"}, {"day": "24.11.2026"}):
        with pytest.raises(CryptoError):
            Part.from_json({**line, **change})
