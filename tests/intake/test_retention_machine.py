"""Retention against the real service: random lives of cases, and a process that is killed between rows and files."""

import os
import random
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field

import pytest

from services.crypto.canonical import b64
from services.crypto.dialogue import message_body
from services.intake import retention_jobs
from services.intake.context import Context
from tests.intake.builders import INBOX, LARGE, Sql, World, reporter_file
from tests.intake.retaining import Keeper, ended, keeper

STEPS = 60


@dataclass
class Life:
    """One case, and what its own books say of it: nothing here is read from the tables of retention."""

    one: Keeper
    sql: Sql
    dice: random.Random
    unread: bool = True
    unanswered: bool = True
    held: bool = False
    ended: bool = False
    proposal: tuple[str, str] | None = None
    said_since: bool = False
    clocks: set[uuid.UUID] = field(default_factory=set)
    gone: bool = False

    def person(self) -> str:
        return self.dice.choice([self.one.lead, self.one.second])

    async def write(self) -> None:
        case, world = self.one.case, self.one.world
        headers = await world.open_inbox(case.report.keys.lookup)
        place = (await world.inbox(headers))["next"]
        part = reporter_file(
            case.report.manifest, case.report.keys, "message", message_body("More.", []), place
        )
        answer = await world.post(f"{INBOX}/messages", {"part": b64(part), "attachments": []}, **headers)
        assert answer.status_code == 201, answer.text
        self.unread = self.unanswered = self.said_since = True

    async def answer(self) -> None:
        body = await self.one.desk.notice()
        assert (await self.one.send("POST", "/messages", body)).status_code == 201
        self.unanswered, self.said_since = False, True

    async def look(self) -> None:
        await self.one.read()
        self.unread = False

    async def step(self) -> None:
        name = self.dice.choice(["register", "review", "close", "close", "reopen"])
        more = {}
        if name == "close":
            more = {"outcome": await self.one.desk.outcome()}
        if name == "reopen":
            more = {"notice": await self.one.desk.notice()}
        answer = await self.one.desk.step(name, **more)
        if answer.status_code == 201:
            self.ended = name == "close"
            if more:
                self.unanswered, self.said_since = False, True

    async def hold(self) -> None:
        answer = await self.one.send("DELETE" if self.held else "PUT", "/hold")
        assert answer.status_code in (201, 204), answer.text
        self.held = not self.held

    async def propose(self) -> None:
        who = self.person()
        answer = await self.one.propose("court_order", person=who)
        assert answer.status_code in (201, 409)
        if answer.status_code == 201:
            assert self.may_go()
            assert self.proposal is None
            self.proposal, self.said_since = (answer.json()["id"], who), False

    async def refuse(self) -> None:
        if self.proposal:
            body = {"proposal": self.proposal[0]}
            assert (await self.one.send("POST", "/deletion/refuse", body)).status_code == 200
            self.proposal = None

    async def approve(self) -> None:
        if not self.proposal:
            return
        who = self.person()
        answer = await self.one.approve(self.proposal[0], person=who)
        assert answer.status_code in (200, 409)
        if answer.status_code == 200:
            assert who != self.proposal[1], "one person deleted a case"
            assert self.may_go(), "it was not to be deleted"
            assert not self.said_since, "something was said since the proposal"
            self.gone = True

    def may_go(self) -> bool:
        """By the books, and by the clocks that are there."""
        clocks = self.sql(
            "SELECT count(*) FROM intake.deadlines WHERE report_id = %s AND met_on IS NULL AND ended_on IS NULL",
            self.one.case.id,
        )
        return self.ended and not (self.unread or self.unanswered or self.held or clocks[0][0])

    def check(self) -> None:
        """No clock that ever began is lost while the case is there; the case is there unless it was deleted."""
        now = {
            id_
            for (id_,) in self.sql("SELECT id FROM intake.deadlines WHERE report_id = %s", self.one.case.id)
        }
        assert self.gone or now >= self.clocks
        self.clocks = now
        assert self.sql("SELECT count(*) FROM intake.reports") == [(0 if self.gone else 1,)]
        assert self.sql("SELECT count(*) FROM intake.tombstones") == [(1 if self.gone else 0,)]


@pytest.mark.parametrize("seed", range(6))
async def test_no_life_of_a_case_deletes_what_it_must_not(world: World, sql: Sql, seed: int) -> None:
    life = Life(await keeper(world), sql, random.Random(seed))
    moves = [life.write, life.answer, life.look, life.look, life.step, life.step, life.hold, life.propose,
             life.propose, life.refuse, life.approve, life.approve]  # fmt: skip
    for _ in range(STEPS):
        before = life.may_go() if not life.gone else False
        move = life.dice.choice(moves)
        await move()
        if life.gone:
            assert before
            life.sql("SELECT 1")
            break
        life.check()
    life.clocks = set()
    life.check()


async def test_some_of_these_lives_end(world: World, sql: Sql) -> None:
    """A walk that never deletes proves little: this one is led there by the same moves."""
    life = Life(await keeper(world), sql, random.Random(1))
    while not life.ended:
        await life.step()
    await life.look()
    while life.proposal is None:
        await life.propose()
    while not life.gone:
        await life.approve()
    life.clocks = set()
    life.check()


# --- crash

KILLED = """
import asyncio, os, signal
from services.intake.app import create_app
from services.intake import retention_jobs
from services.kit.blobs import LocalBlobs

left = [int(os.environ["AFTER"])]
delete = LocalBlobs.delete

def dying(self, name):
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return delete(self, name)

LocalBlobs.delete = dying

async def main():
    app = create_app()
    async with app.router.lifespan_context(app):
        await retention_jobs.erase(app.state, app.state.clock())

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [0, 1])
async def test_a_kill_between_rows_and_files_leaves_work_that_the_next_run_ends(
    world: World, sql: Sql, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    files = [(f"{number}.bin", bytes(LARGE)) for number in range(3)]
    one = await ended(world, attachments=files)
    names = [name for (name,) in sql("SELECT blob FROM intake.parts WHERE blob IS NOT NULL")]
    assert len(names) == 3
    with monkeypatch.context() as patch:

        async def nothing(_self: object, _names: object) -> int:
            raise OSError("the disk is away")  # as if the process had ended here

        patch.setattr(type(world.app.state.context.blobs), "delete_all", nothing)
        await one.delete()
    context: Context = world.app.state.context
    assert set(names) <= set(context.blobs.names())
    assert sql("SELECT count(*) FROM intake.reports") == [(0,)]

    child = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "AFTER": str(after)},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert len(set(names) & set(context.blobs.names())) == 3 - after
    assert sql("SELECT count(*) FROM intake.doomed_blobs") == [(3,)]

    assert await retention_jobs.erase(world.app.state, world.now()) == 3
    assert set(names).isdisjoint(context.blobs.names())
    assert sql("SELECT count(*) FROM intake.doomed_blobs") == [(0,)]
    assert await retention_jobs.erase(world.app.state, world.now()) == 0


async def test_a_deletion_whose_commit_fails_deletes_nothing(
    world: World, sql: Sql, failing_commit: object
) -> None:
    one = await ended(world, attachments=[("film.bin", bytes(LARGE))])
    proposed = (await one.propose()).json()["id"]
    with failing_commit("tombstones"):  # type: ignore[operator]
        assert (await one.approve(proposed)).status_code == 500
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]
    assert sql("SELECT count(*) FROM intake.doomed_blobs") == [(0,)]
    assert (await one.send("GET", "/parts/2")).status_code == 200
    assert (await one.approve(proposed)).status_code == 200
