"""Bodies of the routes of a case's folder and of triage."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.intake.folder import MOST_AT_ONCE, MOST_LABELS, Action, Kind
from services.intake.form import Item
from services.intake.schemas import Code
from services.kit.wire import B64u, Base64, Model


class NewNote(Model):
    """A note: a signed `case-note` in an age file to the newest key of the report (sealing format, section 19)."""

    id: UUID = Field(description="made by the client; the signed note has it too")
    key: int = Field(ge=0, description="1 + n of the last report-keys part that the client saw, 0 for none")
    note: Base64


class NoteLine(Model):
    id: UUID
    author: UUID
    day: date
    note: Base64


class Notes(Model):
    items: list[NoteLine]


class CaseLabels(Model):
    """All labels of a case: codes of the list of labels."""

    labels: list[Code] = Field(max_length=MOST_LABELS)


class LabelReference(Model):
    items: list[Item]


class NewLink(Model):
    """`duplicate_of`: this case tells what the other one tells. It keeps its own inbox, state and clocks."""

    kind: Kind


class LinkLine(Model):
    """A link as seen from one case: `has_duplicate` is the other side of `duplicate_of`."""

    case: UUID
    reference: str
    kind: Literal["linked", "duplicate_of", "has_duplicate"]
    by: UUID
    day: date


class FolderView(Model):
    """Labels and links of a case, and which packages were made of it."""

    labels: list[str]
    links: list[LinkLine]
    packages: "list[PackageLine]"


class NewPackageMade(Model):
    """A package that the caller's client made of a case for another body. The server never sees it."""

    body: Code
    sha256: Annotated[B64u, Field(min_length=32, max_length=32)]
    size: int = Field(ge=1, le=1 << 50)


class PackageLine(Model):
    body: str
    sha256: B64u
    size: int
    by: UUID
    day: date


class LogRecord(Model):
    """The record of the filing in the log with its salt: whoever has both can recompute the leaf."""

    leaf: B64u
    salt: B64u
    record: dict[str, str | int]


class Triage(Model):
    """One action on at most 200 cases. Nothing of it deletes a report or answers one."""

    action: Action
    cases: list[UUID] = Field(min_length=1, max_length=MOST_AT_ONCE)
    label: Code | None = Field(None, description="for `label`: a code of the list of labels")
    of: UUID | None = Field(None, description="for `duplicate`: the case that the others duplicate")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.label is not None) != (self.action == "label"):
            raise ValueError("a label with the action label, and with no other")
        if (self.of is not None) != (self.action == "duplicate"):
            raise ValueError("a case with the action duplicate, and with no other")
        return self


class TriageLine(Model):
    """What became of one case; `reason` says in the reader's language why it was not done."""

    case: UUID
    done: bool
    reason: str | None = None


class TriageDone(Model):
    items: list[TriageLine]
