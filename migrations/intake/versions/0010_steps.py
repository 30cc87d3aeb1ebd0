"""Steps of a case: which one was taken on which ground, who found it criminal or not, how it ended.

Yesterday's code runs on it: every new column may be empty, the new table is not asked for.
Revision 0010, after 0009.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_REPORTS: dict[str, tuple[Any, str | None]] = {
    "classification": (sa.Text(), "the one in force; who said so stands in classifications"),
    "body": (sa.Text(), "code of the body concerned, recorded by the desk"),
    "outcome": (sa.Text(), "kind of outcome of a closed case; all else of it is sealed"),
    "outcome_on": (sa.Date(), None),
}
_STATES: dict[str, tuple[Any, str | None]] = {
    "step": (sa.Text(), None),
    "ground": (sa.Text(), "code of the ground of a return"),
    "body": (sa.Text(), "code of the body that a case was forwarded to"),
    "outcome": (sa.Text(), "kind of outcome of a closing"),
}


def upgrade() -> None:
    for table, columns in (("reports", _REPORTS), ("states", _STATES)):
        for name, (kind, comment) in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True, comment=comment), schema="intake")
    op.create_check_constraint(
        op.f("ck_reports_classification"),
        "reports",
        "classification IN ('criminal', 'non_criminal')",
        schema="intake",
    )
    _classifications()


def _classifications() -> None:
    op.create_table(
        "classifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("classification", sa.Text(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Text(),
            nullable=False,
            comment="desk, or lead: the role in which the person said so",
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "classification IN ('criminal', 'non_criminal')", name=op.f("ck_classifications_classification")
        ),
        sa.CheckConstraint("role IN ('desk', 'lead')", name=op.f("ck_classifications_role")),
        sa.ForeignKeyConstraint(
            ["report_id"], ["intake.reports.id"], name=op.f("fk_classifications_report_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_classifications")),
        schema="intake",
    )
    op.create_index(
        "uq_classifications_report_place",
        "classifications",
        ["report_id", "place"],
        unique=True,
        schema="intake",
    )


def downgrade() -> None:
    op.drop_table("classifications", schema="intake")
    op.drop_constraint(op.f("ck_reports_classification"), "reports", schema="intake")
    for table, columns in (("states", _STATES), ("reports", _REPORTS)):
        for name in reversed(columns):
            op.drop_column(table, name, schema="intake")
