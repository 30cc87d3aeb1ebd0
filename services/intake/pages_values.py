"""What a person typed into a form, as the values that the API takes, and what is wrong with it, input by input."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.intake.form import Form, FormField, check_answers, check_fields, check_identity, load_form
from services.intake.schemas import PlainReport, ReportFile
from services.kit.i18n import N_
from services.kit.problems import FieldError

CHANNEL = "web-plain"
#: Inputs of the page that are not questions.
ANY = "_form"
FILES = "files"
TEXT = "text"

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_SPACES = re.compile(r"[\s\u00a0\u202f]")
_CHOOSE = N_("Choose one of these.")
_NAMELESS = N_("Write your name, or choose to report anonymously.")
_NAMED = N_(
    "You chose to report anonymously, but wrote something about yourself. Remove it, or choose otherwise."
)
_NO_TEXT = N_("Write something first.")
_TOO_LONG = N_("This text is too long.")
MESSAGE_LENGTH = 20_000

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,63}/[A-Za-z0-9!#$&^_.+-]{1,63}")
_FOLDERS = re.compile(r"[\\/]")


@dataclass(frozen=True)
class Read:
    """A form that was read: the parts of a report, and a message for each wrong input by its name."""

    fields: dict[str, Any] = field(repr=False)
    answers: dict[str, Any] = field(repr=False)
    identity: dict[str, str] | None = field(repr=False)
    mode: str
    errors: dict[str, str]

    def report(self, files: Sequence[ReportFile]) -> PlainReport:
        """The report, once nothing is wrong."""
        return PlainReport.model_validate(
            {
                "form": load_form().version,
                "mode": self.mode,
                "fields": self.fields,
                "answers": self.answers,
                "identity": self.identity,
                "attachments": list(files),
            }
        )


def asked(form: Form) -> list[FormField]:
    """The questions that a person answers on the page; the channel is known."""
    return [question for question in form.fields if question.code != "channel"]


def _value(question: FormField, text: str) -> Any:
    """The value of an answer; None when it was left empty. What cannot be read stays text, for the checks to name."""
    if not text.strip():
        return None
    if question.kind in ("year", "amount"):
        digits = _SPACES.sub("", text)
        return int(digits) if _WHOLE.fullmatch(digits) else text
    return text if question.kind == "longtext" else text.strip()


def _part(form: Form, part: Any, values: Mapping[str, str]) -> dict[str, Any]:
    found = {code: _value(question, values.get(code, "")) for code, question in form.of(part).items()}
    return {code: value for code, value in found.items() if value is not None}


def _by_input(errors: Sequence[FieldError]) -> dict[str, str]:
    """Messages by the name of the input; the first one counts."""
    found: dict[str, str] = {}
    for error in errors:
        found.setdefault(error.pointer.strip("/") or ANY, error.message)
    return found


def read_identity(values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What a person wrote about themselves, and what is wrong with it."""
    identity = _part(load_form(), "identity", values)
    return identity, _by_input(check_identity(identity))


def _identity(mode: str, identity: dict[str, str]) -> tuple[dict[str, str] | None, dict[str, str]]:
    """The identity that belongs to a way of reporting, and what is wrong."""
    # A preference alone names nobody: browsers keep the first item of a list.
    named = {code: value for code, value in identity.items() if code != "preferred_way"}
    if mode == "anonymous":
        return None, {"mode": _NAMED} if named else {}
    if "name" not in identity:
        return None, {"name": _NAMELESS}
    return identity, _by_input(check_identity(identity))


def read_report(values: Mapping[str, str], today: date) -> Read:
    """The report in the values of a form. Everything wrong is found at once, so that nobody sends it six times."""
    form = load_form()
    fields = {"year": None} | _part(form, "fields", values) | {"channel": CHANNEL}
    answers = _part(form, "answers", values)
    mode = values.get("mode", "")
    errors = _by_input(check_fields(fields, today)) | _by_input(check_answers(answers))
    if form.lists["modes"].find(mode) is None:
        return Read(fields, answers, None, "", errors | {"mode": _CHOOSE})
    identity, wrong = _identity(mode, _part(form, "identity", values))
    return Read(fields, answers, identity, mode, errors | wrong)


def read_message(values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The text of a message, and what is wrong with it."""
    text = values.get(TEXT, "")
    if not text.strip():
        return "", {TEXT: _NO_TEXT}
    return text, {TEXT: _TOO_LONG} if len(text) > MESSAGE_LENGTH else {}


def file_name(given: str) -> str:
    """The name of a file without the folders of the sender, which some browsers send."""
    return "".join(c for c in _FOLDERS.split(given)[-1] if c.isprintable()).strip()[-255:] or "file"


def media_type(given: str) -> str:
    """The media type that the browser guessed, when it is one."""
    found = given.partition(";")[0].strip()
    return found if _MEDIA_TYPE.fullmatch(found) else "application/octet-stream"
