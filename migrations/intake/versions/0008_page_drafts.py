"""Drafts that pages opened without proof of work share a space of their own.

Today's code must run before and after this migration: the default takes yesterday's drafts for paid ones.
Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "drafts",
        sa.Column(
            "by_page",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="opened without proof of work",
        ),
        schema="intake",
    )


def downgrade() -> None:
    op.drop_column("drafts", "by_page", schema="intake")
