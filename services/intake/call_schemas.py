"""Bodies of the routes of calls. What a caller said travels sealed; in clear are codes, days and numbers."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from services.intake.clock_schemas import DeadlineLine
from services.intake.dated import Labels
from services.intake.form import Item
from services.intake.schemas import Code
from services.kit.wire import Base64, Model

Kind = Literal["report", "business-pressure", "consultation", "complaint", "feedback"]
CallerLanguage = Literal["kk", "ru", "en", "other"]
NoteKind = Literal["callback", "note"]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class KindLine(Model):
    code: str
    labels: Labels


class CallReference(Model):
    """What an operator's client offers: kinds of calls and ways in which a call ends."""

    kinds: list[KindLine]
    wrap_ups: list[Item]


class NewNote(Model):
    """Words for the desk, sealed by the operator's client (sealing format, section 21)."""

    kind: NoteKind
    desk: str = Field(max_length=64)
    data: Base64


class NewCall(Model):
    """A call that has ended. `id` is made by the client, so that a repeat adds nothing; no report is named."""

    id: UUID
    kind: Kind
    language: CallerLanguage
    named: bool
    wrap_up: Code
    region: Code | None = None
    note: NewNote | None = None

    @model_validator(mode="after")
    def _random(self) -> Self:
        if self.id.version != 4:
            raise ValueError("not a random id")
        return self


class CallLine(Model):
    id: UUID
    day: date
    kind: Kind
    note: UUID | None = Field(description="id of the sealed note, which only the desk opens")


class CallCounts(Model):
    """Numbers of calls, in all and by code."""

    calls: int
    named: int
    kinds: dict[str, int]
    languages: dict[str, int]
    wrap_ups: dict[str, int]


class OperatorCounts(Model):
    operator: UUID
    counts: CallCounts


class CallFigures(Model):
    """Figures of a day."""

    day: date
    everybody: CallCounts
    own: CallCounts
    operators: list[OperatorCounts] | None = Field(description="for a lead only")
    reports: int = Field(description="reports that came by telephone that day")
    notes_open: int = Field(description="call-backs and notes that the desk has not dealt with")


class ByReference(Model):
    """A report as its reporter names it; in the body, so that it stands in no address."""

    reference: Reference


class Status(Model):
    """Where a report stands: a state and days, never content."""

    reference: str
    state: str
    since: date
    filed_on: date
    register_by: date | None
    deadlines: list[DeadlineLine] = Field(description="as the inbox shows them")
    code_replaced_on: date | None
    code_suspect_on: date | None


class CodeFlag(Model):
    """Since when nothing more is sealed to the code that somebody else used."""

    code_suspect_on: date


class NoteLine(Model):
    id: UUID
    call: UUID
    day: date
    kind: NoteKind
    call_kind: Kind
    language: CallerLanguage
    region: str | None
    desk: str
    data: Base64
    done_on: date | None
    done_by: UUID | None


class NotePage(Model):
    items: list[NoteLine]
    next: str | None


class NoteDone(Model):
    id: UUID
    done_on: date
