"""Keyset pages: an opaque cursor over a stable order, so that no row is skipped or repeated while rows are added."""

import base64
import binascii
import json
from datetime import date
from uuid import UUID

from services.kit.i18n import N_
from services.kit.problems import FieldError, Invalid

_BAD_CURSOR = N_("This page mark is not valid. Start again from the first page.")


def encode_cursor(day: date, row: UUID) -> str:
    """An opaque mark of the last row of a page."""
    return base64.urlsafe_b64encode(json.dumps([day.isoformat(), str(row)]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[date, UUID]:
    """The row a mark stands for. Errors: Invalid."""
    try:
        day, row = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        return date.fromisoformat(day), UUID(row)
    except (binascii.Error, ValueError, TypeError, AttributeError):
        raise Invalid(errors=[FieldError("/cursor", _BAD_CURSOR)]) from None
