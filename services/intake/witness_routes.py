"""Witnesses bring their cosignatures here: intake opens no connection outwards, so they come to the log."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field

from services.crypto import tlog
from services.crypto.errors import FormatError
from services.crypto.notes import VerifierKey, cosignature_lines, split_note
from services.intake import log
from services.intake.context import InContext
from services.intake.routes import NotPublished
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import FieldError, Invalid, responses
from services.kit.service import JsonRoute
from services.kit.wire import Model

router = APIRouter(prefix="/api/intake/v1/log", tags=["log"], route_class=JsonRoute)

#: Clocks differ; a cosignature from further in the future would pass for fresh for too long.
MOST_AHEAD = timedelta(minutes=10)

_NOT_OURS = N_("This is not the text of a checkpoint of this log.")
_NOBODY = N_("No witness of the key directory in force has signed this checkpoint.")


class CosignedNote(Model):
    """A checkpoint with cosignatures, as a C2SP signed note."""

    note: str = Field(min_length=1, max_length=16_384)


class Cosigned(Model):
    """Who has cosigned a checkpoint by now."""

    size: int
    witnesses: list[str] = Field(description="vkeys")


@router.post("/cosignatures", status_code=201, responses=responses(422))
async def add_cosignatures(
    request: Request, conn: Connection, context: InContext, body: CosignedNote
) -> Cosigned:
    """Store the lines of witnesses of the directory in force beside a checkpoint. A repeat changes nothing."""
    now = request.app.state.clock()
    witnesses = [VerifierKey.parse(vkey) for vkey in await context.directories.witnesses(conn, now)]
    try:
        text, _ = split_note(body.note)
        size = tlog.Checkpoint.parse(text).size
        lines = good_lines(body.note, witnesses, now)
    except FormatError:
        raise Invalid(_NOT_OURS, [FieldError("/note", _NOT_OURS)]) from None
    known = await log.note_of(conn, size)
    if known is None or split_note(known)[0] != text:
        raise Invalid(_NOT_OURS, [FieldError("/note", _NOT_OURS)])
    if not lines:
        raise Invalid(_NOBODY, [FieldError("/note", _NOBODY)])
    await log.add_cosignatures(conn, size, lines)
    return Cosigned(size=size, witnesses=await log.cosigned_by(conn, size))


def good_lines(note: str, witnesses: list[VerifierKey], now: datetime) -> dict[str, str]:
    """Lines by vkey of those witnesses that signed the note, and not in the future. Error: FormatError."""
    latest = (now + MOST_AHEAD).timestamp()
    found = cosignature_lines(note, witnesses)
    return {str(key): one.line for key, one in found.items() if one.time <= latest}


@router.get("/checkpoint/witnessed", response_class=PlainTextResponse, responses=responses(404))
async def read_witnessed_checkpoint(request: Request, conn: Connection, context: InContext) -> Response:
    """The newest checkpoint that a quorum of the witnesses in force has signed; it may be older than the newest."""
    witnesses = await context.directories.witnesses(conn, request.app.state.clock())
    found = await log.witnessed(conn, witnesses)
    if found is None:
        raise NotPublished()
    return PlainTextResponse(found.note, headers={"Cache-Control": "no-cache"})
