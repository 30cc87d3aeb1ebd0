"""The one job runner: a schedule, an advisory lock, and a row that says how the last run went.

A job is a function of (app state, now) that returns how many things it did. It runs in every process of its service
and also by hand, `adal jobs run NAME`; the lock makes sure that only one runs at a time on the whole installation.
"""

import asyncio
import contextlib
import random
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import logs
from services.kit.clock import KAZAKHSTAN

#: app.state of a service: `engine`, `schema`, `clock`, and whatever its startup put there.
State = Any

LOOK_EVERY = 20.0


@dataclass(frozen=True)
class Job:
    """`name` is "<service>.<job>". Runs `every` so long, or daily at `hour` o'clock in Kazakhstan when that is given.

    With `jitter` a pause is longer by a random part of `every`, at most that often: nobody can tell from the time of one
    run when the next one looked.
    """

    name: str
    run: Callable[[State, datetime], Awaitable[int]]
    every: timedelta = timedelta(days=1)
    hour: int | None = None
    jitter: float = 0.0


@dataclass(frozen=True)
class JobRun:
    """How the last run of a job went. `error` is the class of the failure, or empty."""

    name: str
    started: datetime
    finished: datetime | None
    done: int
    error: str


class Busy(RuntimeError):
    """Another process runs this job now."""


def due(job: Job, last_started: datetime | None, now: datetime) -> bool:
    """Whether the schedule asks for a run at `now`."""
    if last_started is None:
        return True
    if job.hour is None:
        # The same draw for the same run: each look would otherwise draw anew, and the shortest pause always won.
        extra = job.jitter * random.Random(f"{job.name} {last_started}").random()
        return now - last_started >= job.every * (1 + extra)
    local = now.astimezone(KAZAKHSTAN)
    slot = local.replace(hour=job.hour, minute=0, second=0, microsecond=0)
    if local < slot:
        slot -= timedelta(days=1)
    return last_started < slot


def _lock_id(name: str) -> int:
    return zlib.crc32(name.encode()) | (0xADA1 << 32)


async def run_job(state: State, job: Job, now: datetime) -> int:
    """Run a job once, under its lock, and record the outcome. Errors: Busy, and whatever the job raised."""
    async with state.engine.connect() as guard:
        if not await guard.scalar(text("SELECT pg_try_advisory_lock(:id)"), {"id": _lock_id(job.name)}):
            raise Busy(job.name)
        try:
            await _record_start(guard, state.schema, job.name, now)
            begun = time.monotonic()
            try:
                done = await job.run(state, now)
            except Exception as exc:
                await _record_end(guard, state.schema, job.name, state.clock(), 0, type(exc).__name__)
                logs.failure("job-failed", exc, job=job.name)
                raise
            await _record_end(guard, state.schema, job.name, state.clock(), done, "")
            logs.info("job-done", job=job.name, count=done, seconds=round(time.monotonic() - begun, 3))
            return done
        finally:
            await guard.rollback()  # a run that was cut off leaves a transaction in which nothing works
            await guard.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": _lock_id(job.name)})
            await guard.commit()


async def _record_start(conn: AsyncConnection, schema: str, name: str, now: datetime) -> None:
    await conn.execute(
        text(
            f"INSERT INTO {schema}.job_runs (name, started, done, error) VALUES (:name, :now, 0, '') "  # noqa: S608
            "ON CONFLICT (name) DO UPDATE SET started = excluded.started, finished = NULL, done = 0, error = ''"
        ),
        {"name": name, "now": now},
    )
    await conn.commit()


async def _record_end(
    conn: AsyncConnection, schema: str, name: str, now: datetime, done: int, error: str
) -> None:
    await conn.execute(
        text(
            f"UPDATE {schema}.job_runs SET finished = :now, done = :done, error = :error "  # noqa: S608
            "WHERE name = :name"
        ),
        {"name": name, "now": now, "done": done, "error": error},
    )
    await conn.commit()


async def last_runs(state: State) -> dict[str, JobRun]:
    """The last run of every job of a service that ever ran."""
    async with state.engine.connect() as conn:
        rows = await conn.execute(
            text(f"SELECT name, started, finished, done, error FROM {state.schema}.job_runs ORDER BY name")  # noqa: S608
        )
        return {row.name: JobRun(row.name, row.started, row.finished, row.done, row.error) for row in rows}


@contextlib.asynccontextmanager
async def schedule(state: State, jobs: Sequence[Job]) -> AsyncIterator[None]:
    """Run the jobs on their schedule while the context lasts."""
    if not jobs:
        yield
        return
    task = asyncio.create_task(_loop(state, jobs))
    try:
        yield
    finally:
        # Once is not enough: an error while cleaning up takes the place of the cancellation.
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1)


async def _loop(state: State, jobs: Sequence[Job]) -> None:
    while True:
        # Jitter keeps the minute of a job from being a clock that outsiders can read.
        await asyncio.sleep(LOOK_EVERY * (0.5 + random.random()))
        try:
            runs = await last_runs(state)
            for job in jobs:
                last = runs.get(job.name)
                if due(job, last.started if last else None, state.clock()):
                    with contextlib.suppress(Busy):
                        await run_job(state, job, state.clock())
        except Exception as exc:
            logs.failure("job-schedule", exc)
