"""A repeated request gets the same answer, and the stored answers are of no use to whoever steals them."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest

from services.crypto.canonical import b64
from services.intake.jobs import forget_expired
from tests.intake.builders import (
    API,
    INBOX,
    Sql,
    World,
    attachment,
    new_key,
    plain_body,
    problem,
    reporter_file,
)

REPORTS = f"{API}/reports"
PACKAGES = f"{API}/packages"


async def test_a_repeated_filing_gets_the_same_answer_and_files_nothing(world: World, sql: Sql) -> None:
    key, body = new_key(), plain_body(attachments=[attachment()])
    first = await world.post(REPORTS, body, key)
    again = await world.post(REPORTS, body, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"] == "no-store"
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_a_repeated_package_gets_the_same_answer_instead_of_a_conflict(world: World) -> None:
    key, body = new_key(), world.seal().to_json()
    first, again = await world.post(PACKAGES, body, key), await world.post(PACKAGES, body, key)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_key_cannot_be_used_for_another_body(world: World, sql: Sql) -> None:
    key = new_key()
    await world.post(REPORTS, plain_body(), key)
    answer = await world.post(REPORTS, plain_body(answers={"what": "Something else."}), key)
    assert problem(answer) == (422, "invalid")
    assert "receipt" not in answer.text
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_a_key_cannot_be_used_for_another_operation(world: World) -> None:
    key, report = new_key(), world.seal()
    assert (await world.post(PACKAGES, report.to_json(), key)).status_code == 201
    headers = await world.open_inbox(report.keys.lookup)
    view = await world.inbox(headers)
    part = reporter_file(
        report.manifest, report.keys, "message", {"text": "x", "attachments": []}, view["next"]
    )
    answer = await world.post(f"{INBOX}/messages", {"part": b64(part)}, key, **headers)
    assert problem(answer) == (422, "invalid")


@pytest.mark.parametrize(
    "key", [None, "short", "x" * 21, "x" * 65, "with space in it, long enough", "ключ" * 8]
)
@pytest.mark.parametrize("path", [REPORTS, PACKAGES, f"{INBOX}/plain/messages"])
async def test_a_missing_or_weak_key_is_a_400(world: World, path: str, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key.encode()}
    body = {
        REPORTS: plain_body(),
        PACKAGES: world.seal().to_json(),
    }.get(path, {"receipt": "1" * 24, "text": "x"})
    answer = await world.http.post(path, json=body, headers=headers)  # type: ignore[arg-type]
    assert problem(answer) == (400, "malformed")


async def test_twenty_requests_at_once_with_one_key_file_one_report(world: World, sql: Sql) -> None:
    key, body = new_key(), plain_body()
    answers = await asyncio.gather(*(world.post(REPORTS, body, key) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_twenty_packages_at_once_under_their_own_keys_file_one_report(world: World, sql: Sql) -> None:
    body = world.seal().to_json()
    answers = await asyncio.gather(*(world.post(PACKAGES, body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_the_stored_answer_cannot_be_read_without_the_key(world: World, sql: Sql) -> None:
    key = new_key()
    filed = (await world.post(REPORTS, plain_body(), key)).json()
    ((row,),) = sql("SELECT to_jsonb(k) FROM intake.idempotency_keys k")
    stored = json.dumps(row)
    values = [bytes.fromhex(row[name].removeprefix("\\x")) for name in ("key_hash", "fingerprint", "answer")]
    for secret in (filed["receipt"], filed["reference"], filed["rid"], key):
        for form in (secret.encode(), base64.b64encode(secret.encode()), secret.encode().hex().encode()):
            assert form.decode() not in stored
            assert not any(form in value for value in values)


async def test_a_refused_request_does_not_use_up_its_key(world: World) -> None:
    key = new_key()
    assert (await world.post(REPORTS, plain_body(form="2020-01"), key)).status_code == 422
    assert (await world.post(REPORTS, plain_body(), key)).status_code == 201


async def test_a_message_with_an_unknown_receipt_can_be_repeated_and_is_refused_again(world: World) -> None:
    """The refusal commits (what was spent at the door stays spent), so its key is in the table without an answer."""
    key, body = new_key(), {"receipt": "0" * 24, "text": "x"}
    for _ in range(2):
        answer = await world.post(f"{INBOX}/plain/messages", body, key)
        assert problem(answer) == (404, "no-such-receipt")
    other = await world.post(f"{INBOX}/plain/messages", {**body, "text": "y"}, key)
    assert problem(other) == (422, "invalid")


async def test_a_repeated_message_is_stored_once(world: World, sql: Sql) -> None:
    receipt, key = (await world.file_plain())["receipt"], new_key()
    body = {"receipt": receipt, "text": "The second visit was on Monday."}
    answers = [await world.post(f"{INBOX}/plain/messages", body, key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert sql("SELECT count(*) FROM intake.parts WHERE role = 'message'") == [(1,)]


async def test_answers_are_kept_for_a_day_and_by_the_hour(world: World, sql: Sql) -> None:
    key = new_key()
    await world.post(REPORTS, plain_body(), key)
    ((expires,),) = sql("SELECT expires FROM intake.idempotency_keys")
    assert (expires.minute, expires.second, expires.microsecond) == (0, 0, 0)
    assert timedelta(hours=24) <= expires - world.now() <= timedelta(hours=25)

    assert await forget_expired(world.app.state, expires - timedelta(seconds=1)) == 0
    assert await forget_expired(world.app.state, expires) == 1
    assert sql("SELECT count(*) FROM intake.idempotency_keys") == [(0,)]
