"""Publishing a key directory: two roots, the next one, in time, of this kind of installation; logged."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from services.crypto.canonical import b64u, unb64u
from services.crypto.signatures import Signed, SigningKey, sign_document
from services.first_run import Folder, roots
from services.intake.app import create_app
from services.kit.clock import day_of
from tests.intake.builders import API, STAFF, Json, Sql, World, plain_body, pointers, problem

PATH = f"{STAFF}/key-directory"


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


async def publish(world: World, document: Signed | Json) -> httpx2.Response:
    body = document.to_json() if isinstance(document, Signed) else document
    return await world.http.post(PATH, json=body, headers=world.token("administrator"))


async def served(world: World) -> int:
    sequence: int = (await world.http.get(f"{API}/key-directory")).json()["body"]["sequence"]
    return sequence


async def test_the_next_directory_is_in_force_at_once_in_development_and_logged(
    world: World, sql: Sql
) -> None:
    document = world.next_directory(valid_from=instant(world.now()))
    answer = await publish(world, document)
    sequence = world.directory.sequence + 1
    assert (answer.status_code, answer.json()) == (201, {"sequence": sequence})
    assert await served(world) == sequence
    records = [json.loads(bytes(record)) for (record,) in sql("SELECT record FROM intake.log_records")]
    day = day_of(world.now()).isoformat()
    assert {
        "v": 1,
        "type": "directory",
        "day": day,
        "sequence": sequence,
        "digest": b64u(document.digest),
    } in records


async def test_a_report_is_kept_with_the_directory_it_was_filed_under(world: World) -> None:
    _, filed = await world.file_sealed()
    await publish(world, world.next_directory())
    case = await world.case(await world.case_id(filed["reference"]))
    assert case["directory"] == world.signed_directory.to_json()


@pytest.mark.parametrize("sequence", [0, 1, 3, 4, 100])
async def test_only_the_next_sequence_is_taken(world: World, sequence: int) -> None:
    assert world.directory.sequence == 1
    answer = await publish(world, world.next_directory(sequence=sequence))
    assert problem(answer) == (422, "invalid")
    assert await served(world) == 1


async def test_a_gap_is_refused_although_its_chain_cannot_be_checked(world: World) -> None:
    """A directory that skips one names a predecessor that nobody has seen."""
    answer = await publish(world, world.next_directory(sequence=3, previous=b64u(b"\x07" * 32)))
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/body/sequence"})


async def test_the_same_directory_twice_is_refused(world: World) -> None:
    document = world.next_directory()
    assert (await publish(world, document)).status_code == 201
    assert problem(await publish(world, document)) == (422, "invalid")
    assert problem(await publish(world, world.signed_directory)) == (422, "invalid")


def signed_by(world: World, body: Json, *keys: SigningKey) -> Signed:
    return sign_document("directory", body, keys)


async def test_two_roots_must_have_signed(world: World) -> None:
    body = world.next_directory().body
    first, second, third = roots(world.folder)
    stranger = SigningKey.generate()
    good = signed_by(world, body, first, third)
    for keys in ((), (first,), (first, first), (first, stranger), (stranger, SigningKey.generate())):
        assert problem(await publish(world, signed_by(world, body, *keys))) == (422, "invalid")
    altered = Signed({**body, "valid_until": body["valid_from"]}, good.signatures)
    assert problem(await publish(world, altered)) == (422, "invalid")
    manifest = sign_document("certificate", body, [first, second])
    assert problem(await publish(world, manifest)) == (422, "invalid"), "signed as something else"
    assert (await publish(world, good)).status_code == 201


async def test_a_directory_that_breaks_a_rule_is_refused_although_roots_signed_it(world: World) -> None:
    body = world.signed_directory.body
    seats = body["seats"]
    broken: list[Json] = [
        {"previous": b64u(bytes(32))},
        {"previous": b64u(b"\x01" * 32)},
        {"environment": "production"},
        {"environment": "holiday"},
        {"valid_until": instant(world.now() + timedelta(days=120))},
        {"valid_from": body["valid_until"]},
        {"valid_from": "yesterday"},
        {"seats": seats[:1]},
        {"seats": [*seats[:2], {**seats[0], "seat": 3}]},
        {"desks": []},
        {"thresholds": {**body["thresholds"], "identity": 1}},
        {"surprise": 1},
        {"v": 2},
    ]
    for changes in broken:
        answer = await publish(world, world.next_directory(**changes))
        assert problem(answer) == (422, "invalid"), changes
    assert await served(world) == 1


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"body": {}},
        {"body": [], "signatures": []},
        {"body": {"valid_from": 5}, "signatures": []},
        {"x": 1.5},
    ],
    ids=str,
)
async def test_what_is_no_directory_at_all_is_refused(world: World, document: Json) -> None:
    assert problem(await publish(world, document)) == (422, "invalid")


async def test_many_directories_published_ahead_do_not_hide_the_one_in_force(world: World) -> None:
    documents = [world.signed_directory]
    for i in range(1, 5):
        start = world.now() + timedelta(days=i)
        body = {
            **documents[0].body,
            "sequence": i + 1,
            "previous": b64u(documents[-1].digest),
            "valid_from": instant(start),
            "valid_until": instant(start + timedelta(days=60)),
        }
        documents.append(sign_document("directory", body, roots(world.folder)[:2]))
        assert (await publish(world, documents[-1])).status_code == 201
    assert await served(world) == 1
    for i in range(1, 5):
        world.at(timedelta(days=i, seconds=10))
        assert await served(world) == i + 1


async def test_a_directory_that_another_process_published_is_seen_within_seconds(
    world: World, sql: Sql
) -> None:
    document = world.next_directory()
    assert await served(world) == 1
    sql(
        "INSERT INTO intake.directories SELECT 2, %s::jsonb, %s, valid_from, valid_until FROM intake.directories",
        json.dumps(document.to_json()),
        document.digest,
    )
    world.at(timedelta(seconds=11))
    assert await served(world) == 2


async def test_a_directory_that_was_changed_in_the_database_is_not_used(world: World, sql: Sql) -> None:
    sql("""UPDATE intake.directories SET document = jsonb_set(document, '{body,desks,0,id}', '"other"')""")
    world.app.state.context.directories.forget()
    assert problem(await world.http.get(f"{API}/key-directory")) == (503, "unavailable")
    assert problem(await world.post(f"{API}/reports", plain_body())) == (503, "unavailable")


async def test_of_two_different_next_directories_at_once_one_is_stored(world: World, sql: Sql) -> None:
    import asyncio

    until = world.now() + timedelta(days=30)
    documents = [world.next_directory(valid_until=instant(until + timedelta(hours=i))) for i in range(3)]
    answers = await asyncio.gather(*(publish(world, document) for document in documents))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {409, 422}
    assert sql("SELECT count(*) FROM intake.directories WHERE sequence = 2") == [(1,)]
    assert sql("SELECT count(*) FROM intake.log_records") == [(2,)]


# --- production


@pytest.fixture
async def production(
    environment: dict[str, str], folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Intake as production starts it, on the development keys, with no directory yet."""
    monkeypatch.setenv("ADAL_INTAKE_ENVIRONMENT", "production")
    app: FastAPI = create_app()
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield World(app, client, folder)


