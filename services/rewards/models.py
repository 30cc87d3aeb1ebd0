"""Tables of the rewards service: facts of payment, no content of reports."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from services.kit.db import metadata as make_metadata
from services.kit.feed_reader import reader_tables

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

#: Outcomes of cases as intake told them. Nothing here leads to a report; money is whole tenge.
outcomes = Table(
    "outcomes",
    metadata,
    Column("event", Uuid, primary_key=True, comment="id of the outcome, made for this service alone"),
    Column("kind", Text, nullable=False),
    Column("act_court", Text),
    Column("act_number", Text),
    Column("act_date", Date),
    Column("act_in_force", Date),
    Column("gravity", Text),
    Column("articles", ARRAY(Text), nullable=False),
    Column("bribe", BigInteger),
    Column("damage", BigInteger),
    Column("value_of_benefits", BigInteger),
    Column("excluded", ARRAY(Uuid), nullable=False, comment="staff who may not decide on it"),
    Column("replaces", Uuid, comment="the outcome that this one corrects"),
    Column("claim", LargeBinary, comment="hash of the reporter's claim token"),
    Column("reported", Text, comment="month of the report, YYYY-MM"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the canonical event"),
    Column("received", Date, nullable=False),
    Index("ix_outcomes_claim", "claim"),
)
