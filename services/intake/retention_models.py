"""What was read, legal holds, proposals to delete, and what stays of a deleted report.

The service's login neither writes tombstones nor deletes reports: `intake.erase_report` does both at once, for a
proposal of one person and the approval of another (migration 0014).
"""

import uuid

from sqlalchemy import (
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
    text,
)

from services.intake.models import metadata


def _report(key: bool = False) -> Column[uuid.UUID]:
    return Column("report_id", Uuid, ForeignKey("intake.reports.id"), nullable=False, primary_key=key)


def _id() -> Column[uuid.UUID]:
    return Column("id", Uuid, primary_key=True, default=uuid.uuid4)


case_reads = Table(
    "case_reads",
    metadata,
    _report(key=True),
    Column("number", Integer, nullable=False, comment="parts up to this one were opened, checked and shown"),
    Column("day", Date, nullable=False),
)

holds = Table(
    "holds",
    metadata,
    _id(),
    _report(),
    Column("placed_by", Uuid, nullable=False),
    Column("placed_on", Date, nullable=False),
    Column("released_by", Uuid),
    Column("released_on", Date),
    CheckConstraint("(released_by IS NULL) = (released_on IS NULL)", name="released"),
    Index("uq_holds_report_now", "report_id", unique=True, postgresql_where=text("released_on IS NULL")),
)

deletions = Table(
    "deletions",
    metadata,
    _id(),
    _report(),
    Column("ground", Text, nullable=False),
    Column("proposed_by", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("last_part", Integer, nullable=False, comment="newest part that the proposal is about"),
    Column("refused_by", Uuid),
    Column("refused_on", Date),
    CheckConstraint("(refused_by IS NULL) = (refused_on IS NULL)", name="refused"),
    Index("uq_deletions_report_open", "report_id", unique=True, postgresql_where=text("refused_on IS NULL")),
)

tombstones = Table(
    "tombstones",
    metadata,
    _id(),
    Column("lookup_mac", LargeBinary, nullable=False, comment="so that the receipt learns of the deletion"),
    Column("day", Date, nullable=False),
    Column("ground", Text, nullable=False),
    Column("proposed_by", Uuid, nullable=False),
    Column("approved_by", Uuid, nullable=False),
    Column("leaf", LargeBinary, nullable=False, comment="of the log record of the deletion"),
    Column("records", Integer, nullable=False, comment="log records whose text and salt went with it"),
    CheckConstraint("proposed_by <> approved_by", name="four_eyes"),
    Index("ix_tombstones_lookup_mac", "lookup_mac"),
    Index("ix_tombstones_day_id", "day", "id"),
)

doomed_blobs = Table(
    "doomed_blobs",
    metadata,
    Column("blob", Text, primary_key=True, comment="file of a deleted report that is still to be deleted"),
)
