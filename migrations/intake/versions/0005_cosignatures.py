"""Cosignatures of witnesses on checkpoints, stored beside them: a checkpoint itself is never changed.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_cosignatures",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("witness", sa.Text(), nullable=False, comment="vkey, as the directory names it"),
        sa.Column(
            "line", sa.Text(), nullable=False, comment="the signature line of the note, with its newline"
        ),
        sa.ForeignKeyConstraint(
            ["size"],
            ["intake.log_checkpoints.size"],
            name=op.f("fk_log_cosignatures_size"),
        ),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_log_cosignatures")),
        schema="intake",
    )


def downgrade() -> None:
    op.drop_table("log_cosignatures", schema="intake")
