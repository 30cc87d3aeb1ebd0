"""Tables of the registry service."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Integer,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.kit.db import metadata as make_metadata
from services.kit.feed_reader import reader_tables
from services.kit.outcomes import outcomes_table

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

outcomes = outcomes_table(
    metadata,
    Column(
        "persons", JSONB, nullable=False, comment="whom the act is about; not an entry before it is decided"
    ),
    Column("region", Text),
)
