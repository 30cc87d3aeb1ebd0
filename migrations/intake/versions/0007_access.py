"""What ends an access: removed grants, new report keys.

Revision 0007, after 0006.
"""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in below."""


def downgrade() -> None:
    """Filled in below."""
