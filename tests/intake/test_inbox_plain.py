"""The inbox without script: the receipt is typed each time, replies are opened for one answer, words are sealed at once."""

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest

from services.crypto.age import HybridIdentity
from services.crypto.attachments import envelopes, open_attachment
from services.crypto.canonical import b64, b64u
from services.crypto.manifests import Manifest
from services.crypto.packages import open_identity
from services.crypto.payloads import OpenedPayload, open_payload
from services.crypto.receipts import ReceiptKeys, derive, format_receipt, new_receipt
from services.crypto.shares import combine, open_share
from services.crypto.signatures import SigningKey
from tests.intake.builders import (
    INBOX,
    STAFF,
    DeskMessage,
    Json,
    Sql,
    World,
    attachment,
    desk_message,
    new_key,
    pointers,
    problem,
)

PLAIN = f"{INBOX}/plain"


class Reporter:
    """A plain report with what its reporter holds, and what staff know of it."""

    def __init__(self, filed: Json, case_id: str) -> None:
        self.receipt: str = filed["receipt"]
        self.manifest = Manifest.from_json(filed["manifest"])
        self.keys: ReceiptKeys = derive(self.receipt)
        self.case_id = case_id
        self.to = [self.manifest.report_recipient, self.keys.identity.recipient]


@pytest.fixture
async def reporter(world: World) -> Reporter:
    filed = await world.file_plain()
    return Reporter(filed, await world.case_id(filed["reference"]))


async def say(world: World, reporter: Reporter, text: str, **more: object) -> Json:
    answer = await world.post(f"{PLAIN}/messages", {"receipt": reporter.receipt, "text": text, **more})
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def stored_part(world: World, reporter: Reporter, number: int) -> bytes:
    path = f"{STAFF}/cases/{reporter.case_id}/parts/{number}"
    answer = await world.http.get(path, headers=world.token("desk"))
    assert answer.status_code == 200
    return answer.content


# --- what the reporter writes


async def test_a_plain_message_is_sealed_signed_and_in_its_place(world: World, reporter: Reporter) -> None:
    first = await say(world, reporter, "First.", attachments=[attachment(b"photo", "p.jpg")])
    second = await say(world, reporter, "Second.")
    assert (first["number"], first["n"], second["number"], second["n"]) == (2, 2, 4, 3)
    case = await world.case(reporter.case_id)
    key = await world.report_key(case)
    before = case["parts"][1]["sha256"]
    files = [await stored_part(world, reporter, number) for number in (2, 3, 4)]
    opened: list[OpenedPayload] = [open_payload(files[0], key), open_payload(files[2], key)]
    prevs = [bytes.fromhex(sha256(await stored_part(world, reporter, 1)).hexdigest()), sha256(files[0]).digest()]
    for n, (part, prev) in enumerate(zip(opened, prevs, strict=True), 2):
        part.check(
            rid=reporter.manifest.rid,
            type="message",
            by="reporter",
            n=n,
            prev=prev,
            verify_key=reporter.keys.signing.verify_key,
        )
    assert before == b64u(prevs[0])
    assert [part.body["text"] for part in opened] == ["First.", "Second."]
    (envelope,) = envelopes(opened[0].body["attachments"])
    assert (open_attachment(files[1], envelope, key), envelope.name) == (b"photo", "p.jpg")
    assert envelope.sha256 is None, "the service keeps no hash of what it saw"


async def test_messages_at_once_take_places_one_after_the_other(world: World, reporter: Reporter) -> None:
    stored = await asyncio.gather(*(say(world, reporter, f"Message {i}.") for i in range(4)))
    assert sorted(one["n"] for one in stored) == [2, 3, 4, 5]
    case = await world.case(reporter.case_id)
    key = await world.report_key(case)
    prev = sha256(await stored_part(world, reporter, 1)).digest()
    for number in (2, 3, 4, 5):
        file = await stored_part(world, reporter, number)
        open_payload(file, key).check(
            rid=reporter.manifest.rid,
            type="message",
            by="reporter",
            n=number,
            prev=prev,
            verify_key=reporter.keys.signing.verify_key,
        )
        prev = sha256(file).digest()


