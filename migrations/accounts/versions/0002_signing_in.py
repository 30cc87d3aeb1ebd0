"""Passkeys, recovery codes, step-up, API clients, leaving.

Revision 0002, after 0001. Only adds: yesterday's code runs with it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "people",
        sa.Column("left_on", sa.Date(), nullable=True, comment="the last day of somebody who left for good"),
        schema="accounts",
    )
    op.add_column(
        "sessions",
        sa.Column(
            "stepped",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the last full proof; null for the sign-in itself",
        ),
        schema="accounts",
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column(
            "credential", sa.LargeBinary(), nullable=False, comment="id that the authenticator gave it"
        ),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="COSE key"),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="given by its owner"),
        sa.Column("created", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_passkeys_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential", name=op.f("uq_passkeys_credential")),
        schema="accounts",
    )
    op.create_index(op.f("ix_passkeys_person"), "passkeys", ["person"], schema="accounts")
    op.create_table(
        "challenges",
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the challenge"),
        sa.Column(
            "owner", sa.LargeBinary(), nullable=False, comment="keyed hash of its purpose and of who asked"
        ),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_challenges")),
        schema="accounts",
    )
    op.create_table(
        "recovery_codes",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="keyed hash; the row goes when used"),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_recovery_codes_person")),
        sa.PrimaryKeyConstraint("person", "hash", name=op.f("pk_recovery_codes")),
        schema="accounts",
    )
    op.create_table(
        "api_clients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of 256 random bits"),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_clients")),
        sa.UniqueConstraint("name", name=op.f("uq_api_clients_name")),
        schema="accounts",
    )


def downgrade() -> None:
    for table in ("api_clients", "recovery_codes", "challenges", "passkeys"):
        op.drop_table(table, schema="accounts")
    op.drop_column("sessions", "stepped", schema="accounts")
    op.drop_column("people", "left_on", schema="accounts")
