"""The intake service: wiring only."""

from fastapi import FastAPI

from services.intake import (
    access_routes,
    call_routes,
    clock_routes,
    context,
    custody_routes,
    folder_routes,
    inbox_routes,
    keys_routes,
    notice_routes,
    pages,
    protection_routes,
    retention_routes,
    routes,
    rules,
    staff_routes,
    step_routes,
    triage_routes,
    upload_routes,
    witness_routes,
)
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
            witness_routes.router,
            inbox_routes.router,
            notice_routes.router,
            staff_routes.router,
            step_routes.router,
            clock_routes.router,
            access_routes.router,
            folder_routes.router,
            triage_routes.router,
            call_routes.router,
            keys_routes.public_router,
            keys_routes.router,
            protection_routes.public_router,
            protection_routes.router,
            retention_routes.router,
            custody_routes.router,
            *pages.routers(),
        ],
        jobs=JOBS,
        startup=context.start,
        max_body_size=MAX_BODY,
    )
    app.state.access = rules.ACCESS
    app.state.step_up = rules.STEP_UP
    return app
