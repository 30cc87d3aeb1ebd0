"""Tables of the rewards service: facts of payment, no content of reports."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from services.kit.db import metadata as make_metadata
from services.kit.feed_reader import reader_tables
from services.kit.outcomes import outcomes_table

metadata = make_metadata("rewards")

#: The monthly calculation index, in whole tenge, with the day from which it holds. Grown by data, never by code.
mci_values = Table(
    "mci_values",
    metadata,
    Column("valid_from", Date, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("tenge", Integer, nullable=False),
    Column("source", Text, nullable=False, comment="source key of the legal research, empty when recalled"),
    Column("status", Text, nullable=False),
    CheckConstraint("scope IN ('general', 'social')", name="scope"),
    CheckConstraint("status IN ('confirmed', 'not-confirmed')", name="status"),
    CheckConstraint("tenge > 0", name="tenge"),
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started", DateTime(timezone=True), nullable=False),
    Column("finished", DateTime(timezone=True)),
    Column("done", Integer, nullable=False),
    Column("error", Text, nullable=False),
)

READER = reader_tables(metadata)

outcomes = outcomes_table(
    metadata,
    Column("claim", LargeBinary, comment="hash of the reporter's claim token"),
    Column("reported", Text, comment="month of the report, YYYY-MM"),
    Index("ix_outcomes_claim", "claim"),
)
