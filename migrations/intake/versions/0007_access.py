"""What ends an access: removed grants, new report keys. And which staff certificates stand in the log.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

CARRIED = {
    "carried": "the newest report key, noted by the reporter for the code in force, sealed to that code",
    "pending_carried": "the same for the new code",
}


def upgrade() -> None:
    op.create_table(
        "certificates_logged",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_certificates_logged")),
        schema="intake",
    )
    op.add_column(
        "grants",
        sa.Column(
            "key_n",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="which key of the report: 0 that of the manifest, else 1 + n of a report-keys part",
        ),
        schema="intake",
    )
    op.drop_index("ix_grants_report_id_holder", table_name="grants", schema="intake")
    op.create_index(
        "uq_grants_report_holder_key",
        "grants",
        ["report_id", "holder", "key_n"],
        unique=True,
        schema="intake",
    )
    op.drop_index("uq_assignments_report_person", table_name="assignments", schema="intake")
    op.create_index(
        "uq_assignments_report_person_now",
        "assignments",
        ["report_id", "person"],
        unique=True,
        schema="intake",
        postgresql_where=sa.text("ended IS NULL"),
    )
    for name, comment in CARRIED.items():
        column = sa.Column(name, sa.LargeBinary(), nullable=True, comment=comment)
        op.add_column("reports", column, schema="intake")


def downgrade() -> None:
    for name in CARRIED:
        op.drop_column("reports", name, schema="intake")
    op.drop_index("uq_assignments_report_person_now", table_name="assignments", schema="intake")
    op.create_index(
        "uq_assignments_report_person", "assignments", ["report_id", "person"], unique=True, schema="intake"
    )
    op.drop_index("uq_grants_report_holder_key", table_name="grants", schema="intake")
    op.create_index("ix_grants_report_id_holder", "grants", ["report_id", "holder"], schema="intake")
    op.drop_column("grants", "key_n", schema="intake")
    op.drop_table("certificates_logged", schema="intake")
