"""Outcomes reach rewards and the registry over the internal port: each once, in order, and opened with their own key."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI

from services import dev
from services.cli.local import _told
from services.contracts.outcomes import Outcome, seal_outcome
from services.first_run import Folder, services
from services.intake import events
from services.kit import feed_reader
from services.kit.db import make_engine
from services.kit.feed_reader import FeedBroken, FeedUnreachable
from services.kit.jobs import run_job
from services.registry.jobs import JOBS as REGISTRY_JOBS
from services.registry.models import READER as REGISTRY_READER
from services.rewards.jobs import JOBS as REWARDS_JOBS
from services.rewards.models import READER as REWARDS_READER
from tests.conftest import Database
from tests.contracts.outcomes import STAFF, TOKEN, for_registry, for_rewards

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = date(2026, 11, 24)
JOBS = {"rewards": REWARDS_JOBS[0], "registry": REGISTRY_JOBS[0]}
READERS = {"rewards": REWARDS_READER, "registry": REGISTRY_READER}
MADE = {"rewards": for_rewards, "registry": for_registry}
each = pytest.mark.parametrize("name", sorted(JOBS))


@dataclass
class Consumers:
    """The four services with intake's internal port open, and what tests do with them."""

    apps: dict[str, FastAPI]
    folder: Folder
    database: Database

    def seal(self, name: str, outcome: Outcome) -> bytes:
        recipients = {service.id: service.recipient for service in services(self.folder)}
        return seal_outcome(outcome, recipients[name])

    async def put(self, name: str, *sealed: bytes | None, kind: str = "outcome") -> None:
        for one in sealed:
            async with self.apps["intake"].state.engine.begin() as conn:
                await events.put(conn, name, kind, one, DAY)

    async def read(self, name: str) -> int:
        return await run_job(self.apps[name].state, JOBS[name], NOW)

    def rows(self, statement: str) -> list[Any]:
        with self.database.superuser() as conn:
            return conn.execute(statement).fetchall()

    async def troubles(self, name: str) -> tuple[int, int]:
        async with self.apps[name].state.engine.connect() as conn:
            return await feed_reader.troubles(conn, READERS[name])


@pytest.fixture
async def consumers(apps: dict[str, FastAPI], folder: Folder, database: Database) -> AsyncIterator[Consumers]:
    async with dev.internal_port(folder):
        yield Consumers(apps, folder, database)


async def test_rewards_keeps_every_fact_of_an_outcome(consumers: Consumers) -> None:
    outcome = for_rewards()
    await consumers.put("rewards", consumers.seal("rewards", outcome))
    assert await consumers.read("rewards") == 1
    (row,) = consumers.rows(
        "SELECT event, kind, act_court, act_number, act_date, act_in_force, gravity, articles, bribe, damage, "
        "value_of_benefits, excluded, replaces, claim, reported, digest, received FROM rewards.outcomes"
    )
    assert row == (
        outcome.event, "convicted", "Есіл аудандық соты", "7194-26-00-1/123", date(2026, 9, 1), date(2026, 10, 2),
        "grave", ["366-2", "367-1"], 5_000_000, None, 0, list(STAFF), None, sha256(b"adal/v1/claim" + TOKEN).digest(),
        "2026-03", outcome.digest, DAY,
    )  # fmt: skip


async def test_the_registry_keeps_whom_the_act_is_about(consumers: Consumers) -> None:
    outcome = for_registry(act=None, replaces=uuid4())
    await consumers.put("registry", consumers.seal("registry", outcome))
    assert await consumers.read("registry") == 1
    (row,) = consumers.rows(
        "SELECT event, act_court, act_date, persons, region, replaces, received FROM registry.outcomes"
    )
    persons = [person.to_json() for person in outcome.persons]
    assert row == (outcome.event, None, None, persons, "astana", outcome.replaces, DAY)


@each
async def test_what_was_consumed_is_dropped_by_intake(consumers: Consumers, name: str) -> None:
    await consumers.put(name, *(consumers.seal(name, MADE[name]()) for _ in range(3)))
    assert await consumers.read(name) == 3
    assert consumers.rows("SELECT * FROM intake.outbox") == []
    assert await consumers.read(name) == 0


