"""Certificates on their way and ended ones, sub-shares of seats and of staff keys.

Today's code must run before and after this migration: it only adds. Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "certificates",
        sa.Column("ended", sa.Date(), nullable=True, comment="the day on which its keys were replaced"),
        schema="accounts",
    )
    op.create_table(
        "pending_certificates",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column(
            "document",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="signed by one certifier, not yet by a second",
        ),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["accounts.people.id"], name=op.f("fk_pending_certificates_person")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["accounts.people.id"], name=op.f("fk_pending_certificates_proposed_by")
        ),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_pending_certificates")),
        schema="accounts",
    )
    op.create_table(
        "split_keys",
        sa.Column("key_id", sa.Text(), nullable=False, comment="such as seat-2/2026H2"),
        sa.Column(
            "document",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="signed by the key that was split",
        ),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_split_keys_person")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_split_keys")),
        schema="accounts",
    )
    op.create_table(
        "key_shares",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False, comment="id of the key it is sealed to"),
        sa.Column("data", sa.LargeBinary(), nullable=False, comment="age file sealed to the holder"),
        sa.ForeignKeyConstraint(
            ["key_id"], ["accounts.split_keys.key_id"], name=op.f("fk_key_shares_key_id")
        ),
        sa.PrimaryKeyConstraint("key_id", "holder", name=op.f("pk_key_shares")),
        schema="accounts",
    )
    op.create_table(
        "released_shares",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("released_by", sa.Uuid(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False, comment="age file sealed to the person"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id", "holder"],
            ["accounts.key_shares.key_id", "accounts.key_shares.holder"],
            name=op.f("fk_released_shares_key_id_holder"),
        ),
        sa.ForeignKeyConstraint(["person"], ["accounts.people.id"], name=op.f("fk_released_shares_person")),
        sa.ForeignKeyConstraint(
            ["released_by"], ["accounts.people.id"], name=op.f("fk_released_shares_released_by")
        ),
        sa.PrimaryKeyConstraint("key_id", "holder", "person", name=op.f("pk_released_shares")),
        schema="accounts",
    )


def downgrade() -> None:
    for table in ("released_shares", "key_shares", "split_keys", "pending_certificates"):
        op.drop_table(table, schema="accounts")
    op.drop_column("certificates", "ended", schema="accounts")
