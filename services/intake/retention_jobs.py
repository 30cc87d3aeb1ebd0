"""Scheduled work of retention: deletes files of deleted reports, and says that cases are due. It decides nothing."""

import uuid
from datetime import date, datetime, timedelta

from services.intake import events, retention_store
from services.intake.retention import RETENTION, due_for_deletion
from services.kit import logs
from services.kit.clock import day_of
from services.kit.jobs import Busy, Job, State, run_job

BATCH = 500
DUE = "retention-due"


async def erase(state: State, _now: datetime) -> int:
    """Delete the files of deleted reports; the number of files.

    Their names stay until the files are gone: a run that was cut off begins again.
    """
    done = 0
    while True:
        async with state.engine.begin() as conn:
            names = await retention_store.doomed(conn, BATCH)
        if not names:
            return done
        await state.context.blobs.delete_all(names)
        async with state.engine.begin() as conn:
            await retention_store.forget_doomed(conn, names)
        done += len(names)


async def erase_soon(state: State) -> None:
    """Delete the files now. A failure is recorded and logged by the runner, and the scheduled run tries again."""
    try:
        await run_job(state, ERASE, state.clock())
    except Busy:
        return
    except Exception as exc:
        logs.failure("files-not-erased", exc)


async def find_due(state: State, now: datetime) -> int:
    """Tell monitoring that cases wait for somebody to decide on their deletion; the number of cases."""
    today, found = day_of(now), 0
    after: tuple[date, uuid.UUID] | None = None
    while True:
        async with state.engine.begin() as conn:
            rows = await retention_store.ended_cases(conn, after, BATCH)
            facts = await retention_store.facts_of(conn, [row.id for row in rows], today, now)
        found += sum(not due_for_deletion(each).against(RETENTION, today) for each in facts.values())
        if len(rows) < BATCH:
            break
        after = rows[-1].filed_on, rows[-1].id
    if found:
        async with state.engine.begin() as conn:
            await events.tell(conn, DUE, today)
    return found


ERASE = Job("intake.erase", erase, every=timedelta(minutes=5))
FIND_DUE = Job("intake.retention", find_due, hour=6)
