"""How incidents of disclosure ended: added once by a second person and never changed, as the incident itself."""

from sqlalchemy import Column, Date, ForeignKey, Table, Text, Uuid

from services.intake.models import metadata

disclosure_ends = Table(
    "disclosure_ends",
    metadata,
    Column("disclosure_id", Uuid, ForeignKey("intake.disclosures.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, nullable=False),
    Column("ended_by", Uuid, nullable=False, comment="never who recorded the incident"),
    Column("result", Text, nullable=False, comment="a code of reference/protection/articles.json"),
)
