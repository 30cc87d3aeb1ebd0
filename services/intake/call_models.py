"""Tables of calls to 1424 and of notices to reporters.

A record of a call names no report, and a report names no operator: who took the call in which somebody reported is
nobody's business, and on most days the two could not even be matched by counting.
"""

import uuid

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from services.intake.models import metadata

calls = Table(
    "calls",
    metadata,
    Column("id", Uuid, primary_key=True, comment="random, made by the operator's client"),
    Column("day", Date, nullable=False),
    Column("operator", Uuid, nullable=False, comment="person id, for the figures of the day"),
    Column("kind", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("named", Boolean, nullable=False, comment="whether the caller said who they are"),
    Column("wrap_up", Text, nullable=False, comment="code of how the call ended"),
    Column("region", Text),
    CheckConstraint(
        "kind IN ('report', 'business-pressure', 'consultation', 'complaint', 'feedback')",
        name="kind",
    ),
    Index("ix_calls_day", "day"),
)

call_notes = Table(
    "call_notes",
    metadata,
    Column("id", Uuid, primary_key=True, default=uuid.uuid4),
    Column("call_id", Uuid, ForeignKey("intake.calls.id"), nullable=False, unique=True),
    Column("day", Date, nullable=False),
    Column("kind", Text, nullable=False, comment="callback or note"),
    Column("desk", Text, nullable=False),
    Column("dir_seq", Integer, nullable=False, comment="the directory whose desk it was sealed for"),
    Column("sealed", LargeBinary, nullable=False, comment="sealed to the desk's key of the month"),
    Column("done_on", Date),
    Column("done_by", Uuid, comment="member of the desk"),
    CheckConstraint("kind IN ('callback', 'note')", name="kind"),
    Index("ix_call_notes_day_id", "day", "id"),
)

notice_addresses = Table(
    "notice_addresses",
    metadata,
    Column("report_id", Uuid, ForeignKey("intake.reports.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="an address, sealed to the notifier"),
)
