"""Jobs run on their schedule, one at a time on the whole installation, and the last run can be seen."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.kit import jobs
from services.kit.clock import KAZAKHSTAN
from services.kit.jobs import Busy, Job, due, last_runs, run_job, schedule

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)  # 17:00 in Kazakhstan


async def nothing(_state: Any, _now: datetime) -> int:
    return 0


def daily(hour: int) -> Job:
    return Job("sample.daily", nothing, hour=hour)


# --- when


def test_a_job_that_never_ran_is_due() -> None:
    assert due(Job("sample.a", nothing), None, NOW)
    assert due(daily(3), None, NOW)


@pytest.mark.parametrize(("minutes", "is_due"), [(0, False), (59, False), (60, True), (600, True)])
def test_a_job_runs_every_so_often(minutes: int, is_due: bool) -> None:
    job = Job("sample.hourly", nothing, every=timedelta(hours=1))
    assert due(job, NOW - timedelta(minutes=minutes), NOW) is is_due


@pytest.mark.parametrize(
    ("last", "now", "is_due"),
    [
        ("2026-11-24T02:59+05:00", "2026-11-24T03:00+05:00", True),
        ("2026-11-24T03:00+05:00", "2026-11-24T03:01+05:00", False),
        ("2026-11-24T03:00+05:00", "2026-11-25T02:59+05:00", False),
        ("2026-11-24T03:00+05:00", "2026-11-25T03:00+05:00", True),
        ("2026-11-20T03:00+05:00", "2026-11-24T01:00+05:00", True),
        ("2026-11-23T22:30+00:00", "2026-11-24T21:59+00:00", False),
        ("2026-11-23T22:30+00:00", "2026-11-24T22:00+00:00", True),
    ],
)
def test_a_daily_job_runs_once_after_its_hour_in_kazakhstan(last: str, now: str, is_due: bool) -> None:
    assert due(daily(3), datetime.fromisoformat(last), datetime.fromisoformat(now)) is is_due


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 23), st.integers(0, 60 * 24 * 400))
def test_a_daily_job_is_due_once_in_any_24_hours(hour: int, minute: int) -> None:
    started = NOW + timedelta(minutes=minute)
    times = [started + timedelta(minutes=10 * i) for i in range(1, 145)]
    first = next((at for at in times if due(daily(hour), started, at)), None)
    assert first is not None
    assert first.astimezone(KAZAKHSTAN).hour == hour or first - started <= timedelta(minutes=10)
    assert not due(daily(hour), first, first + timedelta(minutes=1))


# --- running


async def test_the_run_is_recorded(state: SimpleNamespace) -> None:
    async def count(seen: Any, now: datetime) -> int:
        assert (seen, now) == (state, NOW)
        return 7

    assert await last_runs(state) == {}
    assert await run_job(state, Job("sample.count", count), NOW) == 7
    (run,) = (await last_runs(state)).values()
    assert (run.name, run.started, run.done, run.error) == ("sample.count", NOW, 7, "")
    assert run.finished is not None
    assert run.finished >= NOW


async def test_a_failure_is_raised_and_recorded_by_its_class_only(state: SimpleNamespace) -> None:
    async def fail(_state: Any, _now: datetime) -> int:
        raise LookupError("words of a reporter")

    job = Job("sample.fail", fail)
    with pytest.raises(LookupError):
        await run_job(state, job, NOW)
    run = (await last_runs(state))["sample.fail"]
    assert (run.error, run.done) == ("LookupError", 0)
    assert run.finished is not None
    async with state.engine.connect() as conn:
        rows = (await conn.execute(text("SELECT job_runs::text FROM sample.job_runs"))).scalars().all()
    assert "words" not in "".join(rows)

    assert await run_job(state, Job("sample.fail", nothing), NOW) == 0, "the lock is free again"
    assert (await last_runs(state))["sample.fail"].error == ""


async def test_while_it_runs_the_record_says_so_and_another_run_is_refused(state: SimpleNamespace) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_state: Any, _now: datetime) -> int:
        begun.set()
        await go_on.wait()
        return 1

    job = Job("sample.wait", wait)
    running = asyncio.create_task(run_job(state, job, NOW))
    await asyncio.wait_for(begun.wait(), 10)
    assert (await last_runs(state))["sample.wait"].finished is None
    with pytest.raises(Busy):
        await run_job(state, job, NOW)
    assert await run_job(state, Job("sample.other", nothing), NOW) == 0, "another job is not held up"
    go_on.set()
    assert await running == 1
    assert (await last_runs(state))["sample.wait"].done == 1
    assert await run_job(state, job, NOW) == 1


async def test_of_many_at_once_one_runs(state: SimpleNamespace) -> None:
    runs: list[int] = []

    async def slow(_state: Any, _now: datetime) -> int:
        runs.append(1)
        await asyncio.sleep(0.2)
        return 1

    job = Job("sample.slow", slow)
    results = await asyncio.gather(*(run_job(state, job, NOW) for _ in range(5)), return_exceptions=True)
    assert len(runs) == results.count(1) == 1
    assert sum(isinstance(result, Busy) for result in results) == 4


async def test_a_cancelled_run_gives_its_lock_back(state: SimpleNamespace) -> None:
    begun = asyncio.Event()

    async def for_ever(_state: Any, _now: datetime) -> int:
        begun.set()
        await asyncio.sleep(60)
        return 0

    job = Job("sample.long", for_ever)
    running = asyncio.create_task(run_job(state, job, NOW))
    await asyncio.wait_for(begun.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await run_job(state, Job("sample.long", nothing), NOW) == 0


# --- schedule


async def test_the_schedule_runs_what_is_due_and_ends_with_its_context(
    state: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LOOK_EVERY", 0.02)
    done: dict[str, int] = {"often": 0, "once": 0}
    enough = asyncio.Event()

    def counting(name: str) -> Any:
        async def count(_state: Any, _now: datetime) -> int:
            done[name] += 1
            if done["often"] >= 3 and done["once"]:
                enough.set()
            return 1

        return count

    listed = [
        Job("sample.often", counting("often"), every=timedelta(0)),
        Job("sample.once", counting("once"), every=timedelta(days=1)),
    ]
    async with schedule(state, listed):
        await asyncio.wait_for(enough.wait(), 20)
    at_the_end = dict(done)
    await asyncio.sleep(0.1)
    assert done == at_the_end
    assert done["once"] == 1


async def test_a_failing_job_does_not_stop_the_schedule(
    state: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LOOK_EVERY", 0.02)
    ran = asyncio.Event()

    async def fail(_state: Any, _now: datetime) -> int:
        raise ValueError

    async def note(_state: Any, _now: datetime) -> int:
        ran.set()
        return 0

    async with schedule(state, [Job("sample.fail", fail), Job("sample.note", note)]):
        await asyncio.wait_for(ran.wait(), 20)
    assert (await last_runs(state))["sample.fail"].error == "ValueError"


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.01, 0.02, 0.03])
async def test_the_schedule_ends_at_once_whatever_it_is_doing(
    state: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, moment: float
) -> None:
    """Cutting a query off once made the error of the cleaning up take the place of the cancellation."""
    monkeypatch.setattr(jobs, "LOOK_EVERY", 0.001)

    async def query(seen: Any, _now: datetime) -> int:
        async with seen.engine.begin() as conn:
            await conn.execute(text("SELECT pg_sleep(0.01)"))
        return 1

    async with asyncio.timeout(20):
        async with schedule(state, [Job(f"sample.{i}", query, every=timedelta(0)) for i in range(3)]):
            await asyncio.sleep(0.05 + moment)
    assert await run_job(state, Job("sample.0", nothing), NOW) == 0


async def test_a_database_that_is_away_does_not_stop_the_schedule(
    state: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LOOK_EVERY", 0.02)
    ran = asyncio.Event()

    async def note(_state: Any, _now: datetime) -> int:
        ran.set()
        return 0

    state.schema = "no_such_schema"
    async with schedule(state, [Job("sample.note", note)]):
        await asyncio.sleep(0.3)
        assert not ran.is_set()
        state.schema = "sample"
        await asyncio.wait_for(ran.wait(), 20)


async def test_without_jobs_nothing_is_scheduled(state: SimpleNamespace) -> None:
    before = len(asyncio.all_tasks())
    async with schedule(state, []):
        assert len(asyncio.all_tasks()) == before


# --- jitter


@given(st.integers(0, 10**6))
def test_a_pause_with_jitter_is_between_once_and_twice_as_long(second: int) -> None:
    job = Job("sample.jittered", nothing, every=timedelta(minutes=10), jitter=1.0)
    started = NOW + timedelta(seconds=second)
    assert not due(job, started, started + timedelta(minutes=10) - timedelta(seconds=1))
    assert due(job, started, started + timedelta(minutes=20))
    # The same at every look: a draw for each look would always end at the shortest pause.
    looks = [due(job, started, started + timedelta(minutes=10, seconds=10 * i)) for i in range(61)]
    assert looks == sorted(looks)


def test_pauses_with_jitter_differ() -> None:
    job = Job("sample.jittered", nothing, every=timedelta(minutes=10), jitter=1.0)
    starts = [NOW + timedelta(hours=i) for i in range(40)]
    early = [due(job, start, start + timedelta(minutes=15)) for start in starts]
    assert 5 < sum(early) < 35
