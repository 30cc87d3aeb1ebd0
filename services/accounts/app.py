"""The accounts service: wiring only."""

from fastapi import FastAPI

from services.accounts import (
    admin_routes,
    client_routes,
    context,
    keys_routes,
    me_routes,
    routes,
    rules,
    sign_on_routes,
    staff_routes,
)
from services.accounts.jobs import JOBS
from services.accounts.settings import Settings
from services.kit.service import build_app

#: The largest body is a wrapped key or a certificate of a few kilobytes.
MAX_BODY = 64 << 10


def create_app(settings: Settings | None = None) -> FastAPI:
    """Staff accounts, sign-in and keys. It signs the tokens that the others verify by themselves."""
    app = build_app(
        "accounts",
        title="Adal accounts",
        description="Who works here, in which roles, and with which keys.",
        settings=settings or Settings(),
        routers=[
            routes.router,
            me_routes.router,
            staff_routes.router,
            keys_routes.router,
            admin_routes.router,
            client_routes.router,
            sign_on_routes.router,
        ],
        jobs=JOBS,
        startup=context.start,
        max_body_size=MAX_BODY,
    )
    app.state.access, app.state.step_up = rules.ACCESS, rules.STEP_UP
    return app
