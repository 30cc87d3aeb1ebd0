"""Notes that a page carries for its reader, sealed under the service's key, for half an hour.

Without script there is no memory in the browser, and a session on the server would be a trace of a visit. So the code
that a person typed travels back in a hidden field of the pages of that visit, sealed. The other choice, to type 24
digits again for every step, leads to slips on a telephone and to codes kept by form fillers. What it costs: whoever
holds a page of a visit may act in it for half an hour, and who held such a page and later got the service's key
could read the code. Nothing is stored; a note dies with its time and with a replaced code, since each step looks the
code up anew.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta

from services.crypto import secretbox
from services.crypto.canonical import b64u, unb64u
from services.crypto.errors import CryptoError
from services.intake.context import Context
from services.kit.i18n import N_
from services.kit.problems import Problem

_MAX = 64 << 10


class VisitOver(Problem):
    """The note of the page is too old or not ours."""

    status, slug, title = 401, "visit-over", "The visit is over"
    detail = N_("This visit is over. Open the inbox again with your receipt.")


@dataclass(frozen=True)
class Shown:
    """What the page after filing shows, once: the code, and what proves that the report was taken."""

    receipt: str = field(repr=False)
    reference: str
    day: date
    leaf: str
    register_by: date | None = None

    def to_json(self) -> str:
        days = {"day": self.day.isoformat(), "register_by": self.register_by and self.register_by.isoformat()}
        return json.dumps({**asdict(self), **days})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Shown":
        found = json.loads(text)
        by = found.get("register_by")
        days = {"day": date.fromisoformat(found["day"]), "register_by": by and date.fromisoformat(by)}
        return cls(**{**found, **days})


def seal_note(
    context: Context, purpose: str, text: str, now: datetime, lasts: timedelta | None = None
) -> str:
    """A note for a hidden field; only the same purpose opens it. It lasts as long as a visit unless said otherwise."""
    expires = int((now + (lasts or timedelta(seconds=context.settings.inbox_seconds))).timestamp())
    box = secretbox.seal(context.pages.note_key, json.dumps([text, expires]).encode(), purpose.encode())
    return b64u(box)


def open_note(context: Context, purpose: str, note: str, now: datetime) -> str:
    """The text of a note. Errors: VisitOver."""
    try:
        box = unb64u(note[:_MAX])
        text, expires = json.loads(secretbox.open_box(context.pages.note_key, box, purpose.encode()))
    except CryptoError:
        raise VisitOver() from None
    if now.timestamp() >= expires:
        raise VisitOver()
    return str(text)
