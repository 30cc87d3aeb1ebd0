"""Bodies of the routes that move a case on."""

from pydantic import Field

from services.intake.dated import Word
from services.intake.schemas import Code, SealedMessage, StateLine, Stored
from services.intake.step_data import OutcomeKind
from services.intake.step_lines import Classification
from services.kit.wire import Base64, Model


class Notice(SealedMessage):
    """A sealed message to the reporter, stored with the step or not at all."""


class SealedOutcome(Model):
    """How a case ended: the kind in clear, everything else in an `outcome` part (sealing format, section 17)."""

    kind: Code
    n: int | None = Field(None, ge=0, description="place that the client sealed the part for")
    key: int | None = Field(None, ge=0)
    part: Base64


class SealedEvents(Model):
    """The outcome once more, sealed to each consumer's own key of the directory."""

    rewards: Base64 | None = None
    registry: Base64 | None = None


class NewStep(Model):
    """A step with what it needs; `GET /staff/case-steps` says what that is."""

    step: Code
    ground: Code | None = None
    body: Code | None = Field(None, description="code of the body that the case is forwarded to")
    classification: Classification | None = None
    notice: Notice | None = None
    outcome: SealedOutcome | None = None
    events: SealedEvents | None = None


class StepTaken(StateLine):
    """The state that a step led to; where its message or outcome was put."""

    step: str
    stored: Stored | None = None


class NewClassification(Model):
    classification: Classification


class BodyConcerned(Model):
    """The public body that a report is about, recorded by the desk; never shown to the reporter in clear."""

    body: Code | None


class StepRule(Model):
    """A line of the table of steps."""

    code: str
    from_states: list[str]
    to: str
    roles: list[str]
    needs: list[str]
    takes: list[str]
    source: str | None
    article: str
    status: str


class StepReference(Model):
    """The table of steps and every list of words that they use."""

    rules: list[StepRule]
    sources: dict[str, str]
    states: list[Word]
    steps: list[Word]
    grounds: list[Word]
    classifications: list[Word]
    outcomes: list[OutcomeKind]
    gravities: list[Word]
    bodies: list[Word]
