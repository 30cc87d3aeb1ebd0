"""Bodies of the routes of identity requests. Documents are those of the sealing format, section 14."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from services.intake.custody_data import Grounds, UndertakingText
from services.intake.schemas import Fields
from services.kit.wire import B64u, Base64, Model

State = Literal["open", "approved", "refused", "expired", "released", "opened"]


class NewIdentityRequest(Model):
    """The signed request, and the files of its sealed reason in the order of their hashes."""

    request: dict[str, Any]
    reasons: list[Base64] = Field(min_length=1, max_length=32)


class NewDecision(Model):
    decision: dict[str, Any] = Field(description="signed by the seat and by its certified holder")


class NewRelease(Model):
    seat: int = Field(ge=1, le=255)
    release: Base64


class NewUndertaking(Model):
    undertaking: dict[str, Any] = Field(description="signed by the asker")


class EarlierRequest(Model):
    """A line on another request for the same report."""

    id: UUID
    ground: str
    day: date
    state: State


class RequestLine(Model):
    """A request: coded values only."""

    id: UUID
    request: B64u = Field(description="digest of the request, its name in every other document")
    state: State
    ground: str
    deferral: date | None
    day: date
    expires: datetime
    approvals: int
    refusals: int
    releases: int
    k: int = Field(description="approvals and releases needed")
    n: int = Field(description="seats that may decide")
    reference: str | None = Field(description="of the report; a custodian is not told")


class RequestPage(Model):
    items: list[RequestLine]
    next: str | None


class DecisionLine(Model):
    seat: int
    decision: dict[str, Any]


class RequestView(RequestLine):
    """Everything that a client needs to check a request by itself."""

    document: dict[str, Any]
    salt: B64u = Field(description="of the log record; with `day` and the request it gives the leaf")
    published: bool
    fields: Fields
    reasons: list[Base64]
    decisions: list[DecisionLine]
    earlier: list[EarlierRequest]


class SealedShareOf(Model):
    """The share of a seat, still sealed to it, and the manifest that commits to it."""

    seat: int
    data: Base64
    manifest: dict[str, Any]


class ReleaseLine(Model):
    seat: int
    data: Base64


class Opening(Model):
    """What the asker takes away; the report's inbox says so from `shown_from` on."""

    day: date
    shown_from: date
    releases: list[ReleaseLine]


class UndertakingLine(Model):
    """Who signed, when, for which report."""

    person: UUID
    day: date
    reference: str
    request: UUID
    text: str
    digest: B64u


class UndertakingPage(Model):
    items: list[UndertakingLine]
    next: str | None


class CustodyReference(Model):
    """The grounds there are, and the text to sign today."""

    grounds: Grounds
    undertaking: UndertakingText
    undertakings: list[UndertakingText] = Field(description="every version, oldest first")
    longest_deferral_days: int
