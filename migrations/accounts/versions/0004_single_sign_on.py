"""Single sign-on: who is who at the identity provider, and logins that wait for its answer.

Revision 0004, after 0003. Only adds: yesterday's code runs with it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "external_subjects",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="who the issuer says it is; given by it"),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_external_subjects_person")),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_external_subjects")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_external_subjects_issuer_subject")),
        schema="accounts",
    )
    op.create_table(
        "external_logins",
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the login's secret"),
        sa.Column(
            "box",
            sa.LargeBinary(),
            nullable=False,
            comment="state, nonce and PKCE verifier, sealed under the service key for this login",
        ),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_external_logins")),
        schema="accounts",
    )


def downgrade() -> None:
    op.drop_table("external_logins", schema="accounts")
    op.drop_table("external_subjects", schema="accounts")
