"""Bodies of the intake API. Field names are those of `docs/sealing-format.md`."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from services.intake.clock_schemas import DeadlineLine, StaffDeadlineLine
from services.intake.dated import Labels
from services.intake.step_lines import (
    Classification,
    ClassificationLine,
    OpenedOutcome,
    OutcomeShown,
    StepLine,
)
from services.kit.wire import B64u, Base64, Model

FileT = TypeVar("FileT")
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Receipt = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


_MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]{1,63}/[A-Za-z0-9!#$&^_.+-]{1,63}$"


def _in_one_place(file: FileT, data: bytes | None, upload: UUID | None) -> FileT:
    if (data is None) == (upload is None):
        raise ValueError("data or upload, and not both")
    return file


class Fields(Model):
    """The clear fields: coded values that routing, deadlines and statistics need, and nothing a person typed."""

    amount_band: Code
    category: Code
    channel: Code
    language: Literal["kk", "ru", "en"]
    region: Code
    sector: Code
    urgency: Code
    year: int | None = Field(ge=1991, le=2100)


class ReportFile(Model):
    """An attachment of a plain report: its bytes, or the upload in the draft that has them."""

    name: str = Field(min_length=1, max_length=255)
    type: str = Field(pattern=_MEDIA_TYPE)
    data: Base64 | None = None
    upload: UUID | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        return _in_one_place(self, self.data, self.upload)


class PlainFile(ReportFile):
    """An attachment of a plain message: always its bytes."""

    data: Base64
    upload: None = None


class PlainReport(Model):
    """A report in plain mode: the service sees it once, in memory, and seals it at once."""

    form: str = Field(max_length=20)
    mode: Literal["anonymous", "confidential", "open"]
    fields: Fields
    answers: dict[Code, Any] = Field(max_length=60)
    identity: dict[Code, Annotated[str, StringConstraints(max_length=500)]] | None = Field(
        None, max_length=20
    )
    attachments: list[ReportFile] = Field([], max_length=20)


class PackagePart(Model):
    """A part: its age file, or, of an attachment, the upload in the draft that has it."""

    role: Literal["narrative", "identity", "attachment"]
    data: Base64 | None = None
    upload: UUID | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.role != "attachment" and self.data is None:
            raise ValueError("only attachments are uploaded")
        return _in_one_place(self, self.data, self.upload)


class PackageGrant(Model):
    desk: str = Field(max_length=64)
    data: Base64


class PackageShare(Model):
    seat: int = Field(ge=1, le=255)
    data: Base64


class SealedPackage(Model):
    """A report sealed by the reporter's own client (sealing format, section 7)."""

    manifest: dict[str, Any]
    signature: B64u
    lookup: B64u
    parts: list[PackagePart] = Field(min_length=2, max_length=22)
    grants: list[PackageGrant] = Field(min_length=1, max_length=8)
    shares: list[PackageShare] = Field(min_length=1, max_length=64)


class NewDraft(Model):
    mode: Literal["sealed", "plain"]


class OpenedDraft(Model):
    """A draft for uploads. `rid` and `report_recipient` in plain mode only."""

    draft: str = Field(
        description="secret, 32 bytes as b64u: the bearer token of all uploads and of the filing"
    )
    expires: datetime
    max_bytes: int = Field(description="largest upload")
    max_uploads: int
    rid: B64u | None = None
    report_recipient: str | None = None


class Filed(Model):
    """The answer to a filing; it leaves only when everything is on durable storage."""

    reference: str = Field(examples=["7K3F-9Q2M-XT"])
    rid: B64u
    day: date
    register_by: date | None = Field(
        None, description="last day to register it; none while the working days of that year are not known"
    )
    promise: dict[str, Any] = Field(description="signed promise of inclusion within 48 hours")
    record: dict[str, Any] = Field(description="the log record that the promise is about")
    salt: B64u


class FiledPlain(Filed):
    receipt: str = Field(description="24 digits; shown once, stored nowhere")
    manifest: dict[str, Any]


class Lookup(Model):
    lookup: B64u


class InboxToken(Model):
    token: str
    expires_in: int


class StateLine(Model):
    state: str
    day: date


class PartLine(Model):
    number: int
    role: str
    by: Literal["reporter", "desk", "staff"]
    n: int | None
    size: int
    sha256: B64u
    day: date


class Next(Model):
    """Where the next part of a chain goes."""

    n: int
    prev: B64u


class OpeningLine(Model):
    """Custodians opened who the reporter is: on which day, on what ground, as code and in three languages."""

    day: date
    ground: str
    labels: Labels


class Protection(Model):
    """Labour protection after reported retaliation. `asked`: the desk has not acted on the last report of it yet."""

    since: date
    until: date = Field(description="last day, by a setting; the law's text does not confirm the term")
    until_confirmed: Literal[False] = False
    status: Literal["asked", "in_hand", "ended"]