async def test_an_identity_given_later_is_sealed_to_the_custodians(
    world: World, reporter: Reporter, sql: Sql
) -> None:
    identity = {"name": "Invented Person", "email": "somebody@example.org"}
    answer = await world.post(f"{PLAIN}/identity", {"receipt": reporter.receipt, "identity": identity})
    assert answer.status_code == 201
    file = await stored_part(world, reporter, answer.json()["number"])
    assert len(file) == 5755
    sealed = dict(sql("SELECT seat, sealed FROM intake.shares"))
    shares = {s: open_share(sealed[s], world.seat(s), s, reporter.manifest) for s in (1, 2)}
    found = open_identity(
        file,
        combine(shares, reporter.manifest),
        reporter.manifest,
        reporter.keys.signing.verify_key,
        n=2,
        prev=sha256(await stored_part(world, reporter, 1)).digest(),
    )
    assert found == identity


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("messages", {"text": ""}, "/text"),
        ("messages", {"text": "x" * 20_001}, "/text"),
        ("messages", {}, "/text"),
        ("messages", {"text": "x", "attachments": [attachment() | {"type": "тип/файл"}]}, "/attachments/0/type"),
        ("messages", {"text": "x", "n": 2}, ""),
        ("identity", {"identity": {}}, "/identity"),
        ("identity", {"identity": {"phone": "1"}}, "/identity/name"),
        ("identity", {"identity": {"name": "N", "iin": "000000000000"}}, "/identity"),
        ("identity", {"identity": {"name": "N" * 201}}, "/identity/name"),
        ("files", {"number": -1}, "/number"),
    ],
)
async def test_what_is_wrong_is_said(
    world: World, reporter: Reporter, path: str, body: Json, pointer: str
) -> None:
    answer = await world.post(f"{PLAIN}/{path}", {"receipt": reporter.receipt, **body})
    assert problem(answer) == (422, "invalid")
    assert pointer in pointers(answer)


