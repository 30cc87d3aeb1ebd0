"""First tables of the intake service.

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
        "directories",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_directories")),
        schema="intake",
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_idempotency_keys")),
        schema="intake",
    )
    op.create_index(
        "ix_idempotency_keys_expires", "idempotency_keys", ["expires"], unique=False, schema="intake"
    )
    op.create_table(
        "job_runs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_runs")),
        schema="intake",
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoints")),
        schema="intake",
    )
    op.create_table(
        "log_entries",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_log_entries")),
        sa.UniqueConstraint("leaf", name=op.f("uq_log_entries_leaf")),
        schema="intake",
    )
    op.create_table(
        "log_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_records")),
        sa.UniqueConstraint("leaf", name=op.f("uq_log_records_leaf")),
        schema="intake",
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("width", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", "width", name=op.f("pk_log_tiles")),
        schema="intake",
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("rid", sa.LargeBinary(), nullable=False),
        sa.Column("lookup_mac", sa.LargeBinary(), nullable=False),
        sa.Column("pending_lookup_mac", sa.LargeBinary(), nullable=True),
        sa.Column(
            "pending_part",
            sa.LargeBinary(),
            nullable=True,
            comment="the reporter-keys part, added when the new code is typed back",
        ),
        sa.Column("pending_n", sa.Integer(), nullable=True),
        sa.Column("code_replaced_on", sa.Date(), nullable=True),
        sa.Column("filed_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("desk", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("dir_seq", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("amount_band", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False, comment="canonical JSON, as signed"),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False, comment="hash that the promise names"),
        sa.CheckConstraint("mode IN ('sealed', 'plain')", name=op.f("ck_reports_mode")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("lookup_mac", name=op.f("uq_reports_lookup_mac")),
        sa.UniqueConstraint("pending_lookup_mac", name=op.f("uq_reports_pending_lookup_mac")),
        sa.UniqueConstraint("reference", name=op.f("uq_reports_reference")),
        sa.UniqueConstraint("rid", name=op.f("uq_reports_rid")),
        schema="intake",
    )
    op.create_index("ix_reports_filed_on_id", "reports", ["filed_on", "id"], unique=False, schema="intake")
    op.create_table(
        "spent_challenges",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_spent_challenges")),
        schema="intake",
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("assigned_by", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ended", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_assignments_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        schema="intake",
    )
    op.create_index("ix_assignments_person", "assignments", ["person"], unique=False, schema="intake")
    op.create_index(
        "uq_assignments_report_person", "assignments", ["report_id", "person"], unique=True, schema="intake"
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False, comment="desk id, or person id of assigned staff"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_grants_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        schema="intake",
    )
    op.create_index(
        "ix_grants_report_id_holder", "grants", ["report_id", "holder"], unique=False, schema="intake"
    )
    op.create_table(
        "parts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column(
            "number", sa.Integer(), nullable=False, comment="order of arrival within the report, from 0"
        ),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column(
            "n", sa.Integer(), nullable=True, comment="place in the author's chain; null for attachments"
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="the age file, when it is small"),
        sa.Column("blob", sa.Text(), nullable=True, comment="name in the blob store, when it is not"),
        sa.Column(
            "chain", sa.Text(), nullable=False, comment="reporter or desk; attachments hang on their message"
        ),
        sa.CheckConstraint("author IN ('reporter', 'desk', 'staff')", name=op.f("ck_parts_author")),
        sa.CheckConstraint("chain IN ('reporter', 'desk')", name=op.f("ck_parts_chain")),
        sa.CheckConstraint("(sealed IS NULL) <> (blob IS NULL)", name=op.f("ck_parts_one_place")),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_parts_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parts")),
        schema="intake",
    )
    op.create_index(
        "uq_parts_report_chain_n", "parts", ["report_id", "chain", "n"], unique=True, schema="intake"
    )
    op.create_index("uq_parts_report_number", "parts", ["report_id", "number"], unique=True, schema="intake")
    op.create_table(
        "shares",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("seat", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_shares_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shares")),
        schema="intake",
    )
    op.create_index("uq_shares_report_seat", "shares", ["report_id", "seat"], unique=True, schema="intake")
    op.create_table(
        "states",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=True, comment="who changed it; null for the filing itself"),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_states_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_states")),
        schema="intake",
    )
    op.create_index("uq_states_report_place", "states", ["report_id", "place"], unique=True, schema="intake")


def downgrade() -> None:
    op.drop_index("uq_states_report_place", table_name="states", schema="intake")
    op.drop_table("states", schema="intake")
    op.drop_index("uq_shares_report_seat", table_name="shares", schema="intake")
    op.drop_table("shares", schema="intake")
    op.drop_index("uq_parts_report_number", table_name="parts", schema="intake")
    op.drop_index("uq_parts_report_chain_n", table_name="parts", schema="intake")
    op.drop_table("parts", schema="intake")
    op.drop_index("ix_grants_report_id_holder", table_name="grants", schema="intake")
    op.drop_table("grants", schema="intake")
    op.drop_index("uq_assignments_report_person", table_name="assignments", schema="intake")
    op.drop_index("ix_assignments_person", table_name="assignments", schema="intake")
    op.drop_table("assignments", schema="intake")
    op.drop_table("spent_challenges", schema="intake")
    op.drop_index("ix_reports_filed_on_id", table_name="reports", schema="intake")
    op.drop_table("reports", schema="intake")
    op.drop_table("log_tiles", schema="intake")
    op.drop_table("log_records", schema="intake")
    op.drop_table("log_entries", schema="intake")
    op.drop_table("log_checkpoints", schema="intake")
    op.drop_table("job_runs", schema="intake")
    op.drop_index("ix_idempotency_keys_expires", table_name="idempotency_keys", schema="intake")
    op.drop_table("idempotency_keys", schema="intake")
    op.drop_table("directories", schema="intake")
