"""Scheduled work of registry."""

from services.contracts.outcomes import KIND, RegistryOutcome
from services.kit.feed_consumer import Told, reading
from services.registry.models import READER
from services.registry.store import add_outcome

JOBS = (reading("registry.read-feed", READER, Told(KIND, RegistryOutcome, add_outcome)),)