@each
async def test_an_event_that_cannot_be_used_stops_nobody(consumers: Consumers, name: str) -> None:
    good = [MADE[name](), MADE[name]()]
    other = "registry" if name == "rewards" else "rewards"
    for_another = consumers.seal(other, MADE[other]())
    of_another_shape = consumers.seal(name, MADE[other]())
    bad = [b"no age file", None, b"", for_another, of_another_shape]
    await consumers.put(name, consumers.seal(name, good[0]), *bad)
    await consumers.put(name, consumers.seal(name, MADE[name]()), kind="something-else")
    await consumers.put(name, consumers.seal(name, good[1]))
    assert await consumers.read(name) == 8
    assert {row[0] for row in consumers.rows(f"SELECT event FROM {name}.outcomes")} == {
        outcome.event for outcome in good
    }
    kept = consumers.rows(f"SELECT digest, reason, kind FROM {name}.unreadable ORDER BY reason, digest")
    assert {(row[0], row[1]) for row in kept} >= {
        (sha256(b"no age file").digest(), "FormatError"),
        (sha256(b"").digest(), "FormatError"),
        (sha256(for_another).digest(), "WrongKey"),
        (sha256(of_another_shape).digest(), "FormatError"),
    }
    assert [(row[1], row[2]) for row in kept if row[1] == "Unusable"] == [("Unusable", "something-else")]
    assert await consumers.troubles(name) == (6, 0)
    assert consumers.rows("SELECT * FROM intake.outbox") == []


@each
async def test_the_doctor_counts_what_could_not_be_read(consumers: Consumers, name: str) -> None:
    state = consumers.apps[name].state
    assert (await _told(name, state)).good
    await consumers.put(name, b"no age file", consumers.seal(name, MADE[name]()))
    await consumers.read(name)
    found = await _told(name, state)
    assert (found.good, found.text) == (False, "1 could not be read, 0 were missed")
    assert name in found.what


@each
async def test_an_outcome_told_twice_is_kept_once(consumers: Consumers, name: str) -> None:
    outcome = MADE[name]()
    await consumers.put(name, consumers.seal(name, outcome), consumers.seal(name, outcome))
    assert await consumers.read(name) == 2
    assert consumers.rows(f"SELECT count(*) FROM {name}.outcomes") == [(1,)]
    assert await consumers.troubles(name) == (0, 0)


@each
async def test_another_outcome_under_a_known_id_changes_nothing(consumers: Consumers, name: str) -> None:
    outcome = MADE[name]()
    changed = MADE[name](event=outcome.event, bribe=1)
    await consumers.put(name, consumers.seal(name, outcome), consumers.seal(name, changed))
    await consumers.read(name)
    assert consumers.rows(f"SELECT digest FROM {name}.outcomes") == [(outcome.digest,)]
    assert await consumers.troubles(name) == (1, 0)


@each
async def test_events_that_a_restored_publisher_gives_again_are_known(
    consumers: Consumers, name: str
) -> None:
    outcome = MADE[name]()
    await consumers.put(name, consumers.seal(name, outcome))
    await consumers.read(name)
    (known,) = consumers.rows(f"SELECT id FROM {name}.events_seen")
    with consumers.database.superuser() as conn:
        conn.execute(
            "INSERT INTO intake.outbox (id, consumer, kind, day, sealed) VALUES (%s, %s, 'outcome', %s, 'x')",
            [known[0], name, DAY],
        )
        conn.execute("UPDATE intake.feed_consumers SET given = 0, acknowledged = 0")
    assert await consumers.read(name) == 0
    assert await consumers.troubles(name) == (0, 0)
    assert consumers.rows("SELECT * FROM intake.outbox") == []


@each
async def test_a_consumer_restored_from_an_old_copy_says_what_it_missed(
    consumers: Consumers, name: str
) -> None:
    await consumers.put(name, *(consumers.seal(name, MADE[name]()) for _ in range(3)))
    await consumers.read(name)
    with consumers.database.superuser() as conn:
        for table in ("outcomes", "events_seen", "feed_cursor"):
            conn.execute(f"DELETE FROM {name}.{table}")
    last = MADE[name]()
    await consumers.put(name, consumers.seal(name, last))
    assert await consumers.read(name) == 1
    assert await consumers.troubles(name) == (0, 3)
    assert await consumers.read(name) == 0
    assert await consumers.troubles(name) == (0, 3)
    assert consumers.rows(f"SELECT event FROM {name}.outcomes") == [(last.event,)]


@each
async def test_of_two_processes_of_a_consumer_each_event_is_handled_by_one(
    consumers: Consumers, name: str
) -> None:
    state = consumers.apps[name].state
    await consumers.put(name, *(consumers.seal(name, MADE[name]()) for _ in range(6)))
    handled: list[int] = []

    async def note(_conn: Any, event: Any) -> None:
        await asyncio.sleep(0.01)
        handled.append(event.position)

    async def process() -> int:
        return await feed_reader.poll(state.engine, READERS[name], state.consumer.source, note, limit=2)

    done = await asyncio.gather(process(), process())
    assert sum(done) == 6
    assert handled == [1, 2, 3, 4, 5, 6]


@each
async def test_a_page_whose_handling_fails_comes_again_whole(consumers: Consumers, name: str) -> None:
    state = consumers.apps[name].state
    await consumers.put(name, *(consumers.seal(name, MADE[name]()) for _ in range(4)))

    async def fail_at_three(_conn: Any, event: Any) -> None:
        if event.position == 3:
            raise OSError

    with pytest.raises(OSError):
        await feed_reader.poll(state.engine, READERS[name], state.consumer.source, fail_at_three)
    assert consumers.rows(f"SELECT * FROM {name}.events_seen") == []
    assert await consumers.read(name) == 4


