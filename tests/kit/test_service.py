"""What all services share: one transaction around a request, bounded JSON, health, and staff by rule only."""

import asyncio
import resource
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import text

from services.contracts.accounts import ISSUER
from services.crypto import tokens
from services.crypto.canonical import b64u
from services.crypto.signatures import SigningKey
from services.kit import problems
from services.kit.db import Connection
from services.kit.service import JsonRoute, build_app
from services.kit.settings import ServiceSettings, service_config
from services.kit.staff import Staff
from services.kit.wire import Model

KEY, STRANGER = SigningKey.generate(), SigningKey.generate()
LIMIT = 10_000
router = APIRouter(route_class=JsonRoute)


class Settings(ServiceSettings):
    model_config = service_config("ADAL_SAMPLE_")


class Thing(Model):
    word: str
    fate: str = "kept"


class Paid(problems.Problem):
    """Refused, but what was written stays."""

    status, slug, title = 402, "paid", "Paid"
    detail = "Paid."
    commits = True


@router.post("/things", status_code=201)
async def add_thing(conn: Connection, body: Thing) -> str:
    await conn.execute(
        text("INSERT INTO sample.things VALUES (:id, :word)"), {"id": uuid.uuid4(), "word": body.word}
    )
    if body.fate == "refused":
        raise problems.Conflict()
    if body.fate == "paid":
        raise Paid()
    if body.fate == "broken":
        raise RuntimeError(body.word)
    return body.word


@router.post("/any")
async def take_any(body: dict[str, Any]) -> dict[str, Any]:
    return body


@router.get("/staff")
async def read_staff(who: Staff) -> list[str]:
    return sorted(who.roles)


@router.get("/forgotten")
async def without_rule(who: Staff) -> list[str]:
    return sorted(who.roles)


@pytest.fixture
async def app(sample: str) -> AsyncIterator[FastAPI]:
    settings = Settings(environment="development", database_url=sample, token_keys=(b64u(KEY.verify_key),))
    made = build_app(
        "registry",
        title="Sample",
        description="A sample",
        settings=settings,
        routers=[router],
        max_body_size=LIMIT,
    )
    made.state.schema, made.state.access = "sample", {"read_staff": frozenset({"desk"})}
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def words(database: Any) -> list[str]:
    with database.superuser() as conn:
        return [word for (word,) in conn.execute("SELECT word FROM sample.things ORDER BY word").fetchall()]


def kind(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].removeprefix("urn:adal:problem:")


# --- the transaction


async def test_an_answer_leaves_after_the_commit(http: httpx2.AsyncClient, database: Any) -> None:
    assert (await http.post("/things", json={"word": "a"})).status_code == 201
    assert words(database) == ["a"]


async def test_a_commit_that_fails_is_no_201(http: httpx2.AsyncClient, database: Any) -> None:
    with database.superuser() as conn:
        conn.execute("ALTER TABLE sample.things DROP CONSTRAINT things_word_key")
        conn.execute(
            "ALTER TABLE sample.things ADD CONSTRAINT later UNIQUE (word) DEFERRABLE INITIALLY DEFERRED"
        )
    assert (await http.post("/things", json={"word": "a"})).status_code == 201
    assert kind(await http.post("/things", json={"word": "a"})) == (500, "internal")
    assert words(database) == ["a"]
    assert (await http.post("/things", json={"word": "b"})).status_code == 201, "the connection is still good"


@pytest.mark.parametrize(
    ("fate", "answer", "stored"),
    [
        ("refused", (409, "conflict"), []),
        ("broken", (500, "internal"), []),
        ("paid", (402, "paid"), ["secret-word"]),
    ],
)
async def test_a_refusal_undoes_what_was_written_unless_its_kind_says_otherwise(
    http: httpx2.AsyncClient, database: Any, fate: str, answer: tuple[int, str], stored: list[str]
) -> None:
    refused = await http.post("/things", json={"word": "secret-word", "fate": fate})
    assert kind(refused) == answer
    assert "secret-word" not in refused.text
    assert words(database) == stored


async def test_more_requests_than_connections_wait_instead_of_failing(
    http: httpx2.AsyncClient, database: Any
) -> None:
    answers = await asyncio.gather(*(http.post("/things", json={"word": f"{i:02}"}) for i in range(40)))
    assert {answer.status_code for answer in answers} == {201}
    assert len(words(database)) == 40


# --- what is read


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": "\\ud800"}',
        b'{"a": 1} trailing',
        b"[" * 300 + b"]" * 300,
        b'{"a":' * 1500 + b"1" + b"}" * 1500,
        b'{"a": "\x00"}',
    ],
)
async def test_json_that_is_not_sound_is_refused(http: httpx2.AsyncClient, content: bytes) -> None:
    answer = await http.post("/any", content=content, headers={"Content-Type": "application/json"})
    assert kind(answer) == (422, "invalid")


async def test_sound_json_of_some_depth_is_taken(http: httpx2.AsyncClient) -> None:
    value: Any = "жақсы"
    for _ in range(100):
        value = {"a": [value]} if len(str(value)) % 2 else {"b": value}
    assert (await http.post("/any", json=value)).json() == value