class InboxView(Model):
    reference: str
    rid: B64u
    state: str
    states: list[StateLine]
    outcome: OutcomeShown | None = Field(
        description="of a closed case: the kind in clear, the rest is sealed"
    )
    mode: Literal["sealed", "plain"]
    filed_on: date
    deadlines: list[DeadlineLine] = Field(
        description="time limits of the law, and the EU benchmark beside them"
    )
    code_replaced_on: date | None
    code_suspect_on: date | None = Field(
        None, description="day on which 1424 was told last that somebody else used the code"
    )
    code_suspect: bool = Field(
        False, description="that code is still in force: nothing more is sealed to it until it is replaced"
    )
    code_pending: bool
    manifest: dict[str, Any]
    signature: B64u
    leaf: B64u
    published: bool
    witnessed: bool = Field(description="a quorum of witnesses has signed a checkpoint that has the leaf")
    protection: Protection | None = Field(description="once retaliation was reported")
    parts: list[PartLine]
    next: Next
    openings: list[OpeningLine] = Field(description="shown at once, or from the end of an approved deferral")
    carried: Base64 | None = Field(
        description="the reporter's own note of the newest report key, sealed to this code"
    )
    notice: bool = Field(False, description="an address for notices was left, sealed to the notifier")


class SealedMessage(Model):
    """`n`, when given, is the place the client sealed the part for; another place is a conflict, not a gap.

    `key` likewise: 1 + n of the last report-keys part that the client saw, 0 for none.
    """

    n: int | None = Field(None, ge=0)
    key: int | None = Field(None, ge=0)
    part: Base64
    attachments: list[Base64] = Field([], max_length=20)


class SealedPartBody(Model):
    n: int | None = Field(None, ge=0)
    part: Base64


class NewCode(Model):
    n: int | None = Field(None, ge=0)
    part: Base64
    lookup: B64u
    carried: Base64 | None = Field(
        None, description="the newest report key, sealed to the new code, when the report has got a new one"
    )


class Stored(Model):
    """Where a part was put."""

    number: int
    n: int
    sha256: B64u


class ReceiptBody(Model):
    receipt: Receipt


class PlainMessage(Model):
    receipt: Receipt
    text: Text
    attachments: list[PlainFile] = Field([], max_length=20)


class PlainIdentity(Model):
    receipt: Receipt
    identity: dict[Code, Annotated[str, StringConstraints(max_length=500)]] = Field(
        min_length=1, max_length=20
    )


class PlainFileRequest(Model):
    receipt: Receipt
    number: int = Field(ge=0)


class OpenedFile(Model):
    number: int
    name: str
    type: str
    size: int


class OpenedMessage(Model):
    n: int
    by: Literal["desk", "staff"]
    day: date
    text: str
    attachments: list[OpenedFile]


class PlainInbox(InboxView):
    messages: list[OpenedMessage]
    outcomes: list[OpenedOutcome]
    refused: int = Field(
        description="messages that are not by the desk, or were moved or changed, and are not shown"
    )


class NewReceipt(Model):
    receipt: str


class CaseSummary(Model):
    id: UUID
    reference: str
    state: str
    filed_on: date
    mode: Literal["sealed", "plain"]
    lane: Literal["main", "quarantine"] = Field(
        description="quarantine: from a page without script, filed when there were more than its budget"
    )
    desk: str
    retaliation_on: date | None = Field(description="first day on which the reporter reported retaliation")
    classification: Classification | None
    fields: Fields
    assignees: list[UUID]
    labels: list[str]


class CaseLine(CaseSummary):
    parts: int


class CasePage(Model):
    items: list[CaseLine]
    next: str | None


class AssignmentLine(Model):
    person: UUID
    role: str
    by: UUID
    day: date
    ended: date | None


class GrantLine(Model):
    """A key of the report, sealed to the caller or the caller's desk."""

    key: int = Field(
        description="0: the key of the manifest, else 1 + n of the report-keys part that names it"
    )
    holder: str
    data: Base64


class HolderLine(Model):
    holder: str = Field(description="desk id, or person id")
    role: str


class Case(CaseSummary):
    rid: B64u
    manifest: dict[str, Any]
    signature: B64u
    parts: list[PartLine]
    grant: Base64 | None
    grant_holder: str | None
    grants: list[GrantLine] = Field(description="the caller's grants of all keys, by key")
    holders: list[HolderLine] = Field(description="who holds a key of this report at present")
    states: list[StepLine]
    classifications: list[ClassificationLine] = Field(description="oldest first; the last one is in force")
    body: str | None = Field(description="code of the body concerned, as the desk recorded it")
    outcome: OutcomeShown | None = Field(description="of a closed case")
    assignments: list[AssignmentLine]
    code_replaced_on: date | None
    code_suspect_on: date | None = Field(
        None, description="day on which 1424 was told last that somebody else used the code"
    )
    code_suspect: bool = Field(
        False, description="that code is still in force: nothing more is sealed to it until it is replaced"
    )
    protection: Protection | None
    deadlines: list[StaffDeadlineLine]
    next: Next
    directory: dict[str, Any]


class DirectoryAccepted(Model):
    sequence: int