async def test_each_service_stays_in_its_schema(consumers: Consumers) -> None:
    await consumers.put("rewards", consumers.seal("rewards", for_rewards()))
    await consumers.read("rewards")
    assert await consumers.read("registry") == 0
    assert consumers.rows("SELECT * FROM registry.outcomes") == []


async def test_without_a_publisher_the_job_fails_and_nothing_is_lost(
    apps: dict[str, FastAPI], folder: Folder, database: Database
) -> None:
    alone = Consumers(apps, folder, database)
    await alone.put("rewards", alone.seal("rewards", for_rewards()))
    with pytest.raises(FeedUnreachable):
        await alone.read("rewards")
    async with dev.internal_port(folder):
        assert await alone.read("rewards") == 1


async def test_without_a_feed_in_the_settings_nothing_is_fetched(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADAL_REWARDS_FEED_URL")
    app = dev.make_apps()["rewards"]
    async with app.router.lifespan_context(app):
        assert app.state.consumer is None
        assert await run_job(app.state, JOBS["rewards"], NOW) == 0


@pytest.mark.parametrize("content", [b"", b"[]", b'{"dropped":0}', b"\xff", b"[" * 100_000])
async def test_what_is_no_page_is_refused_without_repeating_it(content: bytes) -> None:
    import httpx2

    def answer(_request: Any) -> httpx2.Response:
        return httpx2.Response(200, content=content)

    source = feed_reader.Source("http://internal", "token", httpx2.MockTransport(answer))
    async with source.client() as client:
        with pytest.raises(FeedBroken, match=r"^not a page$"):
            await feed_reader.fetch(client, 0)
    assert "token" not in repr(source)


# --- crashes


class Killed:
    """A consumer in a process of its own, which says what it does line by line and can be killed at any of them."""

    def __init__(self, database: Database, folder: Folder, pause: float) -> None:
        command = [sys.executable, "-m", "tests.system.consumer", str(pause)]
        environment = {
            **os.environ,
            "CONSUMER_DATABASE": database.url("rewards"),
            "CONSUMER_URL": f"http://127.0.0.1:{folder.feed_port()}",
            "CONSUMER_TOKEN": folder.feed_token("rewards"),
        }
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[2]
        )

    def lines(self) -> Any:
        assert self.process.stdout is not None
        return self.process.stdout

    def kill_at(self, line: str, count: int = 1) -> None:
        """Kill when this line was said so many times, or let it end by itself before that."""
        for said in self.lines():
            count -= said.strip() == line
            if not count:
                self.process.send_signal(signal.SIGKILL)
                break
        self.end()

    def end(self) -> None:
        self.lines().read()
        self.lines().close()
        self.process.wait(timeout=60)


def handled_table(database: Database) -> None:
    with database.superuser() as conn:
        conn.execute("CREATE TABLE rewards.handled (place serial, position bigint, word uuid)")
        conn.execute("GRANT SELECT, INSERT ON rewards.handled TO adal_rewards")
        conn.execute("GRANT USAGE ON SEQUENCE rewards.handled_place_seq TO adal_rewards")


@pytest.mark.slow
async def test_killed_consumers_handle_every_event_once_and_in_order(
    environment: dict[str, str], folder: Folder, database: Database
) -> None:
    """Killed after the fetch, inside the transaction, and after the commit: real processes, SIGKILL."""
    count = 24
    handled_table(database)
    try:
        async with dev.internal_port(folder):
            await fill(database, count)
            for line, times in (
                ("fetched", 1),
                ("handled", 3),
                ("committed", 1),
                ("handled", 7),
                ("fetched", 2),
            ):
                killed = Killed(database, folder, 0.05)
                await asyncio.to_thread(killed.kill_at, line, times)
                assert killed.process.returncode == -signal.SIGKILL, line
            last = Killed(database, folder, 0)
            await asyncio.to_thread(last.end)
            assert last.process.returncode == 0
        with database.superuser() as conn:
            handled = conn.execute("SELECT position FROM rewards.handled ORDER BY place").fetchall()
            assert [position for (position,) in handled] == list(range(1, count + 1))
            assert conn.execute("SELECT count(*) FROM intake.outbox").fetchone() == (0,)
            assert conn.execute("SELECT count(*) FROM rewards.events_seen").fetchone() == (count,)
    finally:
        with database.superuser() as conn:
            conn.execute("DROP TABLE rewards.handled")


async def fill(database: Database, count: int) -> None:
    engine = make_engine(database.url("intake"), 1)
    async with engine.begin() as conn:
        for _ in range(count):
            await events.put(conn, "rewards", "outcome", b"sealed", DAY)
    await engine.dispose()
