"""The folder of a case: notes, labels, links, and packages made for other bodies.

Yesterday's code runs on it: the new tables are not asked for.
Revision 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _notes()
    _labels()
    _links()
    _packages()


def _notes() -> None:
    op.create_table(
        "case_notes",
        sa.Column("id", sa.Uuid(), nullable=False, comment="made by the client, and signed inside the note"),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="sealed to the key of the report"),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_case_notes_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_notes")),
        schema="intake",
    )
    op.create_index("ix_case_notes_report_id", "case_notes", ["report_id"], schema="intake")


def _labels() -> None:
    op.create_table(
        "case_labels",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False, comment="code of reference/folder/case_labels.json"),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_case_labels_report_id")),
        sa.PrimaryKeyConstraint("report_id", "label", name=op.f("pk_case_labels")),
        schema="intake",
    )
    op.create_index("ix_case_labels_label", "case_labels", ["label"], schema="intake")


def _links() -> None:
    op.create_table(
        "case_links",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint("kind IN ('linked', 'duplicate_of')", name=op.f("ck_case_links_kind")),
        sa.CheckConstraint("report_id <> other_id", name=op.f("ck_case_links_two_cases")),
        sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f("fk_case_links_report_id")),
        sa.ForeignKeyConstraint(["other_id"], ["intake.reports.id"], name=op.f("fk_case_links_other_id")),
        sa.PrimaryKeyConstraint("report_id", "other_id", name=op.f("pk_case_links")),
        schema="intake",
    )
    pair = [sa.text("least(report_id, other_id)"), sa.text("greatest(report_id, other_id)")]
    op.create_index("uq_case_links_pair", "case_links", pair, unique=True, schema="intake")
    op.create_index(
        "uq_case_links_duplicate", "case_links", ["report_id"], unique=True, schema="intake",
        postgresql_where=sa.text("kind = 'duplicate_of'"),
    )  # fmt: skip
    op.create_index("ix_case_links_other_id", "case_links", ["other_id"], schema="intake")


def _packages() -> None:
    op.create_table(
        "packages_made",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="code of the body that it is for"),
        sa.Column(
            "sha256", sa.LargeBinary(), nullable=False, comment="of the age file, which the server never saw"
        ),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["intake.reports.id"], name=op.f("fk_packages_made_report_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_packages_made")),
        schema="intake",
    )
    op.create_index("ix_packages_made_report_id", "packages_made", ["report_id"], schema="intake")


def downgrade() -> None:
    for name in ("packages_made", "case_links", "case_labels", "case_notes"):
        op.drop_table(name, schema="intake")
