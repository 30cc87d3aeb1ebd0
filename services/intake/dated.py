"""Reference data as dated files with sources: read once, fixed, and nothing in them that the reader does not know.

What a file says carries where it was seen (`source`) and how sure that is (`status`).
"""

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

REFERENCE = Path(__file__).parent / "reference"
#: A code of a list.
CODE = r"^[a-z0-9][a-z0-9._-]{0,63}$"

Status = Literal["confirmed", "recalled", "ours"]


class Frozen(BaseModel):
    """A value of the reference data: fixed once read, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Labels(Frozen):
    """One text in the three languages."""

    kk: str = Field(min_length=1)
    ru: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Word(Frozen):
    """A code with its text. `status` says what was seen of the fact that it names, `note` where or what was not."""

    code: str = Field(pattern=CODE)
    labels: Labels
    source: str | None
    status: Status
    note: str | None = None


M = TypeVar("M", bound=Frozen)


def contents(name: str) -> Any:
    """The JSON of the file `reference/NAME.json`; a name may lead into a folder."""
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


def load(model: type[M], name: str) -> M:
    """The file `reference/NAME.json` as a value. Errors: pydantic.ValidationError when it breaks its shape."""
    return model.model_validate(contents(name))
