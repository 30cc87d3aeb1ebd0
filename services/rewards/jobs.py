"""Scheduled work of rewards."""

from services.contracts.outcomes import KIND, RewardsOutcome
from services.kit.feed_consumer import Told, reading
from services.rewards.models import READER
from services.rewards.store import add_outcome

JOBS = (reading("rewards.read-feed", READER, Told(KIND, RewardsOutcome, add_outcome)),)
