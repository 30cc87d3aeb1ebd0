"""The inbox without script: the receipt is typed each time, and words are sealed at once."""

import asyncio
from hashlib import sha256

import pytest

from services.crypto.attachments import envelopes, open_attachment
from services.crypto.canonical import b64u
from services.crypto.packages import open_identity
from services.crypto.payloads import OpenedPayload, open_payload
from services.crypto.receipts import format_receipt, new_receipt
from services.crypto.shares import combine, open_share
from tests.intake.builders import (
    INBOX,
    STAFF,
    Json,
    Reporter,
    Sql,
    World,
    attachment,
    new_key,
    pointers,
    problem,
)

PLAIN = f"{INBOX}/plain"


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
    prevs = [
        bytes.fromhex(sha256(await stored_part(world, reporter, 1)).hexdigest()),
        sha256(files[0]).digest(),
    ]
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
    sealed: dict[int, bytes] = dict(sql("SELECT seat, sealed FROM intake.shares"))
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
        (
            "messages",
            {"text": "x", "attachments": [attachment() | {"type": "тип/файл"}]},
            "/attachments/0/type",
        ),
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


async def test_a_receipt_never_comes_back_in_an_answer(world: World, reporter: Reporter) -> None:
    bodies: dict[str, Json] = {
        "": {},
        "/messages": {"text": "x"},
        "/files": {"number": 7},
        "/identity": {"identity": {}},
        "/code/confirm": {},
    }
    for path, body in bodies.items():
        answer = await world.post(PLAIN + path, {"receipt": reporter.receipt, **body}, new_key())
        assert reporter.receipt not in answer.text, path
