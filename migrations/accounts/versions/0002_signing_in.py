"""Passkeys, recovery codes, step-up, API clients, single sign-on.

Revision 0002, after 0001.
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in below."""


def downgrade() -> None:
    """Filled in below."""
