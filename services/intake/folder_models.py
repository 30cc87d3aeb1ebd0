"""The folder of a case: sealed notes, labels, links to other cases, and which packages were made for other bodies."""

import uuid

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from services.intake.models import metadata


def _report(name: str = "report_id", key: bool = False) -> Column[uuid.UUID]:
    return Column(name, Uuid, ForeignKey("intake.reports.id"), nullable=False, primary_key=key)


case_notes = Table(
    "case_notes",
    metadata,
    Column("id", Uuid, primary_key=True, comment="made by the client, and signed inside the note"),
    _report(),
    Column("author", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="sealed to the key of the report"),
    Index("ix_case_notes_report_id", "report_id"),
)

case_labels = Table(
    "case_labels",
    metadata,
    _report(key=True),
    Column("label", Text, primary_key=True, comment="code of reference/folder/case_labels.json"),
    Column("person", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Index("ix_case_labels_label", "label"),
)

#: One link between two cases at most, whichever was named first.
case_links = Table(
    "case_links",
    metadata,
    _report(key=True),
    _report("other_id", key=True),
    Column("kind", Text, nullable=False),
    Column("person", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    CheckConstraint("kind IN ('linked', 'duplicate_of')", name="kind"),
    CheckConstraint("report_id <> other_id", name="two_cases"),
    Index(
        "uq_case_links_pair",
        text("least(report_id, other_id)"),
        text("greatest(report_id, other_id)"),
        unique=True,
    ),
    # A case is the duplicate of one other at most.
    Index(
        "uq_case_links_duplicate", "report_id", unique=True, postgresql_where=text("kind = 'duplicate_of'")
    ),
    Index("ix_case_links_other_id", "other_id"),
)

packages_made = Table(
    "packages_made",
    metadata,
    Column("id", Uuid, primary_key=True, default=uuid.uuid4),
    _report(),
    Column("body", Text, nullable=False, comment="code of the body that it is for"),
    Column("sha256", LargeBinary, nullable=False, comment="of the age file, which the server never saw"),
    Column("size", BigInteger, nullable=False),
    Column("person", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Index("ix_packages_made_report_id", "report_id"),
)
