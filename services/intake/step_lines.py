"""What a case and an inbox show of steps taken and of an outcome."""

import datetime as dt
from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.intake.dated import Labels
from services.intake.step_data import outcome_kind
from services.kit.wire import B64u, Model

Classification = Literal["criminal", "non_criminal"]


class StepLine(Model):
    """A line of the history, for staff. Lines of the filing have no step and no person."""

    state: str
    day: date
    step: str | None
    person: UUID | None
    ground: str | None
    body: str | None = Field(description="code of the body that the case was forwarded to")
    outcome: str | None


class ClassificationLine(Model):
    """Who found a case criminal or not, in which role, when; the last one is in force."""

    classification: Classification
    person: UUID
    role: Literal["desk", "lead"]
    day: date


class OutcomeShown(Model):
    """How a closed case ended: what stands in clear."""

    kind: str
    day: date
    labels: Labels


def outcome_shown(code: str | None, day: date | None) -> OutcomeShown | None:
    """The outcome of a case, from its columns."""
    kind = outcome_kind(code) if code else None
    return OutcomeShown(kind=kind.code, day=day, labels=kind.labels) if kind and day else None


class OpenedAct(Model):
    court: str
    number: str
    date: dt.date
    in_force: dt.date | None


class OpenedOutcome(Model):
    """An outcome that was opened for the reporter. `claim` is for a later reward claim: keep it, read it to nobody."""

    n: int
    by: Literal["desk", "staff"]
    day: date
    kind: str
    labels: Labels | None = Field(description="of the kind; null for a kind that this service does not know")
    text: str
    act: OpenedAct | None
    gravity: str | None
    articles: list[str]
    bribe: int | None
    damage: int | None
    value_of_benefits: int | None
    claim: B64u
