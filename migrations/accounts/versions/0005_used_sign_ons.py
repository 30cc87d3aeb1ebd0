"""A single sign-on that waits is no longer stored: it travels sealed in the login, and only used ones are remembered.

Today's code must run before and after this migration: a column may be empty, nothing else changes.
Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _column(
        True,
        "SHA-256 of the login's secret, of one that was used",
        "no longer written: what waits travels sealed in the login",
    )


def downgrade() -> None:
    op.execute("DELETE FROM accounts.external_logins WHERE box IS NULL")
    _column(
        False,
        "SHA-256 of the login's secret",
        "state, nonce and PKCE verifier, sealed under the service key for this login",
    )


def _column(nullable: bool, of_hash: str, of_box: str) -> None:
    table = "external_logins"
    op.alter_column(table, "hash", existing_type=sa.LargeBinary(), comment=of_hash, schema="accounts")
    op.alter_column(
        table, "box", existing_type=sa.LargeBinary(), nullable=nullable, comment=of_box, schema="accounts"
    )
