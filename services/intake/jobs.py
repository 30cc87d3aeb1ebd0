"""Scheduled work of intake."""

from datetime import datetime

from services.intake import log, store
from services.intake.models import idempotency_keys
from services.kit import idempotency
from services.kit.jobs import Job, State


async def publish_log(state: State, now: datetime) -> int:
    """Publish everything that waits for the log; the number of records."""
    context = state.context
    async with state.engine.begin() as conn:
        return await log.publish(conn, context.settings.log_origin, context.log_key, now)


async def forget_expired(state: State, now: datetime) -> int:
    """Drop spent challenges and stored answers whose time is over; the number dropped."""
    async with state.engine.begin() as conn:
        challenges = await store.forget_challenges(conn, now)
        return challenges + await idempotency.forget(conn, idempotency_keys, now)


JOBS = (
    Job("intake.publish-log", publish_log, hour=3),
    Job("intake.forget-expired", forget_expired, hour=4),
)
