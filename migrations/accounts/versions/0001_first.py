"""First tables of the accounts service.

Today's code must run before and after this migration. Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_runs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_runs")),
        schema="accounts",
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False, comment="lower case"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("login", name=op.f("uq_people_login")),
        schema="accounts",
    )
    op.create_table(
        "sign_in_throttle",
        sa.Column("key", sa.LargeBinary(), nullable=False, comment="keyed hash of a login, known or not"),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_throttle")),
        schema="accounts",
    )
    op.create_table(
        "certificates",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the canonical signed document"
        ),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_certificates_person")),
        sa.PrimaryKeyConstraint("person", "digest", name=op.f("pk_certificates")),
        schema="accounts",
    )
    op.create_table(
        "credentials",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("password_phc", sa.Text(), nullable=True, comment="Argon2id; null until enrolled"),
        sa.Column(
            "totp_box",
            sa.LargeBinary(),
            nullable=True,
            comment="the TOTP secret, sealed under the service key for this person",
        ),
        sa.Column(
            "totp_last_step",
            sa.Integer(),
            nullable=False,
            comment="the step of the last code used, -1 for none",
        ),
        sa.Column("totp_confirmed", sa.Boolean(), nullable=False, comment="whether a code was ever used"),
        sa.Column(
            "enrolment_hash",
            sa.LargeBinary(),
            nullable=True,
            comment="SHA-256 of the one-time secret; null when there is none",
        ),
        sa.Column("enrolment_expires", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_credentials_person")),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_credentials")),
        schema="accounts",
    )
    op.create_table(
        "group_keys",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False, comment="such as central/2026-11"),
        sa.Column("data", sa.LargeBinary(), nullable=False, comment="age file sealed to the person"),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_group_keys_person")),
        sa.PrimaryKeyConstraint("person", "key_id", name=op.f("pk_group_keys")),
        schema="accounts",
    )
    op.create_table(
        "keys",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column(
            "wrapped", sa.LargeBinary(), nullable=False, comment="age file under the person's passphrase"
        ),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("verify_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_keys_person")),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_keys")),
        schema="accounts",
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the session secret"),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_sessions_person")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
        schema="accounts",
    )


def downgrade() -> None:
    op.drop_table("sessions", schema="accounts")
    op.drop_table("keys", schema="accounts")
    op.drop_table("group_keys", schema="accounts")
    op.drop_table("credentials", schema="accounts")
    op.drop_table("certificates", schema="accounts")
    op.drop_table("sign_in_throttle", schema="accounts")
    op.drop_table("people", schema="accounts")
    op.drop_table("job_runs", schema="accounts")
