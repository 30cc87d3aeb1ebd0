"""The reporting form at the terminal: asked question by question, or filled from a file, and checked before sealing.

What is sealed the service cannot check, so the client does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.cli.failures import Wrong
from services.cli.language import _, label_of, language
from services.cli.screen import ask, ask_long, one_line, say

CHANNEL = "api"
"""How a report through this program came in."""
_NUMBERS = frozenset({"year", "amount"})


@dataclass(frozen=True)
class Form:
    """The form as the service describes it."""

    raw: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The version a report names."""
        return str(self.raw["version"])

    def fields(self, part: str) -> list[dict[str, Any]]:
        """Questions of a part: fields, answers, identity or mode."""
        return [field for field in self.raw["fields"] if field["part"] == part]

    def items(self, field: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What can be chosen."""
        return list(self.raw["lists"][field["list"]]["items"]) if field.get("list") else []

    def text_of(self, part: str, code: str, value: object) -> tuple[str, str]:
        """Question and answer as a person reads them; codes that the form does not know stand for themselves."""
        field = next((field for field in self.fields(part) if field["code"] == code), {"code": code})
        chosen = next((item for item in self.items(field) if item["code"] == value), None)
        return one_line(label_of(field)), label_of(chosen) if chosen else str(value)


@dataclass(frozen=True)
class Filled:
    """A filled form."""

    mode: str
    fields: dict[str, Any]
    answers: dict[str, Any]
    identity: dict[str, str] | None

    def __repr__(self) -> str:
        return "Filled(...)"


def fill(form: Form, known: Mapping[str, Any] | None = None) -> Filled:
    """Ask every question in the order of the form, but for clear fields that are `known`."""
    fields = {"channel": CHANNEL, **(known or {})}
    found: dict[str, dict[str, Any]] = {"fields": fields, "answers": {}, "identity": {}, "mode": {}}
    step = None
    for field in form.raw["fields"]:
        if (field["part"] == "fields" and field["code"] in fields) or (
            field["part"] == "identity" and _anonymous(found)
        ):
            continue
        if field["step"] != step:
            step = field["step"]
            heading: dict[str, Any] = next((one for one in form.raw["steps"] if one["code"] == step), {})
            say()
            say(label_of(heading), bold=True)
        answer = _ask_field(form, field)
        if answer is not None:
            found[field["part"]][field["code"]] = answer
    return _completed(found["mode"].get("mode", "anonymous"), found)


def from_json(form: Form, value: Any) -> Filled:
    """A form filled in a file: {mode, fields, answers, identity}. Error: Wrong, naming the places."""
    if not isinstance(value, dict) or not set(value) <= {"mode", "fields", "answers", "identity"}:
        raise Wrong(_("The file must hold mode, fields, answers and identity, as a JSON object."))
    parts = {name: value.get(name) or {} for name in ("fields", "answers", "identity")}
    if not all(isinstance(part, dict) for part in parts.values()):
        raise Wrong(_("The file must hold mode, fields, answers and identity, as a JSON object."))
    filled = _completed(
        str(value.get("mode", "anonymous")), {name: dict(part) for name, part in parts.items()}
    )
    wrong = [f"/{part}/{code}" for part, code in _mistakes(form, filled)]
    if wrong:
        raise Wrong(_("Missing, unknown or not usable: {places}", places=", ".join(wrong)))
    return filled


def _completed(mode: str, found: Mapping[str, dict[str, Any]]) -> Filled:
    fields = {"channel": CHANNEL, "language": language(), "year": None, **found["fields"]}
    return Filled(mode, fields, found["answers"], found["identity"] or None)


def _anonymous(found: Mapping[str, dict[str, Any]]) -> bool:
    return bool(found["mode"].get("mode") == "anonymous")


def _mistakes(form: Form, filled: Filled) -> list[tuple[str, str]]:
    given: dict[str, Mapping[str, Any]] = {"fields": filled.fields, "answers": filled.answers}
    if filled.mode != "anonymous":
        given["identity"] = filled.identity or {}
    elif filled.identity:
        return [("identity", "")]
    found = [] if filled.mode in _modes(form) else [("mode", "")]
    for part, values in given.items():
        known = {field["code"]: field for field in form.fields(part)}
        # An unknown name may be anything, so it is not repeated.
        found += [(part, "?") for code in values if code not in known]
        for code, field in known.items():
            value = values.get(code)
            if (value is None and field["required"]) or (
                value is not None and not _usable(form, field, value)
            ):
                found.append((part, code))
    return found


def _modes(form: Form) -> set[str]:
    return {item["code"] for field in form.fields("mode") for item in form.items(field)}


def _usable(form: Form, field: Mapping[str, Any], value: object) -> bool:
    if field["kind"] in _NUMBERS:
        low, high = field.get("minimum", 0), field.get("maximum", 2**53 - 1)
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if not isinstance(value, str) or (field["required"] and not value.strip()):
        return False
    items = form.items(field)
    if items:
        return any(item["code"] == value for item in items)
    return len(value) <= int(field.get("max_length", 100))


def _ask_field(form: Form, field: Mapping[str, Any]) -> Any:
    """One answer, or None when the question may stay open and does."""
    question = label_of(field)
    if not field["required"]:
        question += " " + _("(may stay empty)")
    while True:
        typed = _ask_once(form, field, question)
        if typed is None and not field["required"]:
            return None
        if typed is not None and _usable(form, field, typed):
            return typed
        say(_("This answer cannot be used. Try again."), error=True)


def _ask_once(form: Form, field: Mapping[str, Any], question: str) -> Any:
    items = form.items(field)
    if items:
        return _choose(items, question, field)
    typed = ask_long(question) if field["kind"] == "longtext" else ask(question)
    if field["kind"] in _NUMBERS and typed:
        return int(typed) if typed.isascii() and typed.isdigit() else ""
    return typed or None


def _choose(items: list[dict[str, Any]], question: str, field: Mapping[str, Any]) -> str | None:
    say(question)
    for number, item in enumerate(items, 1):
        say(f"  {number:3} {label_of(item)}")
    default = next((str(n) for n, item in enumerate(items, 1) if item["code"] == language()), "")
    typed = ask(_("Number"), default if field["code"] == "language" else "")
    if typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(items):
        return str(items[int(typed) - 1]["code"])
    return "" if typed else None
