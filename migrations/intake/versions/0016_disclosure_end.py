"""The end of a disclosure incident.

Yesterday's code runs on it: it only adds a table.
Revision 0016, after 0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disclosure_ends",
        sa.Column("disclosure_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ended_by", sa.Uuid(), nullable=False, comment="never who recorded the incident"),
        sa.Column(
            "result", sa.Text(), nullable=False, comment="a code of reference/protection/articles.json"
        ),
        sa.ForeignKeyConstraint(
            ["disclosure_id"],
            ["intake.disclosures.id"],
            name=op.f("fk_disclosure_ends_disclosure_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("disclosure_id", name=op.f("pk_disclosure_ends")),
        schema="intake",
    )


def downgrade() -> None:
    op.drop_table("disclosure_ends", schema="intake")
