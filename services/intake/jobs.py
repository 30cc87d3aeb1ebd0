"""Scheduled work of intake."""

import asyncio
import itertools
from datetime import datetime, timedelta

import anyio.to_thread

from services.intake import clock_jobs, draft_store, events, log, retention_jobs, store
from services.intake.models import idempotency_keys
from services.kit import idempotency, logs
from services.kit.clock import day_of
from services.kit.jobs import Busy, Job, State, run_job

#: Longer than any request takes: a younger file may belong to a transaction that has not committed yet.
UNNEEDED_AFTER = timedelta(days=1)
BUSY_TRIES, BUSY_WAIT = 60, 0.5


async def publish_log(state: State, now: datetime) -> int:
    """Publish everything that waits for the log; the number of records."""
    context = state.context
    async with state.engine.begin() as conn:
        return await log.publish(conn, context.settings.log_origin, context.log_key, now)


async def publish_soon(state: State) -> None:
    """Publish the log now, as an extra padded batch: custodians wait for a request to stand in it.

    A failure is recorded and logged by the runner, and the daily run tries again.
    """
    for _ in range(BUSY_TRIES):
        try:
            await run_job(state, PUBLISH, state.clock())
        except Busy:  # a run that began before the request was stored may have missed it
            await asyncio.sleep(BUSY_WAIT)
        except Exception as exc:
            logs.failure("log-not-published", exc)
            return
        else:
            return


async def forget_expired(state: State, now: datetime) -> int:
    """Drop spent challenges and stored answers whose time is over; the number dropped."""
    async with state.engine.begin() as conn:
        challenges = await store.forget_challenges(conn, now)
        return challenges + await idempotency.forget(conn, idempotency_keys, now)


async def forget_drafts(state: State, now: datetime) -> int:
    """Delete drafts that were not filed in time, with their files; the number of drafts.

    Rows go first: a crash in between leaves files that nobody names, which `sweep_blobs` finds.
    """
    forgotten = 0
    while True:
        async with state.engine.begin() as conn:
            count, names = await draft_store.take_expired(conn, now)
        if not count:
            return forgotten
        await state.context.blobs.delete_all(names)
        forgotten += count


async def sweep_blobs(state: State, _now: datetime) -> int:
    """Delete the files that no part and no upload names; the number deleted.

    A crash between file and commit leaves such files, and so does a commit that failed: there the database alone
    knows whether the report is stored, so nothing may be deleted on the spot.
    """
    blobs = state.context.blobs
    deleted: int = await anyio.to_thread.run_sync(blobs.sweep, UNNEEDED_AFTER)
    old = iter(await anyio.to_thread.run_sync(lambda: list(blobs.names(UNNEEDED_AFTER))))
    while names := set(itertools.islice(old, 1000)):
        async with state.engine.begin() as conn:
            names -= await store.needed_blobs(conn, names)
        for name in names:
            deleted += await blobs.delete_async(name)
    return deleted


async def forget_events(state: State, now: datetime) -> int:
    """Drop events without content that nobody fetched in 30 days; the number dropped."""
    async with state.engine.begin() as conn:
        return await events.forget_unread(conn, day_of(now))


PUBLISH = Job("intake.publish-log", publish_log, hour=3)

JOBS = (
    PUBLISH,
    clock_jobs.RECOMPUTE,
    clock_jobs.REMIND,
    retention_jobs.ERASE,
    retention_jobs.FIND_DUE,
    Job("intake.forget-expired", forget_expired, hour=4),
    Job("intake.forget-drafts", forget_drafts, every=timedelta(hours=1)),
    Job("intake.sweep-blobs", sweep_blobs, hour=5),
    Job("intake.forget-events", forget_events, hour=4),
)