async def test_a_body_at_the_limit_is_read_and_one_above_it_is_a_413(http: httpx2.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    exact = b'{"a":"' + b"x" * (LIMIT - 8) + b'"}'
    assert len(exact) == LIMIT
    assert (await http.post("/any", content=exact, headers=headers)).status_code == 200
    assert kind(await http.post("/any", content=exact + b" ", headers=headers)) == (413, "too-large")


async def test_a_body_that_does_not_say_its_length_is_bounded_too(http: httpx2.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1000
            yield b" " * 1000

    answer = await http.post("/any", content=endless(), headers={"Content-Type": "application/json"})
    assert kind(answer) == (413, "too-large")
    assert sent >= LIMIT


async def test_a_length_that_lies_is_of_no_use(http: httpx2.AsyncClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": "5"}
    answer = await http.post("/any", content=b'{"a":"' + b"x" * LIMIT + b'"}', headers=headers)
    assert kind(answer) == (413, "too-large")


# --- staff


def bearer(key: SigningKey, app: FastAPI, **claims: Any) -> dict[str, str]:
    now = int(app.state.clock().timestamp())
    body = {"sub": str(uuid.uuid4()), "roles": ["desk"], "iat": now, "exp": now + 60, "iss": ISSUER, **claims}
    return {"Authorization": f"Bearer {tokens.issue(body, key)}"}


async def test_staff_are_let_in_by_the_rule_of_the_route(http: httpx2.AsyncClient, app: FastAPI) -> None:
    assert (await http.get("/staff", headers=bearer(KEY, app))).json() == ["desk"]
    assert kind(await http.get("/staff", headers=bearer(KEY, app, roles=["lead"]))) == (403, "forbidden")
    assert kind(await http.get("/staff", headers=bearer(KEY, app, roles=[]))) == (403, "forbidden")
    assert kind(await http.get("/forgotten", headers=bearer(KEY, app))) == (403, "forbidden")


async def test_a_token_of_another_key_or_shape_is_refused(http: httpx2.AsyncClient, app: FastAPI) -> None:
    for headers in (
        {},
        bearer(STRANGER, app),
        bearer(KEY, app, sub=None),
        bearer(KEY, app, sub=5),
        bearer(KEY, app, sub="x"),
        bearer(KEY, app, roles=None),
        bearer(KEY, app, roles=[["desk"]]),
        bearer(KEY, app, iss="adal-intake"),
        bearer(KEY, app, iss=None),
        bearer(KEY, app, stepped="1"),
        bearer(KEY, app, stepped=True),
        {"Authorization": "Bearer x.y"},
        {"Authorization": "Bearer"},
    ):
        assert kind(await http.get("/staff", headers=headers)) == (401, "unauthorised")


@pytest.mark.parametrize(("ago", "answer"), [(0, 200), (300, 200), (301, 403), (86_400, 403)])
async def test_an_operation_may_ask_for_a_fresh_proof(
    http: httpx2.AsyncClient, app: FastAPI, ago: int, answer: int
) -> None:
    app.state.step_up = frozenset({"read_staff"})
    now = int(app.state.clock().timestamp())
    found = await http.get("/staff", headers=bearer(KEY, app, stepped=now - ago))
    assert found.status_code == answer
    if answer == 403:
        assert kind(found) == (403, "step-up")
    assert kind(await http.get("/staff", headers=bearer(KEY, app))) == (403, "step-up")
    stranger = bearer(KEY, app, roles=["lead"], stepped=now)
    assert kind(await http.get("/staff", headers=stranger)) == (403, "forbidden")


async def test_without_token_keys_no_staff_are_let_in(sample: str, app: FastAPI) -> None:
    settings = Settings(environment="development", database_url=sample)
    other = build_app("registry", title="S", description="S", settings=settings, routers=[router])
    other.state.access = {"read_staff": frozenset({"desk"})}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=other), base_url="http://localhost"
    ) as http:
        assert kind(await http.get("/staff", headers=bearer(KEY, app))) == (401, "unauthorised")


# --- health and description


async def test_health_says_what_is_wrong(http: httpx2.AsyncClient, app: FastAPI, database: Any) -> None:
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    assert (await http.get("/readyz")).status_code == 503, "the sample schema has no revision"
    with database.superuser() as conn:
        conn.execute("INSERT INTO sample.alembic_version VALUES (%s)", [app.state.head])
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    with database.superuser() as conn:
        conn.execute("UPDATE sample.alembic_version SET version_num = 'older'")
    assert (await http.get("/readyz")).json() == {"status": "schema is not at the expected revision"}
    app.state.schema = "no_such_schema"
    assert (await http.get("/readyz")).status_code == 503


async def test_operations_are_named_after_their_functions_and_health_is_not_described(
    http: httpx2.AsyncClient,
) -> None:
    document = (await http.get("/api/registry/v1/openapi.json")).json()
    operations = {method["operationId"] for path in document["paths"].values() for method in path.values()}
    assert {"add_thing", "read_staff"} <= operations
    assert not {"/healthz", "/readyz"} & set(document["paths"])
    assert (await http.get("/docs")).status_code == 404, "pages that load scripts from elsewhere are off"


async def test_errors_of_the_database_are_not_shown(http: httpx2.AsyncClient) -> None:
    await http.post("/things", json={"word": "secret-word"})
    answer = await http.post("/things", json={"word": "secret-word"})
    assert kind(answer) == (500, "internal")
    assert "secret-word" not in answer.text


async def test_core_dumps_are_off_while_a_service_runs(app: FastAPI) -> None:
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    assert app.state.settings.development
