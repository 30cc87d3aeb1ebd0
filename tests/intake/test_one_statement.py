"""A sealed report, its idempotency key and its challenge are one statement: all of it happens, or nothing."""

import asyncio

import httpx2
import pytest

from tests.intake.builders import API, Json, Sql, World, new_key, problem
from tests.intake.test_door import solved

PACKAGES = f"{API}/packages"


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The door is shut, and opened by one iteration."""
    monkeypatch.setenv("ADAL_INTAKE_CHALLENGE_COST", "1")
    return environment


async def file(world: World, body: Json, key: str, payload: str | None) -> httpx2.Response:
    headers = {} if payload is None else {"Adal-Challenge": payload}
    return await world.post(PACKAGES, body, key, **headers)


def stored(sql: Sql) -> tuple[int, int, int]:
    """(reports, keys, challenges)."""
    ((found,),) = sql(
        "SELECT ROW((SELECT count(*) FROM intake.reports), (SELECT count(*) FROM intake.idempotency_keys),"
        " (SELECT count(*) FROM intake.spent_challenges))"
    )
    return tuple(int(part) for part in found)  # type: ignore[return-value]


async def test_a_package_spends_key_and_challenge_together(world: World, sql: Sql) -> None:
    assert (await file(world, world.seal().to_json(), new_key(), await solved(world))).status_code == 201
    assert stored(sql) == (1, 1, 1)


async def test_a_repetition_needs_neither_the_old_challenge_nor_a_new_one(world: World, sql: Sql) -> None:
    body, key, payload = world.seal().to_json(), new_key(), await solved(world)
    first = await file(world, body, key, payload)
    for again in (payload, None, await solved(world)):
        answer = await file(world, body, key, again)
        assert (answer.status_code, answer.text) == (201, first.text)
        assert answer.headers["Idempotency-Replayed"] == "true"
    assert stored(sql)[:2] == (1, 1)


async def test_twenty_at_once_with_one_key_and_one_challenge_file_one_report(world: World, sql: Sql) -> None:
    body, key, payload = world.seal().to_json(), new_key(), await solved(world)
    answers = await asyncio.gather(*(file(world, body, key, payload) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert stored(sql) == (1, 1, 1)


async def test_of_many_packages_with_one_challenge_one_passes_and_the_keys_of_the_others_stay_free(
    world: World, sql: Sql
) -> None:
    payload, tries = await solved(world), [(world.seal().to_json(), new_key()) for _ in range(6)]
    answers = await asyncio.gather(*(file(world, body, key, payload) for body, key in tries))
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 5
    assert stored(sql) == (1, 1, 1)
    body, key = next(pair for pair, answer in zip(tries, answers, strict=True) if answer.status_code == 403)
    assert (await file(world, body, key, await solved(world))).status_code == 201


async def test_a_used_key_under_another_package_is_refused_and_nothing_is_stored(
    world: World, sql: Sql
) -> None:
    key = new_key()
    assert (await file(world, world.seal().to_json(), key, await solved(world))).status_code == 201
    answer = await file(world, world.seal().to_json(), key, await solved(world))
    assert problem(answer) == (422, "invalid")
    assert stored(sql)[:2] == (1, 1)


async def test_a_known_report_under_another_key_is_a_conflict_that_spends_nothing(
    world: World, sql: Sql
) -> None:
    body, payload = world.seal().to_json(), await solved(world)
    assert (await file(world, body, new_key(), await solved(world))).status_code == 201
    assert problem(await file(world, body, new_key(), payload)) == (409, "conflict")
    assert stored(sql) == (1, 1, 1)
    assert (await file(world, world.seal().to_json(), new_key(), payload)).status_code == 201


async def test_a_package_that_breaks_a_rule_spends_nothing(world: World, sql: Sql) -> None:
    body = world.seal().to_json()
    answer = await file(world, {**body, "signature": body["lookup"]}, new_key(), await solved(world))
    assert problem(answer) == (422, "invalid")
    assert stored(sql) == (0, 0, 0)


async def test_without_a_challenge_nothing_is_filed(world: World, sql: Sql) -> None:
    assert problem(await file(world, world.seal().to_json(), new_key(), None)) == (403, "challenge")
    assert stored(sql) == (0, 0, 0)
