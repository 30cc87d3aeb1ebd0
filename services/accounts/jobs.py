"""Scheduled work of accounts."""

from datetime import datetime, timedelta

from services.accounts import factor_store, sign_on_store, store
from services.kit.jobs import Job, State


async def forget_expired(state: State, now: datetime) -> int:
    """Drop ended sessions, enrolments and single sign-ons nobody used and old counters; the number of rows."""
    async with state.engine.begin() as conn:
        window = state.context.settings.throttle_window
        challenges = await factor_store.forget_challenges(conn, now)
        challenges += await sign_on_store.forget_logins(conn, now)
        return challenges + await store.forget_expired(conn, now, window)


JOBS = (Job("accounts.forget-expired", forget_expired, every=timedelta(hours=1)),)
