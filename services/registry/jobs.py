"""Scheduled work of registry."""

from datetime import datetime, timedelta

from services.contracts.outcomes import KIND, RegistryOutcome
from services.kit import feed_consumer
from services.kit.feed_consumer import Told
from services.kit.jobs import Job, State
from services.registry import outcome_store
from services.registry.models import READER

OUTCOMES = Told(KIND, RegistryOutcome, outcome_store.add)


async def read_feed(state: State, now: datetime) -> int:
    """Fetch what intake tells; the number of events handled, 0 where no feed is set."""
    if state.consumer is None:
        return 0
    return await feed_consumer.read(state.engine, READER, state.consumer, OUTCOMES, now)


JOBS = (Job("registry.read-feed", read_feed, every=timedelta(minutes=15), jitter=1.0),)
