"""First tables of the registry service.

Today's code must run before and after this migration. Revision 0001, the first.
"""

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_runs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_runs")),
        schema="registry",
    )
    publication = op.create_table(
        "publication",
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('off', 'on')", name=op.f("ck_publication_state")),
        sa.CheckConstraint("status IN ('confirmed', 'not-confirmed')", name=op.f("ck_publication_status")),
        sa.PrimaryKeyConstraint("valid_from", name=op.f("pk_publication")),
        schema="registry",
    )
    # Concept action plan, item 2, ordered a draft law by Q4 2023 [802]; an enacted provision was not found.
    op.bulk_insert(
        publication,
        [
            {
                "valid_from": date(2022, 2, 2),
                "state": "off",
                "ground": "Presidential Decree No. 802 of 2 February 2022, plan item 2: law pending",
                "status": "not-confirmed",
            }
        ],
    )


def downgrade() -> None:
    op.drop_table("publication", schema="registry")
    op.drop_table("job_runs", schema="registry")
