"""Bodies of the routes that hand a case on and end an access. Field names are those of `docs/sealing-format.md`."""

from datetime import date
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.intake.schemas import Code
from services.kit.wire import Base64, Model


class KeyGrant(Model):
    """A key of the report, sealed to a certified person."""

    key: int = Field(ge=0, le=1 << 30)
    data: Base64


class NewReader(Model):
    """The key of the report in `grant`, or, when there are several, all of them in `grants`."""

    grant: Base64 | None = None
    grants: list[KeyGrant] = Field([], max_length=1000)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.grant is None) == (not self.grants):
            raise ValueError("grant or grants, and not both")
        return self


class NewLead(NewReader):
    """A lead who gets the case in the same step."""

    person: UUID


class NewAssignee(NewReader):
    role: Literal["investigator", "lead"]
    lead: NewLead | None = None


class HolderGrant(Model):
    """The new key of the report, sealed to somebody who stays."""

    holder: Code = Field(description="desk id, or person id")
    role: Literal["desk", "lead", "investigator"]
    data: Base64


class EndOfAccess(Model):
    """A `report-keys` part for place `n` of the desk's chain, and the new key for everybody who stays.

    `also` are further people whose access ends in the same step: two who have no certificate any more cannot go one
    after the other, since each would be owed the other's new key.
    """

    also: list[UUID] = Field([], max_length=100)
    n: int = Field(ge=0)
    reporter_n: int = Field(ge=0, description="place of the reporter's next part, as the client saw it")
    part: Base64
    grants: list[HolderGrant] = Field(min_length=1, max_length=1000)


class Assigned(Model):
    person: UUID
    day: date
