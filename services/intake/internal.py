"""The internal port of intake: an app of its own with nothing but the pulled feed, in a process of its own.

    uvicorn --factory services.intake.internal:create_internal_app

It shares no address with anything the gateway routes, and holds no secret but the login of the database. Who may call
is a list in the settings, a caller for each consumer, and each sees only what was written for it.
"""

import hmac
import json
from hashlib import sha256
from typing import Annotated, Self

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from pydantic import Field, model_validator

from services.contracts.feed import MOST_EVENTS
from services.crypto.canonical import MAX_INTEGER
from services.intake.events import CONSUMERS
from services.intake.outbox_models import FEED
from services.kit import feed
from services.kit.db import Connection
from services.kit.problems import Unauthorised, responses
from services.kit.service import JsonRoute, build_app
from services.kit.settings import ServiceSettings, bytes32, service_config

LINES = "application/x-ndjson"
router = APIRouter(prefix="/internal", tags=["feed"], route_class=JsonRoute)


class InternalSettings(ServiceSettings):
    """The part of intake's settings that the internal port needs."""

    model_config = service_config("ADAL_INTAKE_")

    feed_callers: dict[str, str] = Field(
        {}, description="consumer (`services.intake.events`) -> SHA-256 of its token, b64u or hexadecimal"
    )

    @model_validator(mode="after")
    def _known_callers(self) -> Self:
        hashes = [bytes32(found) for found in self.feed_callers.values()]
        if not self.feed_callers.keys() <= CONSUMERS or len(set(hashes)) != len(hashes):
            raise ValueError("feed_callers names an unknown consumer, or gives two of them one token")
        return self


def consumer_of(token: str, callers: dict[str, str]) -> str | None:
    """The consumer whose token this is; every hash is compared, so that time tells nothing."""
    digest = sha256(token.encode()).digest()
    matches = [name for name, known in callers.items() if hmac.compare_digest(bytes32(known), digest)]
    return matches[0] if matches else None


async def _caller(request: Request, authorization: Annotated[str | None, Header()] = None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    settings: InternalSettings = request.app.state.settings
    found = consumer_of(token, settings.feed_callers)
    if scheme.lower() != "bearer" or found is None:
        raise Unauthorised()
    return found


@router.get("/events", responses=responses(401))
async def read_events(
    consumer: Annotated[str, Depends(_caller)],
    conn: Connection,
    accept: Annotated[str, Header()] = "",
    after: Annotated[int, Query(ge=0, le=MAX_INTEGER)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 100,
) -> Response:
    """The caller's events after a position, in order; asking after N acknowledges everything up to N.

    With `Accept: application/x-ndjson` the answer has one event a line, as monitoring systems read it.
    """
    page = await feed.read_page(conn, FEED, consumer, after, limit)
    if LINES in accept:
        lines = [json.dumps(event.to_json(), separators=(",", ":")) + "\n" for event in page.events]
        return Response("".join(lines), media_type=LINES)
    return Response(json.dumps(page.to_json(), separators=(",", ":")), media_type="application/json")


def create_internal_app(settings: InternalSettings | None = None) -> FastAPI:
    """Routes under `/internal`, and health. No job runs here, no document of the API is served."""
    return build_app(
        "intake",
        title="Adal intake, internal port",
        description="Events for other services.",
        settings=settings or InternalSettings(),
        routers=[router],
        documented=False,
    )
