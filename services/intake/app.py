"""The intake service: wiring only."""

from fastapi import FastAPI

from services.intake import context, inbox_routes, pages, routes, rules, staff_routes, upload_routes
from services.intake.jobs import JOBS
from services.intake.settings import Settings
from services.kit.service import build_app

#: 16 MiB of attachments as base64, padded by at most an eighth, and room for the rest.
MAX_BODY = (16 << 20) * 9 // 8 * 4 // 3 + (1 << 20)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The whistleblower channel. It never opens a connection to another service."""
    app = build_app(
        "intake",
        title="Adal intake",
        description="Report corruption, sealed; read answers; follow the public log.",
        settings=settings or Settings(),
        routers=[
            routes.router,
            upload_routes.drafts_router,
            upload_routes.router,
            inbox_routes.router,
            staff_routes.router,
            *pages.routers(),
        ],
        jobs=JOBS,
        startup=context.start,
        max_body_size=MAX_BODY,
    )
    app.state.access = rules.ACCESS
    return app
