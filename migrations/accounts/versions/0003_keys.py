"""Certificates on their way, epochs and sub-shares of seats, escrow.

Revision 0003, after 0002.
"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in below."""


def downgrade() -> None:
    """Filled in below."""
