"""Public routes of rewards."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import NotFound, responses
from services.kit.service import JsonRoute
from services.kit.wire import Model
from services.rewards import rules, store

router = APIRouter(prefix="/api/rewards/v1", tags=["mci"], route_class=JsonRoute)


class MciValue(Model):
    """The monthly calculation index (АЕК / МРП), in whole tenge."""

    valid_from: date
    scope: Literal["general", "social"]
    tenge: int
    source: str
    status: Literal["confirmed", "not-confirmed"]


class MciTable(Model):
    items: list[MciValue]


class NoMci(NotFound):
    """No index is known for the day asked for."""

    slug, title = "no-mci", "No index for this day"
    detail = N_("No monthly calculation index is known for this day, so nothing can be computed for it.")


def _value(found: rules.Mci) -> MciValue:
    return MciValue.model_validate(vars(found))


@router.get("/mci")
async def list_mci(conn: Connection) -> MciTable:
    """All known values, each with its source."""
    return MciTable(items=[_value(found) for found in await store.all_mci(conn)])


@router.get("/mci/{day}", responses=responses(404))
async def read_mci(
    day: date, conn: Connection, scope: Annotated[Literal["general", "social"], Query()] = "general"
) -> MciValue:
    """The value in force on a day. A year without a law is an error, never a guess."""
    try:
        return _value(rules.mci_on(await store.all_mci(conn), day, scope))
    except rules.NoMciError:
        raise NoMci() from None
