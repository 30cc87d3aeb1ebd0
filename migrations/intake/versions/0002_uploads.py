"""Drafts, and the files uploaded for them before the report is filed.

Today's code must run before and after this migration. Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="SHA-256 of what the reporter holds"),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False, comment="whole hours"),
        sa.Column(
            "dir_seq",
            sa.Integer(),
            nullable=True,
            comment="plain mode: the directory whose desk has the grant",
        ),
        sa.Column(
            "report_recipient", sa.Text(), nullable=True, comment="plain mode: public half of the report key"
        ),
        sa.Column("desk", sa.Text(), nullable=True),
        sa.Column(
            "sealed_grant",
            sa.LargeBinary(),
            nullable=True,
            comment="plain mode: the report key, sealed to the desk",
        ),
        sa.CheckConstraint("mode IN ('sealed', 'plain')", name=op.f("ck_drafts_mode")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
        sa.UniqueConstraint("secret", name=op.f("uq_drafts_secret")),
        schema="intake",
    )
    op.create_index("ix_drafts_expires", "drafts", ["expires"], unique=False, schema="intake")
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False, comment="name in the blob store"),
        sa.Column("length", sa.BigInteger(), nullable=False, comment="bytes announced"),
        sa.Column(
            "received", sa.BigInteger(), nullable=False, comment="bytes of it that are durable: Upload-Offset"
        ),
        sa.Column(
            "stored",
            sa.BigInteger(),
            nullable=False,
            comment="durable bytes of the file; what follows is cut",
        ),
        sa.Column(
            "segments",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="plain mode: [plain bytes, file bytes] of each segment",
        ),
        sa.Column(
            "sha256", sa.LargeBinary(), nullable=True, comment="of the whole file, once it is complete"
        ),
        sa.CheckConstraint("received <= length", name=op.f("ck_uploads_received")),
        sa.ForeignKeyConstraint(["draft_id"], ["intake.drafts.id"], name=op.f("fk_uploads_draft_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("blob", name=op.f("uq_uploads_blob")),
        schema="intake",
    )
    op.create_index("ix_uploads_draft_id", "uploads", ["draft_id"], unique=False, schema="intake")
    op.create_index("uq_parts_blob", "parts", ["blob"], unique=True, schema="intake")


def downgrade() -> None:
    op.drop_index("uq_parts_blob", table_name="parts", schema="intake")
    op.drop_index("ix_uploads_draft_id", table_name="uploads", schema="intake")
    op.drop_table("uploads", schema="intake")
    op.drop_index("ix_drafts_expires", table_name="drafts", schema="intake")
    op.drop_table("drafts", schema="intake")
