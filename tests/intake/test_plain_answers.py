"""Answers in plain mode: opened for one visit, believed only when the right key signed the right place."""

import uuid
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx2
import pytest

from services.crypto.age import HybridIdentity, seal
from services.crypto.canonical import b64, b64u
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.grants import seal_grant
from services.crypto.manifests import Manifest
from services.crypto.receipts import format_receipt, new_receipt
from services.crypto.signatures import SigningKey
from tests.intake.builders import (
    INBOX,
    STAFF,
    DeskMessage,
    Reporter,
    Sql,
    World,
    a_grant,
    attachment,
    desk_message,
    problem,
)
from tests.intake.pages import Visitor
from tests.intake.stepping import CLAIM, CONVICTED, outcome_part_for

PLAIN = f"{INBOX}/plain"


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
    key = await world.report_key(await world.case(reporter.case_id))
    grant = seal_grant(key, "investigator", HybridIdentity.generate().recipient)
    answer = await world.http.put(
        f"{STAFF}/cases/{reporter.case_id}/assignees/{person}",
        json={
            "role": "investigator",
            "grant": b64(grant),
            "lead": {"person": str(uuid.uuid4()), "grant": b64(a_grant())},
        },
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

    good = desk_message(
        reporter.manifest, reporter.to, world.desk()[1], n=1, prev=sha256(wrong.part).digest()
    )
    await world.answer(reporter.case_id, good)
    view = await world.plain_inbox(reporter.receipt)
    assert ([m["n"] for m in view["messages"]], view["refused"]) == ([1], 1)


@pytest.mark.parametrize("fault", ["none", "uncertified", "one-certifier", "somebody-elses", "expired"])
async def test_staff_without_a_good_certificate_are_not_believed(
    world: World, reporter: Reporter, fault: str
) -> None:
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


async def test_an_attachment_of_an_answer_downloads_as_its_true_bytes(
    world: World, reporter: Reporter
) -> None:
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
    words = {"receipt": reporter.receipt, "text": "x", "attachments": [attachment()]}
    await world.post(f"{PLAIN}/messages", words)  # numbers 2 and 3
    wrong = desk_message(reporter.manifest, reporter.to, SigningKey.generate(), files=[("a", b"forged")])
    await world.answer(reporter.case_id, wrong)  # numbers 4 and 5
    for number in (0, 1, 2, 3, 4, 5, 99, 1 << 31, 1 << 70):
        answer = await world.http.post(f"{PLAIN}/files", json={"receipt": reporter.receipt, "number": number})
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


# --- outcomes


async def ended(world: World, reporter: Reporter, **changes: Any) -> httpx2.Response:
    """The desk closes the case of a plain report; `changes` are of what it seals."""
    signing = changes.pop("signing", world.desk()[1])
    part = outcome_part_for(reporter.manifest, reporter.to, signing, **changes)
    path = f"{STAFF}/cases/{reporter.case_id}/steps"
    await world.http.post(path, json={"step": "register"}, headers=world.token("desk"))
    body = {"step": "close", "outcome": {"kind": "explained", "part": b64(part)}}
    return await world.http.post(path, json=body, headers=world.token("desk"))


async def test_an_outcome_is_opened_for_the_reporter_with_its_claim_token(
    world: World, reporter: Reporter
) -> None:
    assert (await ended(world, reporter)).status_code == 201
    view = await world.plain_inbox(reporter.receipt)
    (line,) = view["outcomes"]
    assert (line["kind"], line["text"], line["claim"]) == ("explained", "An invented end.", b64u(CLAIM))
    assert (line["n"], line["by"], line["day"], line["act"]) == (0, "desk", view["outcome"]["day"], None)
    assert line["labels"] == view["outcome"]["labels"]
    assert (view["messages"], view["refused"]) == ([], 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"signing": SigningKey.from_seed(bytes(32))},
        {"rid": bytes(32)},
        {"n": 4},
        {"prev": bytes(31) + b"\x01"},
        {"kind": "message"},
    ],
    ids=["unsigned", "of another report", "out of place", "after another part", "another kind"],
)
async def test_an_outcome_that_the_desk_did_not_seal_for_this_place_is_not_shown(
    world: World, reporter: Reporter, changes: dict[str, Any]
) -> None:
    assert (await ended(world, reporter, **changes)).status_code == 201
    view = await world.plain_inbox(reporter.receipt)
    assert (view["outcomes"], view["messages"], view["refused"]) == ([], [], 1)


async def test_the_page_shows_the_outcome_and_never_the_claim_token(world: World, reporter: Reporter) -> None:
    await ended(world, reporter, facts=replace(CONVICTED, kind="explained"))
    for language, words in {"kk": "Түсіндірме берілді", "ru": "Дано разъяснение"}.items():
        page = await Visitor(world, language).inbox(format_receipt(reporter.receipt))
        for told in (
            words,
            "An invented end.",
            "Invented court of Astana",
            "1-23/2026",
            "cc-366-2",
            "5000000",
        ):
            assert told in page.html
        assert b64u(CLAIM) not in page.html
