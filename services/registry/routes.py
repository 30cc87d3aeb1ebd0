"""Public routes of the registry."""

from datetime import date
from typing import Literal

from fastapi import APIRouter, Request

from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.service import JsonRoute
from services.kit.wire import Model
from services.registry import rules, store

router = APIRouter(prefix="/api/registry/v1", tags=["register"], route_class=JsonRoute)


class PublicationState(Model):
    """Whether the register is public today, since when, and on what ground."""

    state: Literal["off", "on"]
    valid_from: date
    ground: str
    status: Literal["confirmed", "not-confirmed"]


@router.get("/publication")
async def read_publication(request: Request, conn: Connection) -> PublicationState:
    """Whether entries are public. Off until a law says so; the legal ground stands beside it."""
    found = rules.publication_on(await store.publications(conn), day_of(request.app.state.clock()))
    return PublicationState.model_validate(vars(found))
