"""A lane for each report: those filed above the budget of the pages without script go to quarantine.

Today's code must run before and after this migration: the default files yesterday's reports in the main lane.
Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "reports",
        sa.Column(
            "lane",
            sa.Text(),
            server_default="main",
            nullable=False,
            comment="quarantine: filed above the budget of pages",
        ),
        schema="intake",
    )
    op.create_check_constraint(
        op.f("ck_reports_lane"), "reports", "lane IN ('main', 'quarantine')", schema="intake"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_reports_lane"), "reports", schema="intake", type_="check")
    op.drop_column("reports", "lane", schema="intake")
