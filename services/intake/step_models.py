"""Who found a case criminal or not, and when: rows are added and never changed, the last one is in force."""

import uuid

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Index, Integer, Table, Text, Uuid

from services.intake.models import metadata

classifications = Table(
    "classifications",
    metadata,
    Column("id", Uuid, primary_key=True, default=uuid.uuid4),
    Column("report_id", Uuid, ForeignKey("intake.reports.id"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("classification", Text, nullable=False),
    Column("person", Uuid, nullable=False),
    Column("role", Text, nullable=False, comment="desk, or lead: the role in which the person said so"),
    Column("day", Date, nullable=False),
    CheckConstraint("classification IN ('criminal', 'non_criminal')", name="classification"),
    CheckConstraint("role IN ('desk', 'lead')", name="role"),
    Index("uq_classifications_report_place", "report_id", "place", unique=True),
)
