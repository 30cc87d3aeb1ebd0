"""The reporting form and its reference lists: dated data with sources, and the checks that follow from it.

Pure functions over the files of `reference/`: nothing is stored, logged or repeated. A finding names the
place and a fixed sentence, never the value. Names of bodies, articles and regions change, so every item
carries where it was seen (`source`, `status`) and when it may be chosen.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from typing import Any, Literal

from pydantic import Field

from services.intake.dated import CODE, Frozen, Labels, Status, contents
from services.kit.i18n import N_
from services.kit.problems import FieldError

Kind = Literal["choice", "text", "longtext", "date", "year", "amount"]
Part = Literal["fields", "answers", "identity", "mode"]

_MAX_FINDINGS = 20
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

_REQUIRED = N_("This field is required.")
_UNKNOWN_FIELD = N_("This field is not known.")
_NOT_VALID = N_("This value is not valid.")
_UNKNOWN_CODE = N_("This code is not in the list.")
_OUT_OF_DATE = N_("This code is no longer, or not yet, in use. Choose another one.")
_NOT_TEXT = N_("This must be text.")
_TOO_LONG = N_("This text is too long.")
_ONE_LINE = N_("Write this on one line.")
_NOT_PRINTABLE = N_("This text has characters that cannot be stored.")
_NOT_A_NUMBER = N_("This must be a whole number.")
_OUT_OF_RANGE = N_("This number is out of range.")
_NOT_A_DAY = N_("This must be a day in the form YYYY-MM-DD.")
_IDENTITY_TOO_LONG = N_("Together these contact details are too long. Shorten them.")
_NO_SUCH_CONTACT = N_("Give the contact that you prefer, or choose another way.")


class Centre(Frozen):
    """The main city of a region."""

    labels: Labels
    status: Status


class Item(Frozen):
    """One choice. An empty `valid_from` or `valid_to` leaves that end open; both ends are included."""

    code: str = Field(pattern=CODE)
    labels: Labels
    help: Labels | None = None
    group: str | None = None
    articles: tuple[str, ...] = ()
    centre: Centre | None = None
    from_tenge: int | None = None
    to_tenge: int | None = None
    source: str | None
    status: Status
    valid_from: date | None
    valid_to: date | None
    note: str | None = None

    def in_use(self, on: date) -> bool:
        """Whether the item may be chosen on a day."""
        return (self.valid_from or on) <= on <= (self.valid_to or on)


class Heading(Frozen):
    """A group of items, or a step of the form."""

    code: str
    labels: Labels


class ChoiceList(Frozen):
    """A dated list of choices."""

    code: str
    as_of: date
    note: str
    groups: tuple[Heading, ...] = ()
    items: tuple[Item, ...]

    def find(self, code: str) -> Item | None:
        """The item of a code."""
        return next((item for item in self.items if item.code == code), None)


class FormField(Frozen):
    """One question. `max_length` counts characters; `minimum` and `maximum` bound numbers and years."""

    code: str
    part: Part
    step: str
    kind: Kind
    required: bool
    clear: bool
    labels: Labels
    help: Labels | None = None
    list: str | None = None
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None


class Form(Frozen):
    """The form of one version with all its lists."""

    version: str
    valid_from: date
    note: str
    identity_max_bytes: int
    steps: tuple[Heading, ...]
    fields: tuple[FormField, ...]
    lists: dict[str, ChoiceList]
    sources: dict[str, str]

    def of(self, part: Part) -> dict[str, FormField]:
        """The fields of a part by their code."""
        return {field.code: field for field in self.fields if field.part == part}

    def public(self) -> dict[str, Any]:
        """What `GET /api/intake/v1/form` answers: plain JSON values, empty ones left out."""
        return self.model_dump(mode="json", exclude_none=True)


@cache
def load_form() -> Form:
    """The form in force, read once. Errors: pydantic.ValidationError when a file breaks its shape."""
    raw = contents("form")
    names = sorted({field["list"] for field in raw["fields"] if "list" in field})
    lists = {name: contents(name) for name in names}
    return Form.model_validate({**raw, "lists": lists, "sources": contents("sources")})


def _choice(field: FormField, value: object, on: date | None) -> str | None:
    item = load_form().lists[field.list or ""].find(value) if isinstance(value, str) else None
    if item is None:
        return _UNKNOWN_CODE
    return _OUT_OF_DATE if on is not None and not item.in_use(on) else None


def _text(field: FormField, value: object, _on: date | None) -> str | None:
    if not isinstance(value, str):
        return _NOT_TEXT
    if len(value) > (field.max_length or 0):
        return _TOO_LONG
    # Cs: a lone surrogate has no UTF-8 form; Cc: control characters have no place in a text.
    odd = {char for char in value if unicodedata.category(char) in {"Cc", "Cs"}}
    if odd - set("\t\r\n"):
        return _NOT_PRINTABLE
    if odd and field.kind == "text":
        return _ONE_LINE
    return _REQUIRED if field.required and not value.strip() else None


def _number(field: FormField, value: object, on: date | None) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return _NOT_A_NUMBER
    top = field.maximum
    if field.kind == "year" and on is not None:
        top = on.year + 1  # what is being prepared may happen next year
    below = field.minimum is not None and value < field.minimum
    return _OUT_OF_RANGE if below or (top is not None and value > top) else None


def _day(field: FormField, value: object, _on: date | None) -> str | None:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return _NOT_A_DAY
    try:
        year = date.fromisoformat(value).year
    except ValueError:
        return _NOT_A_DAY
    return None if (field.minimum or 1) <= year <= (field.maximum or 9999) else _NOT_A_DAY


_CHECKS: dict[Kind, Callable[[FormField, object, date | None], str | None]] = {
    "choice": _choice,
    "text": _text,
    "longtext": _text,
    "year": _number,
    "amount": _number,
    "date": _day,
}


@cache
def _known(part: Part) -> dict[str, FormField]:
    return load_form().of(part)


def _check(part: Part, values: Mapping[str, object], on: date | None) -> list[FieldError]:
    """Findings of one part. Pointers are relative to it; an unknown key is never repeated."""
    known = _known(part)
    found = [FieldError("", _UNKNOWN_FIELD)] if any(key not in known for key in values) else []
    for code, field in known.items():
        value = values.get(code)
        message = _CHECKS[field.kind](field, value, on) if value is not None else None
        if value is None and field.required:
            message = _REQUIRED
        if message:
            found.append(FieldError(f"/{code}", message))
    return found[:_MAX_FINDINGS]


def check_fields(fields: Mapping[str, object], on: date) -> list[FieldError]:
    """What is wrong with the clear fields of a report filed on a day; empty when nothing is.

    Pointers are relative to the object: `/category`; empty for an unknown key. Codes must be in use that day.
    """
    return _check("fields", fields, on)


def check_answers(answers: Mapping[str, object]) -> list[FieldError]:
    """What is wrong with the answers of a plain report; empty when nothing is.

    A code counts however old it is: a report may be about a body that no longer exists.
    """
    return _check("answers", answers, None)


def check_identity(identity: Mapping[str, object]) -> list[FieldError]:
    """What is wrong with the contact details; empty when nothing is.

    Together they must fit the identity part, which has one fixed size for everybody.
    """
    found = _check("identity", identity, None)
    if found:
        return found
    size = len(json.dumps(dict(identity), ensure_ascii=False).encode())
    if size > load_form().identity_max_bytes:
        return [FieldError("", _IDENTITY_TOO_LONG)]
    needed = {"post": "postal_address", "other": "contact"}
    way = identity.get("preferred_way") or "inbox"
    if way != "inbox" and not str(identity.get(needed.get(str(way), str(way))) or "").strip():
        return [FieldError("/preferred_way", _NO_SUCH_CONTACT)]
    return []