def of_production(world: World, start: datetime, sequence: int = 1, last: Signed | None = None) -> Signed:
    body: dict[str, Any] = {
        **world.signed_directory.body,
        "environment": "production",
        "sequence": sequence,
        "previous": b64u(last.digest if last else bytes(32)),
        "valid_from": instant(start),
        "valid_until": instant(start + timedelta(days=80)),
    }
    return sign_document("directory", body, roots(world.folder)[:2])


async def test_production_refuses_the_development_directory(production: World, sql: Sql) -> None:
    answer = await publish(production, production.signed_directory)
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/body/environment"})
    document = json.dumps(production.signed_directory.to_json())
    sql(
        "INSERT INTO intake.directories VALUES (1, %s, %s, now() - interval '1 day', now() + interval '1 day')",
        document,
        bytes(32),
    )
    assert problem(await production.post(f"{API}/reports", plain_body())) == (503, "unavailable")


async def test_the_first_directory_of_production_takes_effect_at_once(production: World) -> None:
    assert problem(await production.post(f"{API}/reports", plain_body())) == (503, "unavailable")
    first = of_production(production, production.now() - timedelta(minutes=1))
    assert (await publish(production, first)).status_code == 201
    assert (await production.post(f"{API}/reports", plain_body())).status_code == 201


async def test_later_directories_of_production_wait_72_hours(production: World) -> None:
    now = production.now()
    first = of_production(production, now - timedelta(minutes=1))
    assert (await publish(production, first)).status_code == 201
    early = of_production(production, now + timedelta(hours=71, minutes=59), 2, first)
    answer = await publish(production, early)
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/body/valid_from"})
    late = of_production(production, now + timedelta(hours=72, minutes=1), 2, first)
    assert (await publish(production, late)).status_code == 201
    assert await served(production) == 1
    production.at(timedelta(hours=72, minutes=2))
    assert await served(production) == 2
    assert (
        unb64u((await production.http.get(f"{API}/key-directory")).json()["body"]["previous"]) == first.digest
    )
