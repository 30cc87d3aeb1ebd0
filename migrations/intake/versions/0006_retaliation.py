"""Retaliation reports, the labour-protection clock, disclosure incidents.

Yesterday's code runs on it: the new column may be empty, the new tables are not asked for.
Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "reports",
        sa.Column(
            "retaliation_on",
            sa.Date(),
            nullable=True,
            comment="first day on which the reporter reported retaliation",
        ),
        schema="intake",
    )
    _protections()
    _disclosures()


def _protections() -> None:
    op.create_table(
        "protections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("started", sa.Date(), nullable=False),
        sa.Column(
            "ends",
            sa.Date(),
            nullable=False,
            comment="by the setting at the start; not confirmed by the law's text",
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('asked', 'in_hand', 'ended')", name=op.f("ck_protections_status")),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_protections_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_protections")),
        schema="intake",
    )
    op.create_index("uq_protections_report", "protections", ["report_id"], unique=True, schema="intake")


def _disclosures() -> None:
    op.create_table(
        "disclosures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("article", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="who and what, sealed to leads"),
        sa.CheckConstraint("status IN ('recorded')", name=op.f("ck_disclosures_status")),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_disclosures_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosures")),
        schema="intake",
    )
    op.create_index("ix_disclosures_report_id", "disclosures", ["report_id"], unique=False, schema="intake")


def downgrade() -> None:
    op.drop_table("disclosures", schema="intake")
    op.drop_table("protections", schema="intake")
    op.drop_column("reports", "retaliation_on", schema="intake")
