"""Tables of intake's outbox. No row names a report: what an event is about stands sealed inside it, or nowhere."""

from services.intake.models import metadata
from services.kit.feed import feed_tables

FEED = feed_tables(metadata)
outbox, feed_consumers = FEED.outbox, FEED.consumers
