"""What a caller to 1424 left for the desk beside a report: a number to call back, a question, words on the service.

Sealed by the operator's own client to the desk's key of the month, and bound to one record of a call. An operator with
a certificate signs it; without a signature a note proves nothing of who wrote it, and readers say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.crypto import canonical, rules
from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.attested import attest, writer_of
from services.crypto.canonical import members
from services.crypto.directories import Directory
from services.crypto.errors import FormatError, Refused
from services.crypto.padding import frame, unframe
from services.crypto.signatures import Signed, SigningKey

TYPE = "call-note"
CALLBACK, NOTE = "callback", "note"
KINDS = frozenset({CALLBACK, NOTE})
MAX_TEXT, MAX_NUMBER, MAX_WISH = 20_000, 100, 500
_MEMBERS = ("call", "day", "desk", "kind", "number", "text", "v", "wish")


@dataclass(frozen=True)
class CallNote:
    """A note on the call with this id (UUID, lower case) for a desk; kind `callback` or `note`.

    `number` is where to call back and only a call-back has one; `wish` says when and in which language.
    """

    call: str
    kind: str
    day: date
    desk: str
    text: str = field(repr=False)
    number: str | None = field(default=None, repr=False)
    wish: str | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The body, without the certificate of an operator who signs it."""
        return {
            "call": self.call, "day": self.day.isoformat(), "desk": self.desk, "kind": self.kind,
            "number": self.number, "text": self.text, "v": 1, "wish": self.wish,
        }  # fmt: skip


@dataclass(frozen=True)
class OpenedCallNote:
    """A note that was opened; `person` is the UUID of the certified operator who signed it, None if nobody did."""

    note: CallNote
    person: str | None


def seal_call_note(
    note: CallNote,
    recipient: HybridRecipient,
    certificate: Signed | None = None,
    key: SigningKey | None = None,
) -> bytes:
    """The age file for a desk's key. Errors: FormatError for an impossible value or a certificate without its key."""
    if (certificate is None) != (key is None):
        raise FormatError("a certificate and its key, or neither")
    body = note.to_json()
    document = attest(TYPE, body, certificate, key) if certificate and key else Signed(body, ())
    _parse(document.body)
    return seal(frame(canonical.dumps(document.to_json())), [recipient])


def open_call_note(
    file: bytes, identity: HybridIdentity, call: str, kind: str, directories: Sequence[Directory]
) -> OpenedCallNote:
    """Open the note of this call and kind, and check its signature if it claims one.

    `directories` are checked ones, any of which may vouch. Errors: WrongKey, FormatError, Refused, BadSignature.
    """
    document = Signed.from_json(canonical.loads(unframe(open_part(file, identity))))
    note = _parse(document.body)
    if (note.call, note.kind) != (call, kind):
        raise Refused("the note is of another call")
    if "certificate" not in document.body:
        if document.signatures:
            raise Refused("a signature of nobody")
        return OpenedCallNote(note, None)
    return OpenedCallNote(note, writer_of(TYPE, document, note.day, directories).person)


def _parse(body: Any) -> CallNote:
    found = members(body, _MEMBERS, ("certificate",))
    rules.version(found["v"])
    if found["kind"] not in KINDS:
        raise FormatError("unknown word")
    number, wish = _optional(found["number"], MAX_NUMBER), _optional(found["wish"], MAX_WISH)
    if (number is None) == (found["kind"] == CALLBACK):
        raise FormatError("a number belongs to a call-back, and to nothing else")
    return CallNote(
        rules.uuid(found["call"]), found["kind"], rules.day(found["day"]), rules.code(found["desk"]),
        rules.text(found["text"], MAX_TEXT), number, wish,
    )  # fmt: skip


def _optional(value: Any, limit: int) -> str | None:
    return None if value is None else rules.text(value, limit)
