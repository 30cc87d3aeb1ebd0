"""The outbox and the internal port: every event once, in order, to its own consumer and to nobody else."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from services import dev
from services.contracts.feed import FeedPage
from services.crypto.canonical import b64u
from services.first_run import Folder
from services.intake import events, jobs
from services.intake.internal import InternalSettings, consumer_of, create_internal_app
from services.intake.outbox_models import FEED
from services.kit import feed

DAY = date(2026, 11, 24)
PERSON = UUID("0b1d2f3a-4c5d-4e6f-8a7b-9c0d1e2f3a4b")


@pytest.fixture
async def internal(environment: dict[str, str]) -> AsyncIterator[FastAPI]:
    app = create_internal_app()
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def engine(internal: FastAPI) -> AsyncEngine:
    found: AsyncEngine = internal.state.engine
    return found


@pytest.fixture
async def port(internal: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=internal)
    async with httpx2.AsyncClient(transport=transport, base_url="http://internal") as client:
        yield client


class Caller:
    """A consumer with its token, which reads as one would over HTTP."""

    def __init__(self, port: httpx2.AsyncClient, folder: Folder, name: str) -> None:
        self.port, self.headers = port, {"Authorization": f"Bearer {folder.feed_token(name)}"}

    async def get(self, **headers_and_query: Any) -> httpx2.Response:
        accept = headers_and_query.pop("accept", "application/json")
        return await self.port.get(
            "/internal/events", params=headers_and_query, headers={**self.headers, "Accept": accept}
        )

    async def page(self, after: int = 0, limit: int = 500) -> FeedPage:
        answer = await self.get(after=after, limit=limit)
        assert answer.status_code == 200
        return FeedPage.from_json(answer.json())

    async def kinds(self, after: int = 0, limit: int = 500) -> list[tuple[int, str]]:
        return [(event.position, event.kind) for event in (await self.page(after, limit)).events]


@pytest.fixture
def rewards(port: httpx2.AsyncClient, folder: Folder) -> Caller:
    return Caller(port, folder, "rewards")


@pytest.fixture
def siem(port: httpx2.AsyncClient, folder: Folder) -> Caller:
    return Caller(port, folder, "siem")


async def put(engine: AsyncEngine, *kinds: str, consumer: str = "rewards", sealed: bytes = b"age") -> None:
    async with engine.begin() as conn:
        for kind in kinds:
            await events.put(conn, consumer, kind, sealed, DAY)


# --- writing


async def test_an_event_exists_only_if_its_transaction_commits(engine: AsyncEngine, rewards: Caller) -> None:
    async with engine.connect() as conn:
        await events.put(conn, "rewards", "outcome", b"age", DAY)
        await conn.rollback()
    assert await rewards.kinds() == []
    await put(engine, "outcome")
    assert await rewards.kinds() == [(1, "outcome")]


async def test_an_event_for_nobody_we_know_is_refused(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        with pytest.raises(ValueError, match="not a consumer"):
            await events.put(conn, "press", "outcome", b"age", DAY)


async def test_sealed_bytes_arrive_as_they_were_put(engine: AsyncEngine, rewards: Caller) -> None:
    sealed = bytes(range(256))
    await put(engine, "outcome", sealed=sealed)
    (event,) = (await rewards.page()).events
    assert (event.sealed, event.day, event.person) == (sealed, DAY, None)
    assert event.id.version == 4


async def test_only_those_who_read_are_told_what_has_no_content(engine: AsyncEngine, siem: Caller) -> None:
    async with engine.begin() as conn:
        await events.tell(conn, "before-anybody-read", DAY)
    assert await siem.kinds() == []
    async with engine.begin() as conn:
        await events.tell(conn, "afterwards", DAY)
        assert await events.waiting(conn) == {"siem": 1}
    assert await siem.kinds() == [(1, "afterwards")]


async def test_the_person_to_notify_stands_in_the_mail_event_alone(
    engine: AsyncEngine, port: httpx2.AsyncClient, folder: Folder
) -> None:
    callers = {name: Caller(port, folder, name) for name in ("siem", "webhooks", "mail")}
    for caller in callers.values():
        await caller.page()
    async with engine.begin() as conn:
        await events.tell(conn, "assigned", DAY, person=PERSON)
        await events.tell(conn, "overdue", DAY)
    told = {
        name: [(event.kind, event.person) for event in (await caller.page()).events]
        for name, caller in callers.items()
    }
    everybody = [("assigned", None), ("overdue", None)]
    assert told == {"siem": everybody, "webhooks": everybody, "mail": [("assigned", PERSON)]}


async def test_events_nobody_fetched_are_forgotten_but_never_sealed_ones(
    engine: AsyncEngine, siem: Caller, rewards: Caller
) -> None:
    await siem.page()
    async with engine.begin() as conn:
        await events.tell(conn, "old", DAY)
        await events.tell(conn, "new", DAY + timedelta(days=1))
        await events.put(conn, "rewards", "outcome", b"age", DAY)
        assert await events.forget_unread(conn, DAY + events.KEEP) == 0
        assert await events.forget_unread(conn, DAY + events.KEEP + timedelta(days=1)) == 1
    assert await siem.kinds() == [(1, "new")]
    assert await rewards.kinds() == [(1, "outcome")]


async def test_forgetting_is_a_job_of_intake(engine: AsyncEngine, siem: Caller) -> None:
    await siem.page()
    async with engine.begin() as conn:
        await events.tell(conn, "old", DAY)
    (job,) = [job for job in jobs.JOBS if job.name == "intake.forget-events"]

    class State:
        pass

    state = State()
    state.engine = engine  # type: ignore[attr-defined]
    assert await job.run(state, datetime(2027, 6, 1, tzinfo=UTC)) == 1


# --- reading


async def test_positions_begin_at_one_and_have_no_gaps(engine: AsyncEngine, rewards: Caller) -> None:
    await put(engine, "a", "b")
    await put(engine, "c")
    assert await rewards.kinds() == [(1, "a"), (2, "b"), (3, "c")]
    await put(engine, "d")
    assert await rewards.kinds(after=3) == [(4, "d")]


async def test_an_event_is_read_again_until_it_is_acknowledged(engine: AsyncEngine, rewards: Caller) -> None:
    await put(engine, "a", "b", "c")
    first = await rewards.page()
    assert await rewards.page() == first
    assert await rewards.kinds(after=2) == [(3, "c")]


async def test_what_was_acknowledged_is_gone_from_the_database(
    engine: AsyncEngine, rewards: Caller, sql: Any
) -> None:
    await put(engine, "a", "b", "c")
    await rewards.page(limit=2)
    assert sql("SELECT count(*) FROM intake.outbox") == [(3,)]
    page = await rewards.page(after=2)
    assert (page.dropped, [event.kind for event in page.events]) == (0, ["c"])
    assert sql("SELECT kind FROM intake.outbox") == [("c",)]
    assert (await rewards.page(after=3)).dropped == 2
    assert sql("SELECT count(*) FROM intake.outbox") == [(0,)]
    # Positions go on after the last row is gone.
    await put(engine, "d")
    assert await rewards.kinds(after=3) == [(4, "d")]


async def test_a_consumer_from_an_old_copy_learns_that_something_is_gone(
    engine: AsyncEngine, rewards: Caller
) -> None:
    await put(engine, "a", "b")
    await rewards.page()
    await rewards.page(after=2)
    assert (await rewards.page(after=0)).dropped == 2


async def test_a_consumer_that_is_ahead_of_a_restored_publisher_is_served_above_its_cursor(
    engine: AsyncEngine, rewards: Caller
) -> None:
    await put(engine, "a")
    assert await rewards.kinds(after=20) == [(21, "a")]
    await put(engine, "b")
    assert await rewards.kinds(after=21) == [(22, "b")]


async def test_pages_are_as_long_as_was_asked(engine: AsyncEngine, rewards: Caller) -> None:
    await put(engine, *(f"k{i}" for i in range(12)))
    assert await rewards.kinds(limit=5) == [(i + 1, f"k{i}") for i in range(5)]
    assert await rewards.kinds(after=5, limit=5) == [(i + 1, f"k{i}") for i in range(5, 10)]
    assert len(await rewards.kinds(after=10, limit=5)) == 2


@pytest.mark.parametrize("query", [{"after": -1}, {"after": 1 << 53}, {"limit": 0}, {"limit": 501}])
async def test_a_question_out_of_bounds_is_refused(rewards: Caller, query: dict[str, int]) -> None:
    assert (await rewards.get(**query)).status_code == 422


# --- who may read what


async def test_each_caller_sees_only_its_own_events(
    engine: AsyncEngine, port: httpx2.AsyncClient, folder: Folder
) -> None:
    for consumer in ("rewards", "registry"):
        await put(engine, f"for-{consumer}", consumer=consumer)
    for consumer in ("rewards", "registry"):
        caller = Caller(port, folder, consumer)
        assert await caller.kinds() == [(1, f"for-{consumer}")]
        # Nor does it acknowledge what is another's.
        await caller.page(after=100)
    async with engine.begin() as conn:
        assert await events.waiting(conn) == {}


async def test_acknowledging_one_s_own_drops_nobody_else_s(
    engine: AsyncEngine, rewards: Caller, port: httpx2.AsyncClient, folder: Folder
) -> None:
    for consumer in ("rewards", "registry"):
        await put(engine, "outcome", consumer=consumer)
    await rewards.page(after=100)
    assert await Caller(port, folder, "registry").kinds() == [(1, "outcome")]


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic cmV3YXJkcw==", "Bearer " + "a" * 8000]
)
async def test_without_a_listed_token_there_is_no_answer(
    port: httpx2.AsyncClient, header: str | None
) -> None:
    answer = await port.get("/internal/events", headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:adal:problem:unauthorised"


def test_a_caller_is_known_by_the_hash_of_its_token_alone() -> None:
    callers = {name: b64u(hashlib.sha256(f"token of {name}".encode()).digest()) for name in ("siem", "mail")}
    assert consumer_of("token of siem", callers) == "siem"
    assert consumer_of("token of mail", callers) == "mail"
    assert consumer_of(callers["mail"], callers) is None
    assert consumer_of("", {}) is None
    hexadecimal = {"siem": hashlib.sha256(b"token of siem").hexdigest()}
    assert consumer_of("token of siem", hexadecimal) == "siem"
    assert consumer_of("token of mail", hexadecimal) is None


@pytest.mark.parametrize(
    "callers",
    [
        {"press": b64u(bytes(32))},
        {"siem": "short"},
        {"siem": "ğ" * 64},
        {"siem": b64u(bytes(32)), "mail": b64u(bytes(32))},
        {"siem": "the token itself, by mistake"},
    ],
)
def test_a_list_of_callers_that_cannot_be_meant_stops_the_start(callers: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as raised:
        InternalSettings(database_url="postgresql+psycopg://", feed_callers=callers)
    assert all(value not in str(raised.value) for value in callers.values())


async def test_the_internal_port_has_nothing_else(internal: FastAPI, port: httpx2.AsyncClient) -> None:
    assert set(internal.openapi()["paths"]) == {"/internal/events"}
    assert (await port.get("/readyz")).status_code == 200
    for path in ("/api/intake/v1/openapi.json", "/api/intake/v1/form", "/docs", "/"):
        assert (await port.get(path)).status_code == 404


async def test_the_public_app_has_no_internal_route(environment: dict[str, str]) -> None:
    apps = dev.make_apps()
    for app in apps.values():
        paths = [context.path for context in iter_route_contexts(app.routes) if context.path]
        assert paths
        assert not [path for path in paths if "internal" in path]
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=dev.Gateway(apps)), base_url="http://localhost"
    ) as client:
        assert (await client.get("/internal/events")).status_code == 404


# --- the stream for a monitoring system


async def test_a_monitoring_system_reads_one_event_a_line(engine: AsyncEngine, siem: Caller) -> None:
    await siem.page()
    async with engine.begin() as conn:
        await events.tell(conn, "step.registered", DAY, person=PERSON)
        await events.tell(conn, "step.closed", DAY)
    answer = await siem.get(accept="application/x-ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line.pop("id") != "" for line in lines] == [True, True]
    assert lines == [
        {"day": "2026-11-24", "kind": "step.registered", "position": 1},
        {"day": "2026-11-24", "kind": "step.closed", "position": 2},
    ]
    assert (await siem.get(accept="application/x-ndjson", after=2)).text == ""


async def test_answers_are_kept_by_nobody(rewards: Caller) -> None:
    assert (await rewards.get()).headers["cache-control"] == "no-store"


# --- many at once


async def test_eight_writers_and_two_readers_lose_and_reorder_nothing(
    engine: AsyncEngine, rewards: Caller
) -> None:
    """The trap of style 2.6: transactions commit out of order, so a number taken while writing would be passed over."""
    writers, each = 8, 30
    written: list[list[str]] = [[] for _ in range(writers)]
    done = asyncio.Event()

    async def write(number: int) -> None:
        for i in range(each):
            async with engine.begin() as conn:
                await events.put(conn, "rewards", f"{number}-{i}", b"age", DAY)
                # Others commit in between, in another order than they wrote.
                await asyncio.sleep(0.001 * ((number * 7 + i * 3) % 5))
            written[number].append(f"{number}-{i}")

    async def read() -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        while True:
            last = done.is_set()
            # Without acknowledging: both readers see all from the start, and go on from where they are.
            page = await rewards.kinds()
            assert page[: len(seen)] == seen
            seen = page
            if last:
                return seen
            await asyncio.sleep(0.005)

    async def write_all() -> None:
        await asyncio.gather(*(write(number) for number in range(writers)))
        done.set()

    first, second, _ = await asyncio.gather(read(), read(), write_all())
    assert first == second
    assert [position for position, _ in first] == list(range(1, writers * each + 1))
    kinds = [kind for _, kind in first]
    for mine in written:
        assert [kind for kind in kinds if kind in set(mine)] == mine


async def test_a_row_that_commits_late_comes_after_those_that_were_read(
    engine: AsyncEngine, rewards: Caller
) -> None:
    late = await engine.connect()
    await events.put(late, "rewards", "written-first", b"age", DAY)
    await put(engine, "written-second")
    assert await rewards.kinds() == [(1, "written-second")]
    await late.commit()
    await late.close()
    assert await rewards.kinds(after=1) == [(2, "written-first")]


async def test_a_reader_that_dies_before_its_answer_leaves_no_hole(
    engine: AsyncEngine, rewards: Caller
) -> None:
    await put(engine, "a")
    async with engine.connect() as conn:
        page = await feed.read_page(conn, FEED, "rewards", 0, 10)
        assert [event.position for event in page.events] == [1]
        await conn.rollback()
    await put(engine, "b")
    assert await rewards.kinds() == [(1, "a"), (2, "b")]


async def test_no_row_of_the_outbox_names_a_report(sql: Any) -> None:
    columns = {
        name
        for (name,) in sql(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'intake' "
            "AND table_name IN ('outbox', 'feed_consumers')"
        )
    }
    assert columns == {
        *("id", "written", "consumer", "kind", "day", "person", "sealed", "position"),
        *("given", "acknowledged"),
    }
