"""Clocks of the law: limits of a case, the day by which a report is registered, the calendar they rest on.

Yesterday's code runs on it: the new column may be empty, the new tables are not asked for.
Revision 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_RUNNING = sa.text("met_on IS NULL AND ended_on IS NULL")


def upgrade() -> None:
    op.add_column(
        "reports",
        sa.Column(
            "register_by", sa.Date(), nullable=True, comment="last day to register it; decided at filing"
        ),
        schema="intake",
    )
    _deadlines()
    op.create_table(
        "calendars",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the data that open limits rest on",
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_calendars")),
        schema="intake",
    )


def _deadlines() -> None:
    op.create_table(
        "deadlines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started", sa.Date(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False, comment="last day of the limit"),
        sa.Column("met_on", sa.Date(), nullable=True),
        sa.Column("ended_on", sa.Date(), nullable=True, comment="day on which it stopped to matter"),
        sa.Column("reason", sa.Text(), nullable=True, comment="code: why it ended without being met"),
        sa.Column("source", sa.Text(), nullable=False, comment="key of the legal source when it started"),
        sa.Column("extended_from", sa.Uuid(), nullable=True, comment="the limit that this one extends"),
        sa.Column("warned_on", sa.Date(), nullable=True, comment="day of the reminder that it is due soon"),
        sa.Column(
            "escalated_on",
            sa.Date(),
            nullable=True,
            comment="day on which it had passed and went to the lead",
        ),
        sa.CheckConstraint("met_on IS NULL OR ended_on IS NULL", name=op.f("ck_deadlines_one_end")),
        sa.CheckConstraint("(ended_on IS NULL) = (reason IS NULL)", name=op.f("ck_deadlines_reason")),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_deadlines_report_id")),
        sa.ForeignKeyConstraint(
            ["extended_from"], ["intake.deadlines.id"], name=op.f("fk_deadlines_extended_from")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deadlines")),
        schema="intake",
    )
    op.create_index("ix_deadlines_report_id", "deadlines", ["report_id"], schema="intake")
    op.create_index(
        "uq_deadlines_report_kind_running",
        "deadlines",
        ["report_id", "kind"],
        unique=True,
        schema="intake",
        postgresql_where=_RUNNING,
    )
    op.create_index(
        "ix_deadlines_due_running", "deadlines", ["due"], schema="intake", postgresql_where=_RUNNING
    )


def downgrade() -> None:
    op.drop_table("calendars", schema="intake")
    op.drop_table("deadlines", schema="intake")
    op.drop_column("reports", "register_by", schema="intake")
