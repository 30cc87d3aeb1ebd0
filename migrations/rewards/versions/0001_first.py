"""First tables of the rewards service.

Today's code must run before and after this migration. Revision 0001, the first.
"""

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


#: Values of the monthly calculation index with the source keys of the legal research (`docs/law/sources.md`).
MCI = [
    ("2011-01-01", 1512, "KT11", "confirmed"),
    ("2012-01-01", 1618, "AZH12", "confirmed"),
    ("2013-01-01", 1731, "", "not-confirmed"),
    ("2014-01-01", 1852, "B14", "confirmed"),
    ("2015-01-01", 1982, "WF15", "confirmed"),
    ("2016-01-01", 2121, "ZK16", "confirmed"),
    ("2017-01-01", 2269, "B17", "confirmed"),
    ("2018-01-01", 2405, "B18", "confirmed"),
    ("2019-01-01", 2525, "B19", "confirmed"),
    ("2020-01-01", 2651, "16N", "confirmed"),
    ("2020-04-01", 2778, "16N KOL", "confirmed"),
    ("2021-01-01", 2917, "KOL", "confirmed"),
    ("2022-01-01", 3063, "B22", "confirmed"),
    ("2023-01-01", 3450, "MG23 CH24", "confirmed"),
    ("2024-01-01", 3692, "GOV13 CH24", "confirmed"),
    ("2025-01-01", 3932, "LADA26", "confirmed"),
    ("2026-01-01", 4325, "LADA26 DDN26", "confirmed"),
]
#: Law No. 121-VII of 12 May 2022: from 1 April 2022 for benefits and other social payments only.
SOCIAL_2022 = ("2022-04-01", 3180, "B22", "confirmed")


def rows() -> list[dict[str, object]]:
    both = [(scope, value) for value in MCI for scope in ("general", "social")]
    return [
        {
            "valid_from": date.fromisoformat(valid_from),
            "scope": scope,
            "tenge": tenge,
            "source": source,
            "status": status,
        }
        for scope, (valid_from, tenge, source, status) in [*both, ("social", SOCIAL_2022)]
    ]


def upgrade() -> None:
    op.create_table(
        "job_runs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_runs")),
        schema="rewards",
    )
    mci_values = op.create_table(
        "mci_values",
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("tenge", sa.Integer(), nullable=False),
        sa.Column(
            "source",
            sa.Text(),
            nullable=False,
            comment="source key of the legal research, empty when recalled",
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.CheckConstraint("scope IN ('general', 'social')", name=op.f("ck_mci_values_scope")),
        sa.CheckConstraint("status IN ('confirmed', 'not-confirmed')", name=op.f("ck_mci_values_status")),
        sa.CheckConstraint("tenge > 0", name=op.f("ck_mci_values_tenge")),
        sa.PrimaryKeyConstraint("valid_from", "scope", name=op.f("pk_mci_values")),
        schema="rewards",
    )
    op.bulk_insert(mci_values, rows())


def downgrade() -> None:
    op.drop_table("mci_values", schema="rewards")
    op.drop_table("job_runs", schema="rewards")
