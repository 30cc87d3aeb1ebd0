"""Bodies of time limits: as staff and reporters see them, an extension, figures."""

from datetime import date
from typing import Literal

from pydantic import Field

from services.intake.dated import Labels
from services.kit.wire import Model

LimitState = Literal["running", "overdue", "met", "late", "extended", "ended"]


class DeadlineLine(Model):
    """One time limit of a case. All days; `due` is the last day."""

    kind: str
    labels: Labels
    article: str
    source: str = Field(description="key of the legal source")
    source_labels: Labels
    confirmed: bool = Field(
        description="whether the rule and the working days that it counts were seen in the source named"
    )
    benchmark: bool = Field(description="no law of Kazakhstan: shown for comparison")
    started: date
    due: date
    state: LimitState
    met_on: date | None
    ended_on: date | None
    reason: str | None = Field(description="code: why it ended without being met")
    extension: bool = Field(description="it took the place of a limit that was extended")


class StaffDeadlineLine(DeadlineLine):
    """What staff see besides."""

    escalated_on: date | None = Field(description="day on which it had passed and went to the lead")


class DeadlineFigure(Model):
    """How limits of one kind ended whose last day lies in one month."""

    month: str = Field(examples=["2026-11"])
    kind: str
    labels: Labels
    benchmark: bool
    met: int = Field(description="in time")
    late: int
    running: int
    overdue: int
    extended: int
    ended: int = Field(description="without being met, for a reason that is kept")


class DeadlineFigures(Model):
    year: int
    lines: list[DeadlineFigure]
