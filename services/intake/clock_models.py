"""Tables of the law's clocks: one row for each time limit that ever ran for a case. No row is ever deleted here.

All values are days: a report, its steps and its limits have no hour.
"""

import uuid

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Index, LargeBinary, Table, Text, Uuid, text

from services.intake.models import metadata

_RUNNING = text("met_on IS NULL AND ended_on IS NULL")

deadlines = Table(
    "deadlines",
    metadata,
    Column("id", Uuid, primary_key=True, default=uuid.uuid4),
    Column("report_id", Uuid, ForeignKey("intake.reports.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("started", Date, nullable=False),
    Column("due", Date, nullable=False, comment="last day of the limit"),
    Column("met_on", Date),
    Column("ended_on", Date, comment="day on which it stopped to matter"),
    Column("reason", Text, comment="code: why it ended without being met"),
    Column("source", Text, nullable=False, comment="key of the legal source when it started"),
    Column(
        "extended_from", Uuid, ForeignKey("intake.deadlines.id"), comment="the limit that this one extends"
    ),
    Column("warned_on", Date, comment="day of the reminder that it is due soon"),
    Column("escalated_on", Date, comment="day on which it had passed and went to the lead"),
    CheckConstraint("met_on IS NULL OR ended_on IS NULL", name="one_end"),
    CheckConstraint("(ended_on IS NULL) = (reason IS NULL)", name="reason"),
    Index("ix_deadlines_report_id", "report_id"),
    # Two limits of one kind never run at once, whatever the timing.
    Index("uq_deadlines_report_kind_running", "report_id", "kind", unique=True, postgresql_where=_RUNNING),
    Index("ix_deadlines_due_running", "due", postgresql_where=_RUNNING),
)

calendars = Table(
    "calendars",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the data that open limits rest on"),
    Column("day", Date, nullable=False),
)
