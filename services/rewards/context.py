"""What the rewards service holds in memory while it runs: where outcomes come from, and the key that opens them."""

from fastapi import FastAPI

from services.kit.feed_consumer import consumer_of


async def start(app: FastAPI) -> None:
    """Read the secrets of the feed, where one is set."""
    app.state.consumer = consumer_of(app.state.settings)