async def test_too_many_bytes_of_a_message_are_a_413(world: World, reporter: Reporter) -> None:
    limit = world.app.state.context.settings.attachment_bytes
    files = [attachment(bytes(limit // 2)), attachment(bytes(limit // 2 + 1))]
    answer = await world.post(
        f"{PLAIN}/messages", {"receipt": reporter.receipt, "text": "x", "attachments": files}
    )
    assert problem(answer) == (413, "too-large")


# --- receipts as people type them


async def test_a_receipt_may_be_typed_with_spaces_and_dashes(world: World, reporter: Reporter) -> None:
    for typed in (
        format_receipt(reporter.receipt),
        f"  {format_receipt(reporter.receipt).replace(' ', ' – ')} ",
        "".join(chr(ord(digit) - ord("0") + 0xFF10) for digit in reporter.receipt),
    ):
        view = await world.plain_inbox(typed)
        assert view["rid"] == b64u(reporter.manifest.rid)


async def test_mistyped_receipts_are_told_apart_from_unknown_ones(world: World, reporter: Reporter) -> None:
    digits = reporter.receipt
    slipped = str((int(digits[0]) + 1) % 10) + digits[1:]
    i = next(i for i in range(23) if digits[i] != digits[i + 1])
    swapped = digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :]
    details = {}
    for name, typed in {"short": digits[:-1], "letters": "x" * 24, "slip": slipped, "swap": swapped}.items():
        answer = await world.http.post(PLAIN, json={"receipt": typed})
        assert problem(answer) == (422, "invalid"), name
        assert pointers(answer) == {"/receipt"}
        assert typed not in answer.text
        details[name] = answer.json()["detail"]
    assert details["short"] == details["letters"] != details["slip"] == details["swap"]

    unknown = await world.http.post(PLAIN, json={"receipt": new_receipt()})
    assert problem(unknown) == (404, "no-such-receipt")


async def test_mistyped_codes_are_no_pressure_and_unknown_ones_are(world: World) -> None:
    unknown = world.app.state.context.door.pressure.unknown
    await world.http.post(PLAIN, json={"receipt": "1" * 24})
    assert len(unknown) == 0
    await world.http.post(PLAIN, json={"receipt": new_receipt()})
    assert len(unknown) == 1


# --- what the desk answers


async def test_an_answer_of_the_desk_is_opened_for_the_reporter(world: World, reporter: Reporter) -> None:
    assert (await world.plain_inbox(reporter.receipt))["messages"] == []
    sent = desk_message(reporter.manifest, reporter.to, world.desk()[1], text="Қай күні болды?")
    assert (await world.answer(reporter.case_id, sent)).status_code == 201
    view = await world.plain_inbox(reporter.receipt)
    day = view["filed_on"]
    assert view["messages"] == [
        {"n": 0, "by": "desk", "day": day, "text": "Қай күні болды?", "attachments": []}
    ]
    assert (view["refused"], view["mode"]) == (0, "plain")


async def test_an_answer_of_certified_staff_is_opened_too(world: World, reporter: Reporter) -> None:
    member = world.member("investigator")
    await assign(world, reporter, member.id)
    first = desk_message(reporter.manifest, reporter.to, world.desk()[1])
    await world.answer(reporter.case_id, first)
    sent = desk_message(
        reporter.manifest,
        reporter.to,
        member.signing,
        by="staff",
        text="I took the case over.",
        n=1,
        prev=sha256(first.part).digest(),
        certificate=member.certificate,
    )
    assert (await world.answer(reporter.case_id, sent, **world.of(member))).status_code == 201
    view = await world.plain_inbox(reporter.receipt)
    assert [(m["by"], m["n"], m["text"]) for m in view["messages"]] == [
        ("desk", 0, "Which day was it?"),
        ("staff", 1, "I took the case over."),
    ]
    assert view["refused"] == 0


async def assign(world: World, reporter: Reporter, person: str) -> None:
    from services.crypto.grants import seal_grant

    key = await world.report_key(await world.case(reporter.case_id))
    grant = seal_grant(key, "investigator", HybridIdentity.generate().recipient)
    answer = await world.http.put(
        f"{STAFF}/cases/{reporter.case_id}/assignees/{person}",
        json={"role": "investigator", "grant": b64(grant)},
        headers=world.token("desk"),
    )
    assert answer.status_code == 201, answer.text


async def forged(world: World, reporter: Reporter, kind: str) -> DeskMessage:
    """A message of the first place that the reporter must not be shown."""
    desk, stranger = world.desk()[1], SigningKey.generate()
    manifest, to = reporter.manifest, reporter.to
    if kind == "signed-by-somebody":
        return desk_message(manifest, to, stranger)
    if kind == "signed-by-the-reporter":
        return desk_message(manifest, to, reporter.keys.signing)
    if kind == "of-another-report":
        other = Manifest.from_json((await world.file_plain())["manifest"])
        return desk_message(replace(other, report_recipient=manifest.report_recipient), to, desk)
    if kind == "of-another-place":
        return desk_message(manifest, to, desk, n=1)
    if kind == "after-something-else":
        return desk_message(manifest, to, desk, prev=b"\x01" * 32)
    if kind == "by-another-author":
        return desk_message(manifest, to, desk, by="staff")
    if kind == "not-for-the-reporter":
        return desk_message(manifest, [to[0], HybridIdentity.generate().recipient], desk)
    assert kind == "no-payload"
    from services.crypto.age import seal

    return DeskMessage(seal(bytes(4096), to))


FORGERIES = (
    "signed-by-somebody",
    "signed-by-the-reporter",
    "of-another-report",
    "of-another-place",
    "after-something-else",
    "by-another-author",
    "not-for-the-reporter",
    "no-payload",
)


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_message_that_is_not_the_desks_is_counted_and_not_shown(
    world: World, reporter: Reporter, kind: str
) -> None:
    wrong = await forged(world, reporter, kind)
    assert (await world.answer(reporter.case_id, wrong)).status_code == 201, "intake cannot read it"
    view = await world.plain_inbox(reporter.receipt)
    assert (view["messages"], view["refused"]) == ([], 1)

    good = desk_message(reporter.manifest, reporter.to, world.desk()[1], n=1, prev=sha256(wrong.part).digest())
    await world.answer(reporter.case_id, good)
    view = await world.plain_inbox(reporter.receipt)
    assert ([m["n"] for m in view["messages"]], view["refused"]) == ([1], 1)


@pytest.mark.parametrize("fault", ["none", "uncertified", "one-certifier", "somebody-elses", "expired"])
async def test_staff_without_a_good_certificate_are_not_believed(
    world: World, reporter: Reporter, fault: str
) -> None:
    from datetime import timedelta

    from services.crypto.certificates import Certificate, make_certificate

    member, other = world.member("investigator"), world.member("investigator")
    await assign(world, reporter, member.id)
    certificate, signing = member.certificate, member.signing
    if fault == "none":
        certificate = None  # type: ignore[assignment]
    elif fault == "uncertified":
        certificate = make_certificate(Certificate.from_json(certificate.body), [SigningKey.generate()] * 2)
    elif fault == "one-certifier":
        certificate = replace(certificate, signatures=certificate.signatures[:1])
    elif fault == "somebody-elses":
        signing = other.signing
    else:
        body = Certificate.from_json(certificate.body)
        old = replace(body, valid_until=world.now().date() - timedelta(days=1))
        certificate = make_certificate(old, [world.folder.signing(f"certifier-{i}") for i in (1, 2)])
    sent = desk_message(reporter.manifest, reporter.to, signing, by="staff", certificate=certificate)
    assert (await world.answer(reporter.case_id, sent, **world.of(member))).status_code == 201
    view = await world.plain_inbox(reporter.receipt)
    assert (view["messages"], view["refused"]) == ([], 1)


async def test_staff_cannot_speak_as_the_desk(world: World, reporter: Reporter) -> None:
    """An investigator's message is stored as staff's, so the desk's signature in it does not fit."""
    member = world.member("investigator")
    await assign(world, reporter, member.id)
    sent = desk_message(reporter.manifest, reporter.to, world.desk()[1])
    assert (await world.answer(reporter.case_id, sent, **world.of(member))).status_code == 201
    view = await world.plain_inbox(reporter.receipt)
    assert (view["messages"], view["refused"]) == ([], 1)


# --- files


async def test_an_attachment_of_an_answer_downloads_as_its_true_bytes(world: World, reporter: Reporter) -> None:
    data = bytes(range(256)) * 300
    sent = desk_message(
        reporter.manifest, reporter.to, world.desk()[1], files=[("../../a<b>.html", data), ("b.txt", b"")]
    )
    assert (await world.answer(reporter.case_id, sent)).status_code == 201
    ((message),) = (await world.plain_inbox(reporter.receipt))["messages"]
    first, second = message["attachments"]
    assert (first["number"], first["name"], first["size"]) == (3, "a<b>.html", len(data))
    for line, expected in ((first, data), (second, b"")):
        answer = await world.http.post(
            f"{PLAIN}/files", json={"receipt": reporter.receipt, "number": line["number"]}
        )
        assert (answer.status_code, answer.content) == (200, expected)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_nothing_but_attachments_of_believed_answers_can_be_downloaded(
    world: World, reporter: Reporter
) -> None:
    await say(world, reporter, "x", attachments=[attachment()])  # numbers 2 and 3
    wrong = desk_message(reporter.manifest, reporter.to, SigningKey.generate(), files=[("a", b"forged")])
    await world.answer(reporter.case_id, wrong)  # numbers 4 and 5
    for number in (0, 1, 2, 3, 4, 5, 99, 1 << 31, 1 << 70):
        answer = await world.http.post(
            f"{PLAIN}/files", json={"receipt": reporter.receipt, "number": number}
        )
        assert problem(answer) == (404, "not-found"), number


async def test_a_swapped_file_is_not_given_out(world: World, reporter: Reporter, sql: Sql) -> None:
    """What a live server could do: another file under the same number."""
    sent = desk_message(reporter.manifest, reporter.to, world.desk()[1], files=[("a", b"true")])
    await world.answer(reporter.case_id, sent)
    other = desk_message(reporter.manifest, reporter.to, world.desk()[1], files=[("a", b"false")])
    sql("UPDATE intake.parts SET sealed = %s WHERE role = 'attachment'", other.files[0])
    answer = await world.http.post(f"{PLAIN}/files", json={"receipt": reporter.receipt, "number": 3})
    assert problem(answer) == (404, "not-found")


async def test_a_sealed_report_can_be_read_in_plain_mode_too(world: World) -> None:
    """A reporter may come back on a machine without script; that is their choice."""
    receipt = new_receipt()
    report, filed = await world.file_sealed(receipt=receipt)
    sent = desk_message(
        report.manifest, [report.manifest.report_recipient, report.keys.identity.recipient], world.desk()[1]
    )
    await world.answer(await world.case_id(filed["reference"]), sent)
    view = await world.plain_inbox(receipt)
    assert (view["mode"], [m["text"] for m in view["messages"]]) == ("sealed", ["Which day was it?"])


async def test_a_receipt_never_comes_back_in_an_answer(world: World, reporter: Reporter) -> None:
    for path, body in {
        "": {},
        "/messages": {"text": "x"},
        "/files": {"number": 7},
        "/identity": {"identity": {}},
        "/code/confirm": {},
    }.items():
        answer = await world.post(PLAIN + path, {"receipt": reporter.receipt, **body}, new_key())
        assert reporter.receipt not in answer.text, path
