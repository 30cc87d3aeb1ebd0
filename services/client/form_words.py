"""Words of the service as a person reads them: of lists, and of the form, whose language need not be this program's."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


def texts_of(value: Mapping[str, Any]) -> dict[str, str]:
    """Texts by language, as the API gives them."""
    return {str(language): str(text) for language, text in value.items()}


def names_of(lines: Iterable[Mapping[str, Any]], language: str) -> dict[str, str]:
    """The lines of a list of the API as code -> text in one of the three languages. Error: KeyError."""
    return {str(line["code"]): str(line["labels"][language]) for line in lines}


@dataclass(frozen=True)
class FormWords:
    """The form as the service describes it (`GET /form`), read in one language."""

    raw: Mapping[str, Any] = field(repr=False)
    language: str

    def text_of(self, part: str, code: str, value: object) -> tuple[str, str]:
        """Question and answer; codes that the form does not know stand for themselves."""
        known = (one for one in self.raw["fields"] if one["part"] == part and one["code"] == code)
        asked: Mapping[str, Any] = next(known, {"code": code})
        return self._label(asked), self.item(str(asked.get("list")), value)

    def item(self, name: str, value: object) -> str:
        """The text of an item of a list; the value itself if the list has no such code."""
        items = self.raw["lists"].get(name, {}).get("items", ())
        found = next((item for item in items if item["code"] == value), None)
        return self._label(found) if found else str(value)

    def lines(self, part: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Question and answer of everything that was answered."""
        return (self.text_of(part, code, value) for code, value in values.items() if value is not None)

    def _label(self, thing: Mapping[str, Any]) -> str:
        return str(thing.get("labels", {}).get(self.language) or thing["code"])
