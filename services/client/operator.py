"""The seat of an operator: record a call, leave a note for the desk, look up where a report stands.

A report taken on the telephone is filed by `Reporter` with the operator's token; it is sealed on the operator's machine,
where nothing of it stays, and the operator has no key that opens it again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from services.client.deadlines import Deadline, deadlines_of
from services.client.directory import INTAKE
from services.client.errors import understood
from services.client.form_words import names_of
from services.client.http import part_of_path
from services.client.staff import StaffSession
from services.crypto import rules
from services.crypto.call_notes import (
    CALLBACK,
    NOTE,
    CallNote,
    OpenedCallNote,
    open_call_note,
    seal_call_note,
)
from services.crypto.canonical import b64, unb64
from services.crypto.errors import CryptoError, WrongKey

_STAFF = f"{INTAKE}/staff"
PHONE, LETTER, WALK_IN = "phone-1424", "letter", "walk-in"
#: Channels in which somebody besides the reporter saw or heard the first receipt code.
KNOWN_TO_OTHERS = frozenset({PHONE, LETTER, WALK_IN, "bot", "egov"})


def code_known_to_others(fields: dict[str, Any], code_replaced_on: date | None) -> bool:
    """Whether somebody besides the reporter may still hold the code in force, from a report's clear fields."""
    return fields.get("channel") in KNOWN_TO_OTHERS and code_replaced_on is None


@dataclass(frozen=True)
class NewNote:
    """Words for the desk. With a `number` (and a `wish`: when, which language) it asks to be called back."""

    text: str = field(repr=False)
    number: str | None = field(default=None, repr=False)
    wish: str | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        """The kind as the format names it."""
        return CALLBACK if self.number else NOTE


@dataclass(frozen=True)
class NewCall:
    """A call that has ended: codes of kind, language and wrap-up, whether the caller gave a name, a note."""

    kind: str
    language: str
    named: bool
    wrap_up: str
    region: str | None = None
    note: NewNote | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Counts:
    """Numbers of calls, in all and by code."""

    calls: int
    named: int
    kinds: dict[str, int]
    languages: dict[str, int]
    wrap_ups: dict[str, int]

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Counts":
        """Read the API's counts. Errors: KeyError, TypeError, ValueError."""
        by = ({str(k): int(v) for k, v in value[name].items()} for name in ("kinds", "languages", "wrap_ups"))
        return cls(int(value["calls"]), int(value["named"]), *by)


@dataclass(frozen=True)
class Figures:
    """Figures of a day; `operators` (person id -> counts) for a lead only."""

    day: date
    everybody: Counts
    own: Counts
    operators: dict[str, Counts] | None
    reports: int
    notes_open: int


@dataclass(frozen=True)
class Status:
    """Where a report stands: a state and days, with the time limits that its inbox shows."""

    reference: str
    state: str
    since: date
    filed_on: date
    register_by: date | None
    deadlines: tuple[Deadline, ...]
    code_replaced_on: date | None
    code_suspect_on: date | None


@dataclass(frozen=True)
class NoteLine:
    """A note as the desk sees it. `opened` is None if no key of the caller opens it or it does not hold (`refused`)."""

    id: str
    day: date
    call_kind: str
    language: str
    done_on: date | None
    opened: OpenedCallNote | None = field(repr=False)
    refused: bool


def register(session: StaffSession, call: NewCall) -> str:
    """Record a call, its note sealed to the first desk of the directory; the id. The note is signed if a certified key
    is unlocked."""
    id_ = str(uuid4())
    body: dict[str, Any] = {
        "id": id_, "kind": call.kind, "language": call.language, "named": call.named, "wrap_up": call.wrap_up,
        "region": call.region,
    }  # fmt: skip
    if call.note is not None:
        body["note"] = _sealed(session, id_, call.note)
    # The id makes a repeat harmless.
    session.call("POST", f"{_STAFF}/calls", body)
    return id_


