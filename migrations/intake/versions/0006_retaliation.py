"""Retaliation reports, the labour-protection clock, disclosure incidents.

Revision 0006, after 0005.
"""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in below."""


def downgrade() -> None:
    """Filled in below."""
