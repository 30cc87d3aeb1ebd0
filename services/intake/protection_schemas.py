"""Bodies of the routes of protection and of disclosure incidents."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.intake.schemas import Code
from services.kit.wire import Base64, Model


class NewProtectionStatus(Model):
    status: Literal["in_hand", "ended"]


class NewDisclosure(Model):
    """An incident: the article in clear, who and what sealed to leads (sealing format, section 15)."""

    article: Code
    facts: Base64


class NewDisclosureEnd(Model):
    result: Code = Field(description="a code of `results` in `/disclosure-articles`")


class DisclosureEnd(Model):
    """How an incident ended, on which day, and who said so: never who recorded it."""

    day: date
    by: UUID
    result: str


class DisclosureLine(Model):
    id: UUID
    day: date
    article: str
    status: Literal["recorded", "ended"]
    by: UUID
    facts: Base64 | None = Field(description="sealed; null for an auditor")
    end: DisclosureEnd | None = None


class Disclosures(Model):
    items: list[DisclosureLine]