def _sealed(session: StaffSession, call: str, note: NewNote) -> dict[str, str]:
    directory, today = session.key_directory(), session.today()
    desk = directory.desks[0].id
    certificate = session.me().certificate if session.is_unlocked else None
    key = session.unlocked.key.signing if certificate else None
    words = CallNote(call, note.kind, today, desk, note.text, note.number, note.wish)
    file = seal_call_note(words, directory.desk(desk, today).recipient, certificate, key)
    return {"kind": note.kind, "desk": desk, "data": b64(file)}


def call_reference(session: StaffSession, language: str) -> tuple[dict[str, str], dict[str, str]]:
    """Names of kinds of calls and of wrap-ups by code, in one of the three languages."""
    found = session.call("GET", f"{_STAFF}/calls/reference").json()
    with understood():
        return names_of(found["kinds"], language), names_of(found["wrap_ups"], language)


def figures(session: StaffSession, day: date | None = None) -> Figures:
    """Figures of a day, by default of today."""
    params = {} if day is None else {"day": day.isoformat()}
    found = session.call("GET", f"{_STAFF}/calls/figures", params=params).json()
    with understood():
        lines = found["operators"]
        return Figures(
            day=rules.day(found["day"]),
            everybody=Counts.from_json(found["everybody"]),
            own=Counts.from_json(found["own"]),
            operators=None
            if lines is None
            else {str(line["operator"]): Counts.from_json(line["counts"]) for line in lines},
            reports=int(found["reports"]),
            notes_open=int(found["notes_open"]),
        )


def status(session: StaffSession, reference: str) -> Status:
    """Where a report stands. Error: Problem `no-such-reference`."""
    found = session.call("POST", f"{_STAFF}/calls/status", {"reference": reference}).json()
    with understood():
        return Status(
            reference=str(found["reference"]),
            state=str(found["state"]),
            since=rules.day(found["since"]),
            filed_on=rules.day(found["filed_on"]),
            register_by=rules.day_or_none(found["register_by"]),
            deadlines=deadlines_of(found),
            code_replaced_on=rules.day_or_none(found["code_replaced_on"]),
            code_suspect_on=rules.day_or_none(found["code_suspect_on"]),
        )


def code_used(session: StaffSession, reference: str) -> date:
    """Say that somebody else used the code of this report; the day. Error: Problem `no-such-reference`."""
    found = session.call("POST", f"{_STAFF}/calls/code-used", {"reference": reference}).json()
    with understood():
        return rules.day(found["code_suspect_on"])


def notes(session: StaffSession, kind: str = CALLBACK, done: bool = False) -> Iterator[NoteLine]:
    """Call-backs (`callback`) or other notes (`note`) for the desk, oldest first, opened with the unlocked keys."""
    params = {"kind": kind, "state": "done" if done else "open"}
    for item in session.pages(f"{_STAFF}/callbacks", params):
        with understood():
            yield _note_line(session, item)


def finish(session: StaffSession, note: str) -> date:
    """Say that the desk has dealt with a note; the day."""
    found = session.call("POST", f"{_STAFF}/callbacks/{part_of_path(note)}/done", {}).json()
    with understood():
        return rules.day(found["done_on"])


def _note_line(session: StaffSession, item: dict[str, Any]) -> NoteLine:
    opened, refused = None, False
    try:
        opened = _opened(session, unb64(item["data"]), str(item["call"]), str(item["kind"]))
    except WrongKey:
        pass
    except CryptoError:
        refused = True
    return NoteLine(
        str(item["id"]), rules.day(item["day"]), str(item["call_kind"]), str(item["language"]),
        rules.day_or_none(item["done_on"]), opened, refused,
    )  # fmt: skip


def _opened(session: StaffSession, file: bytes, call: str, kind: str) -> OpenedCallNote:
    """The note with whichever group key opens it. Errors: WrongKey if none does, CryptoError."""
    known: Sequence[Any] = session.known_directories()
    for group in session.unlocked.groups:
        try:
            return open_call_note(file, group.identity, call, kind, known)
        except WrongKey:
            continue
    raise WrongKey("no key that opens this note")
