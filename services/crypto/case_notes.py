"""A note in the folder of a case: signed by the member of staff who wrote it, sealed to the key of the report.

Whoever holds that key reads it; the reporter does not, for it is sealed to no key of theirs and stands in no chain.
Byte layout: docs/sealing-format.md section 19.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.crypto import canonical, rules
from services.crypto.age import HybridIdentity, HybridRecipient, open_part_stream, seal
from services.crypto.attested import attest, writer_of
from services.crypto.canonical import b64u, members
from services.crypto.directories import Directory
from services.crypto.errors import Refused
from services.crypto.padding import frame, unframe
from services.crypto.signatures import Signed, SigningKey

TYPE = "case-note"
MAX_TEXT = 20_000


@dataclass(frozen=True)
class CaseNote:
    """Words on a report: the note's own id (UUID, lower case), the report, the day, the text."""

    id: str
    rid: bytes
    day: date
    text: str = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The body, without the certificate of the writer."""
        return {
            "day": self.day.isoformat(), "id": self.id, "rid": b64u(self.rid), "text": self.text, "v": 1,
        }  # fmt: skip


@dataclass(frozen=True)
class OpenedCaseNote:
    """A note whose signature holds; `person` is the UUID of the certified writer."""

    note: CaseNote
    person: str


def seal_case_note(note: CaseNote, certificate: Signed, key: SigningKey, recipient: HybridRecipient) -> bytes:
    """The age file for the holders of the report's key. Error: FormatError for an impossible value."""
    document = attest(TYPE, note.to_json(), certificate, key)
    _parse(document.body)
    return seal(frame(canonical.dumps(document.to_json())), [recipient])


def open_case_note(
    file: bytes,
    keys: Iterable[HybridIdentity],
    id: str,  # noqa: A002
    rid: bytes,
    directories: Sequence[Directory],
) -> OpenedCaseNote:
    """Open the note with this id of this report, if certified staff signed it.

    One of `keys` must open it: a report gets a new key whenever somebody's access ends. Errors: WrongKey, FormatError,
    Refused, BadSignature.
    """
    plaintext = b"".join(open_part_stream([file], *keys))
    document = Signed.from_json(canonical.loads(unframe(plaintext)))
    note = _parse(document.body)
    if (note.id, note.rid) != (id, rid):
        raise Refused("the note is another one, or of another report")
    return OpenedCaseNote(note, writer_of(TYPE, document, note.day, directories).person)


def _parse(body: Any) -> CaseNote:
    found = members(body, ("certificate", "day", "id", "rid", "text", "v"))
    rules.version(found["v"])
    return CaseNote(
        rules.uuid(found["id"]), rules.bytes32(found["rid"]), rules.day(found["day"]),
        rules.text(found["text"], MAX_TEXT),
    )  # fmt: skip
