"""Outcomes that arrive from intake, and how far its feed was read.

Yesterday's code runs on it: it does not ask for the new tables.
Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _reader()
    op.create_table(
        "outcomes",
        sa.Column(
            "event", sa.Uuid(), nullable=False, comment="id of the outcome, made for this service alone"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("act_court", sa.Text(), nullable=True),
        sa.Column("act_number", sa.Text(), nullable=True),
        sa.Column("act_date", sa.Date(), nullable=True),
        sa.Column("act_in_force", sa.Date(), nullable=True),
        sa.Column("gravity", sa.Text(), nullable=True),
        sa.Column("articles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("bribe", sa.BigInteger(), nullable=True),
        sa.Column("damage", sa.BigInteger(), nullable=True),
        sa.Column("value_of_benefits", sa.BigInteger(), nullable=True),
        sa.Column("excluded", sa.ARRAY(sa.Uuid()), nullable=False, comment="staff who may not decide on it"),
        sa.Column("replaces", sa.Uuid(), nullable=True, comment="the outcome that this one corrects"),
        sa.Column("claim", sa.LargeBinary(), nullable=True, comment="hash of the reporter's claim token"),
        sa.Column("reported", sa.Text(), nullable=True, comment="month of the report, YYYY-MM"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the canonical event"),
        sa.Column("received", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("pk_outcomes")),
        schema="rewards",
    )
    op.create_index("ix_outcomes_claim", "outcomes", ["claim"], unique=False, schema="rewards")


def _reader() -> None:
    op.create_table(
        "feed_cursor",
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False, comment="events that were gone before we asked"),
        sa.PrimaryKeyConstraint("publisher", name=op.f("pk_feed_cursor")),
        schema="rewards",
    )
    op.create_table(
        "events_seen",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events_seen")),
        schema="rewards",
    )
    op.create_table(
        "unreadable",
        sa.Column("id", sa.Uuid(), nullable=False, comment="of the event"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of what could not be read"),
        sa.Column("reason", sa.Text(), nullable=False, comment="class of the failure"),
        sa.Column("received", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unreadable")),
        schema="rewards",
    )


def downgrade() -> None:
    for table in ("outcomes", "unreadable", "events_seen", "feed_cursor"):
        op.drop_table(table, schema="rewards")
