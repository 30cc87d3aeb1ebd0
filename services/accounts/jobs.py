"""Scheduled work of accounts."""

from datetime import datetime, timedelta

from services.accounts import store
from services.kit.jobs import Job, State


async def forget_expired(state: State, now: datetime) -> int:
    """Drop ended sessions, enrolments nobody used and old counters; the number of rows."""
    async with state.engine.begin() as conn:
        return await store.forget_expired(conn, now, state.context.settings.throttle_window)


JOBS = (Job("accounts.forget-expired", forget_expired, every=timedelta(hours=1)),)
