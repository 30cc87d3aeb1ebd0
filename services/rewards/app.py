"""The rewards service: wiring only."""

from fastapi import FastAPI

from services.kit import feed_consumer
from services.kit.service import build_app
from services.rewards import routes, rules
from services.rewards.jobs import JOBS
from services.rewards.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """Calculator and claims. Holds payment facts, no report content."""
    app = build_app(
        "rewards",
        title="Adal rewards",
        description="What a report may earn, and why.",
        settings=settings or Settings(),
        routers=[routes.router],
        jobs=JOBS,
        startup=feed_consumer.start,
    )
    app.state.access = rules.ACCESS
    return app
