"""The registry service: wiring only."""

from fastapi import FastAPI

from services.kit import feed_consumer
from services.kit.service import build_app
from services.registry import routes, rules
from services.registry.jobs import JOBS
from services.registry.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The public register of corrupt officials, with its rules of inclusion and exclusion."""
    app = build_app(
        "registry",
        title="Adal registry",
        description="Who is in the register, why, and until when.",
        settings=settings or Settings(),
        routers=[routes.router],
        jobs=JOBS,
        startup=feed_consumer.start,
    )
    app.state.access = rules.ACCESS
    return app
