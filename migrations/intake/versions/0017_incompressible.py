"""Sealed bytes are stored as they are: trying to compress them cost a tenth of the CPU of a filing, and gains nothing.

Today's code must run before and after this migration: only how new values are stored changes.
Revision 0017, after 0016.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SEALED = (("parts", "sealed"), ("grants", "sealed"), ("shares", "sealed"), ("reports", "manifest"))


def upgrade() -> None:
    for table, column in _SEALED:
        op.execute(f"ALTER TABLE intake.{table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def downgrade() -> None:
    for table, column in _SEALED:
        op.execute(f"ALTER TABLE intake.{table} ALTER COLUMN {column} SET STORAGE EXTENDED")
