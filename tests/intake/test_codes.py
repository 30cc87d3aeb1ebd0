"""A new receipt code: offered, typed back, in force; the old one lives until then and never again after."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from services.crypto.canonical import b64, b64u, unb64u
from services.crypto.dialogue import Reporter, check_reporter_chain
from services.crypto.manifests import Manifest
from services.crypto.packages import SealedReport, reporter_from_json
from services.crypto.payloads import OpenedPayload, open_payload
from services.crypto.receipts import ReceiptKeys, derive, parse_receipt
from tests.intake.builders import (
    INBOX,
    STAFF,
    Json,
    Sql,
    World,
    desk_message,
    new_keys_body,
    pointers,
    problem,
    quick_keys,
    reporter_file,
)

Headers = dict[str, str]


async def opened(world: World) -> tuple[SealedReport, Headers]:
    report, _ = await world.file_sealed()
    return report, await world.open_inbox(report.keys.lookup)


async def offer(
    world: World, report: SealedReport, headers: Headers, new: ReceiptKeys, **changes: object
) -> Any:
    place = (await world.inbox(headers))["next"]
    part = reporter_file(report.manifest, report.keys, "reporter-keys", new_keys_body(new), place)
    body = {"n": place["n"], "part": b64(part), "lookup": b64u(new.lookup), **changes}
    return await world.http.post(f"{INBOX}/code", json=body, headers=headers)


async def confirm(world: World, headers: Headers) -> Any:
    return await world.http.post(f"{INBOX}/code/confirm", headers=headers)


async def session(world: World, keys: ReceiptKeys) -> Any:
    return await world.http.post(f"{INBOX}/sessions", json={"lookup": b64u(keys.lookup)})


# --- sealed


async def test_until_it_is_typed_back_the_new_code_shows_nothing_and_the_old_one_works(
    world: World, sql: Sql
) -> None:
    report, headers = await opened(world)
    new = quick_keys()
    answer = await offer(world, report, headers, new)
    assert (answer.status_code, answer.content) == (202, b"")
    view = await world.inbox(headers)
    assert (view["code_pending"], view["code_replaced_on"], view["next"]["n"]) == (True, None, 2)

    pending = await world.open_inbox(new.lookup)
    assert problem(await world.http.get(INBOX, headers=pending)) == (409, "conflict")
    for path in ("messages", "identity"):
        sent = await world.post(f"{INBOX}/{path}", {"part": b64(b"x")}, **pending)
        assert problem(sent) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.parts") == [(2,)]


async def test_after_it_was_typed_back_the_old_code_and_its_tokens_are_dead(world: World) -> None:
    report, headers = await opened(world)
    new = quick_keys()
    await offer(world, report, headers, new)
    fresh = await world.open_inbox(new.lookup)
    assert (await confirm(world, fresh)).status_code == 204

    assert problem(await session(world, report.keys)) == (404, "no-such-receipt")
    assert problem(await world.http.get(INBOX, headers=headers)) == (401, "unauthorised")
    view = await world.inbox(fresh)
    assert (view["code_pending"], view["code_replaced_on"]) == (False, view["filed_on"])
    assert [(p["role"], p["by"], p["n"]) for p in view["parts"]][2:] == [("reporter-keys", "reporter", 2)]


async def test_the_desk_learns_the_new_keys_from_a_part_signed_with_the_old_ones(
    world: World, sql: Sql
) -> None:
    report, headers = await opened(world)
    new = quick_keys()
    await offer(world, report, headers, new)
    fresh = await world.open_inbox(new.lookup)
    await confirm(world, fresh)
    place = (await world.inbox(fresh))["next"]
    words: Json = {"text": "Signed with the new key.", "attachments": []}
    part = reporter_file(report.manifest, new, "message", words, place)
    assert (await world.post(f"{INBOX}/messages", {"n": 3, "part": b64(part)}, **fresh)).status_code == 201

    reference = (await world.inbox(fresh))["reference"]
    key = await world.report_key(await world.case(await world.case_id(reference)))
    rows = sql("SELECT role, sealed FROM intake.parts WHERE n IS NOT NULL ORDER BY n")
    chain: list[OpenedPayload | bytes] = [
        sha256(sealed).digest() if role == "identity" else open_payload(sealed, key) for role, sealed in rows
    ]
    narrative = chain[0]
    assert isinstance(narrative, OpenedPayload)
    named = Reporter(*reporter_from_json(narrative.body["reporter"]))
    now = check_reporter_chain(report.rid, chain, named)
    assert now == Reporter(new.identity.recipient, new.signing.verify_key)
    assert now.verify_key != named.verify_key


async def test_a_message_in_between_makes_the_confirmation_a_conflict(world: World) -> None:
    """The part that names the new keys was sealed for a place that is taken now."""
    report, headers = await opened(world)
    new = quick_keys()
    await offer(world, report, headers, new)
    place = (await world.inbox(headers))["next"]
    part = reporter_file(report.manifest, report.keys, "message", {"text": "x", "attachments": []}, place)
    assert (await world.post(f"{INBOX}/messages", {"part": b64(part)}, **headers)).status_code == 201

    fresh = await world.open_inbox(new.lookup)
    assert problem(await confirm(world, fresh)) == (409, "conflict")
    assert (await session(world, report.keys)).status_code == 201, "the old code still works"

    assert (await offer(world, report, headers, new)).status_code == 202
    assert (await confirm(world, await world.open_inbox(new.lookup))).status_code == 204


async def test_an_answer_of_the_desk_in_between_does_no_harm(world: World) -> None:
    report, headers = await opened(world)
    new = quick_keys()
    await offer(world, report, headers, new)
    to = [report.manifest.report_recipient, report.keys.identity.recipient]
    reference = (await world.inbox(headers))["reference"]
    await world.answer(await world.case_id(reference), desk_message(report.manifest, to, world.desk()[1]))
    assert (await confirm(world, await world.open_inbox(new.lookup))).status_code == 204


async def test_only_the_new_code_can_confirm_itself_and_only_once(world: World) -> None:
    report, headers = await opened(world)
    assert problem(await confirm(world, headers)) == (409, "conflict"), "nothing was offered"
    new = quick_keys()
    await offer(world, report, headers, new)
    assert problem(await confirm(world, headers)) == (409, "conflict"), "the old code is not typed back"
    assert problem(await confirm(world, {})) == (401, "unauthorised")
    fresh = await world.open_inbox(new.lookup)
    assert (await confirm(world, fresh)).status_code == 204
    assert problem(await confirm(world, fresh)) == (409, "conflict")


async def test_a_second_offer_replaces_the_first(world: World) -> None:
    report, headers = await opened(world)
    first, second = quick_keys(), quick_keys()
    await offer(world, report, headers, first)
    stale = await world.open_inbox(first.lookup)
    await offer(world, report, headers, second)
    assert problem(await session(world, first)) == (404, "no-such-receipt")
    assert problem(await confirm(world, stale)) == (401, "unauthorised")
    assert (await confirm(world, await world.open_inbox(second.lookup))).status_code == 204


async def test_the_day_of_the_replacement_is_kept_for_both_sides(world: World) -> None:
    report, headers = await opened(world)
    new = quick_keys()
    await offer(world, report, headers, new)
    world.at(timedelta(days=3))
    fresh = await world.open_inbox(new.lookup)
    await confirm(world, fresh)
    view = await world.inbox(fresh)
    assert view["code_replaced_on"] > view["filed_on"]
    case = await world.case(await world.case_id(view["reference"]))
    assert case["code_replaced_on"] == view["code_replaced_on"]


async def test_a_code_that_belongs_to_a_report_cannot_be_offered(world: World) -> None:
    report, headers = await opened(world)
    other, _ = await opened(world)
    for taken in (other.keys, report.keys):
        answer = await offer(world, report, headers, taken)
        assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/lookup"})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"n": 5}, 409),
        ({"lookup": b64u(bytes(31))}, 422),
        ({"lookup": ""}, 422),
        ({"part": b64(b"plain")}, 422),
        ({"surprise": 1}, 422),
    ],
)
async def test_a_malformed_offer_changes_nothing(world: World, changes: Json, status: int) -> None:
    report, headers = await opened(world)
    answer = await offer(world, report, headers, quick_keys(), **changes)
    assert answer.status_code == status
    assert (await world.inbox(headers))["code_pending"] is False


# --- plain


async def plain(world: World, path: str, receipt: str, **more: object) -> Any:
    return await world.post(f"{INBOX}/plain{path}", {"receipt": receipt, **more})


async def test_a_plain_code_is_replaced_when_the_new_one_is_typed_back(world: World) -> None:
    filed = await world.file_plain()
    old = filed["receipt"]
    answer = await plain(world, "/code", old)
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    new = answer.json()["receipt"]
    assert parse_receipt(new) == new != old

    assert problem(await plain(world, "", new)) == (409, "conflict")
    assert (await world.plain_inbox(old))["code_pending"] is True
    assert problem(await plain(world, "/code/confirm", old)) == (409, "conflict")
    assert (await plain(world, "/code/confirm", new)).status_code == 204

    for path, more in (
        ("", {}),
        ("/messages", {"text": "x"}),
        ("/files", {"number": 0}),
        ("/code", {}),
        ("/code/confirm", {}),
    ):
        assert problem(await plain(world, path, old, **more)) == (404, "no-such-receipt"), path
    view = await world.plain_inbox(new)
    assert (view["rid"], view["code_pending"]) == (filed["rid"], False)


async def test_answers_after_the_replacement_are_for_the_new_code(world: World, sql: Sql) -> None:
    filed = await world.file_plain()
    case_id = await world.case_id(filed["reference"])
    new = (await plain(world, "/code", filed["receipt"])).json()["receipt"]
    await plain(world, "/code/confirm", new)

    case = await world.case(case_id)
    path = f"{STAFF}/cases/{case_id}/parts/{case['parts'][-1]['number']}"
    part = (await world.http.get(path, headers=world.token("desk"))).content
    found = open_payload(part, await world.report_key(case))
    old_keys, new_keys = derive(filed["receipt"]), derive(new)
    found.check(
        rid=unb64u(filed["rid"]),
        type="reporter-keys",
        by="reporter",
        n=2,
        prev=unb64u(case["parts"][1]["sha256"]),
        verify_key=old_keys.signing.verify_key,
    )
    recipient, verify_key = reporter_from_json(found.body["reporter"])
    assert (recipient, verify_key) == (new_keys.identity.recipient, new_keys.signing.verify_key)

    manifest = Manifest.from_json(filed["manifest"])
    sent = desk_message(manifest, [manifest.report_recipient, recipient], world.desk()[1])
    await world.answer(case_id, sent)
    assert [m["text"] for m in (await world.plain_inbox(new))["messages"]] == ["Which day was it?"]


async def test_the_new_digits_are_nowhere_in_the_database(world: World, sql: Sql) -> None:
    filed = await world.file_plain()
    new = (await plain(world, "/code", filed["receipt"])).json()["receipt"]
    rows = "".join(str(row) for row in sql("SELECT to_jsonb(r) FROM intake.reports r"))
    for secret in (filed["receipt"], new, derive(new).lookup.hex(), derive(filed["receipt"]).lookup.hex()):
        assert secret not in rows


async def test_a_plain_message_in_between_makes_the_confirmation_a_conflict(world: World) -> None:
    old = (await world.file_plain())["receipt"]
    new = (await plain(world, "/code", old)).json()["receipt"]
    assert (await plain(world, "/messages", old, text="One more thing.")).status_code == 201
    assert problem(await plain(world, "/code/confirm", new)) == (409, "conflict")
    again = (await plain(world, "/code", old)).json()["receipt"]
    assert (await plain(world, "/code/confirm", again)).status_code == 204


async def test_answers_to_the_old_code_are_lost_with_it_and_not_counted_as_forged(world: World) -> None:
    filed = await world.file_plain()
    case_id, keys = await world.case_id(filed["reference"]), derive(filed["receipt"])
    manifest = Manifest.from_json(filed["manifest"])
    first = desk_message(manifest, [manifest.report_recipient, keys.identity.recipient], world.desk()[1])
    await world.answer(case_id, first)
    new = (await plain(world, "/code", filed["receipt"])).json()["receipt"]
    await plain(world, "/code/confirm", new)
    view = await world.plain_inbox(new)
    assert (view["messages"], view["refused"]) == ([], 0)

    world.at(timedelta(days=1))
    late = desk_message(
        manifest,
        [manifest.report_recipient, keys.identity.recipient],
        world.desk()[1],
        n=1,
        prev=sha256(first.part).digest(),
    )
    await world.answer(case_id, late)
    assert (await world.plain_inbox(new))["refused"] == 1, "the desk knows the new keys by now"
