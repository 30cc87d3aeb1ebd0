"""The outbox: events for other services, and how far each consumer is.

Yesterday's code runs on it: it does not ask for the new tables.
Revision 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("written", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=True, comment="member of staff to be notified"),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="age file to the consumer"),
        sa.Column("position", sa.BigInteger(), nullable=True, comment="given when the feed is read"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema="intake",
    )
    op.create_index(
        "uq_outbox_consumer_position", "outbox", ["consumer", "position"], unique=True, schema="intake"
    )
    op.create_table(
        "feed_consumers",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("given", sa.BigInteger(), nullable=False, comment="highest position given"),
        sa.Column("acknowledged", sa.BigInteger(), nullable=False, comment="events up to here are gone"),
        sa.PrimaryKeyConstraint("consumer", name=op.f("pk_feed_consumers")),
        schema="intake",
    )


def downgrade() -> None:
    op.drop_table("feed_consumers", schema="intake")
    op.drop_table("outbox", schema="intake")
