"""Tables of the registry service."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.kit.db import metadata as make_metadata
from services.kit.feed_reader import reader_tables

metadata = make_metadata("registry")

#: Whether the register may be published, and on what legal ground. No enacted law was found, so the first row is off.
publication = Table(
    "publication",
    metadata,
    Column("valid_from", Date, primary_key=True),
    Column("state", Text, nullable=False),
    Column("ground", Text, nullable=False),
    Column("status", Text, nullable=False),
    CheckConstraint("state IN ('off', 'on')", name="state"),
    CheckConstraint("status IN ('confirmed', 'not-confirmed')", name="status"),
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
    Column(
        "persons", JSONB, nullable=False, comment="whom the act is about; not an entry before it is decided"
    ),
    Column("region", Text),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the canonical event"),
    Column("received", Date, nullable=False),
)
