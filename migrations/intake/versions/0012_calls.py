"""Calls to 1424, notes for the desk, notices to reporters, channels of a draft, codes that somebody else used.

Yesterday's code runs on it: new columns may be empty or have a default, new tables are not asked for.
Revision 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _columns()
    _calls()
    _call_notes()
    op.create_table(
        "notice_addresses",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="an address, sealed to the notifier"),
        sa.ForeignKeyConstraint(
            ["report_id"], ["intake.reports.id"], name=op.f("fk_notice_addresses_report_id")
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_notice_addresses")),
        schema="intake",
    )


def _columns() -> None:
    op.add_column(
        "drafts",
        sa.Column(
            "channels",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="channels that its report may name; null for those of everybody",
        ),
        schema="intake",
    )
    op.add_column(
        "reports",
        sa.Column(
            "code_suspect_on",
            sa.Date(),
            nullable=True,
            comment="day on which 1424 was told last that somebody else used the code",
        ),
        schema="intake",
    )
    op.add_column(
        "reports",
        sa.Column(
            "code_suspect",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="that code is still in force: nothing more is sealed to it",
        ),
        schema="intake",
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.Uuid(), nullable=False, comment="random, made by the operator's client"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("operator", sa.Uuid(), nullable=False, comment="person id, for the figures of the day"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False, comment="whether the caller said who they are"),
        sa.Column("wrap_up", sa.Text(), nullable=False, comment="code of how the call ended"),
        sa.Column("region", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('report', 'business-pressure', 'consultation', 'complaint', 'feedback')",
            name=op.f("ck_calls_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        schema="intake",
    )
    op.create_index("ix_calls_day", "calls", ["day"], unique=False, schema="intake")


def _call_notes() -> None:
    op.create_table(
        "call_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="callback or note"),
        sa.Column("desk", sa.Text(), nullable=False),
        sa.Column(
            "dir_seq", sa.Integer(), nullable=False, comment="the directory whose desk it was sealed for"
        ),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=False, comment="sealed to the desk's key of the month"
        ),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("done_by", sa.Uuid(), nullable=True, comment="member of the desk"),
        sa.CheckConstraint("kind IN ('callback', 'note')", name=op.f("ck_call_notes_kind")),
        sa.ForeignKeyConstraint(["call_id"], ["intake.calls.id"], name=op.f("fk_call_notes_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_notes")),
        sa.UniqueConstraint("call_id", name=op.f("uq_call_notes_call_id")),
        schema="intake",
    )
    op.create_index("ix_call_notes_day_id", "call_notes", ["day", "id"], unique=False, schema="intake")


def downgrade() -> None:
    for table in ("notice_addresses", "call_notes", "calls"):
        op.drop_table(table, schema="intake")
    for table, column in (
        ("reports", "code_suspect"), ("reports", "code_suspect_on"), ("drafts", "channels"),
    ):  # fmt: skip
        op.drop_column(table, column, schema="intake")
