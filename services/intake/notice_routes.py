"""The address for notices: a reporter leaves it sealed to the notifier, and takes it back."""

from fastapi import APIRouter, Request, Response

from services.crypto import age
from services.crypto.directories import NOTIFIER
from services.crypto.errors import CryptoError
from services.intake import notice_store, store
from services.intake.context import InContext
from services.intake.inbox_routes import Visiting
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, Invalid, NotFound, responses
from services.kit.service import JsonRoute
from services.kit.wire import Base64, Model

router = APIRouter(prefix="/api/intake/v1/inbox/notice", tags=["inbox"], route_class=JsonRoute)

#: Bytes of every sealed address (sealing format, section 22): its length must not tell one from another.
SIZE = 2683
_SEALED = N_("This is not an address sealed to the notifier. Nothing was stored.")
_NOBODY = N_("Nobody sends notices here: the key directory names no notifier.")


class SealedAddress(Model):
    address: Base64


@router.put("", status_code=204, response_class=Response, responses=responses(401, 409, 422, 503))
async def leave_notice_address(
    request: Request, conn: Connection, context: InContext, visit: Visiting, body: SealedAddress
) -> Response:
    """Leave an address to be told that there is something new: no word of what, and no name of the report."""
    in_force = await context.directories.current(conn, request.app.state.clock())
    if not any(service.id == NOTIFIER for service in in_force.directory.services):
        raise Conflict(_NOBODY)
    try:
        age.check_part(body.address)
    except CryptoError:
        raise Invalid.at("/address", _SEALED) from None
    if len(body.address) != SIZE:
        raise Invalid.at("/address", _SEALED)
    await store.lock_report(conn, visit.report.id)
    await notice_store.set_address(conn, visit.report.id, body.address)
    return Response(status_code=204)


@router.delete("", status_code=204, response_class=Response, responses=responses(401, 404, 409))
async def drop_notice_address(conn: Connection, visit: Visiting) -> Response:
    """Take the address back; notices that wait are forgotten with it."""
    await store.lock_report(conn, visit.report.id)
    if not await notice_store.drop_address(conn, visit.report.id):
        raise NotFound()
    return Response(status_code=204)
