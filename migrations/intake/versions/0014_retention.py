"""Retention and deletion: what was read, holds, proposals, tombstones, and the one way in which a report goes.

`intake.erase_report` runs as the owner of the schema, so that the service's own login needs no right to delete what is
sealed, logged or filed. It trusts nobody who calls it: without a proposal of somebody else it deletes nothing, nor
while a part is unread, a clock runs or a hold stands.

Yesterday's code runs on it: it asks for no record of a deleted report, and writes the columns that may be null now.
Revision 0014, after 0013.
"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

#: The rid, or the digest of the identity request, that a record of the log is about: both have 43 characters.
_ABOUT = """COALESCE(substring(encode(record, 'escape'), '"rid":"([A-Za-z0-9_-]{43})"'),
    substring(encode(record, 'escape'), '"request":"([A-Za-z0-9_-]{43})"'))"""


def upgrade() -> None:
    _reads()
    _holds()
    _deletions()
    _tombstones()
    _log()
    op.execute(_ERASE)
    op.execute(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC")


def _report() -> sa.Column[uuid.UUID]:
    return sa.Column("report_id", sa.Uuid(), nullable=False)


def _of_report(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["report_id"], ["intake.reports.id"], name=op.f(f"fk_{table}_report_id"))


def _reads() -> None:
    op.create_table(
        "case_reads",
        _report(),
        sa.Column(
            "number",
            sa.Integer(),
            nullable=False,
            comment="parts up to this one were opened, checked and shown",
        ),
        sa.Column("day", sa.Date(), nullable=False),
        _of_report("case_reads"),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_case_reads")),
        schema="intake",
    )


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        _report(),
        sa.Column("placed_by", sa.Uuid(), nullable=False),
        sa.Column("placed_on", sa.Date(), nullable=False),
        sa.Column("released_by", sa.Uuid()),
        sa.Column("released_on", sa.Date()),
        sa.CheckConstraint("(released_by IS NULL) = (released_on IS NULL)", name=op.f("ck_holds_released")),
        _of_report("holds"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        schema="intake",
    )
    op.create_index(
        "uq_holds_report_now", "holds", ["report_id"], unique=True, schema="intake",
        postgresql_where=sa.text("released_on IS NULL"),
    )  # fmt: skip


def _deletions() -> None:
    op.create_table(
        "deletions",
        sa.Column("id", sa.Uuid(), nullable=False),
        _report(),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "last_part", sa.Integer(), nullable=False, comment="newest part that the proposal is about"
        ),
        sa.Column("refused_by", sa.Uuid()),
        sa.Column("refused_on", sa.Date()),
        sa.CheckConstraint("(refused_by IS NULL) = (refused_on IS NULL)", name=op.f("ck_deletions_refused")),
        _of_report("deletions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletions")),
        schema="intake",
    )
    op.create_index(
        "uq_deletions_report_open", "deletions", ["report_id"], unique=True, schema="intake",
        postgresql_where=sa.text("refused_on IS NULL"),
    )  # fmt: skip


def _tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "lookup_mac",
            sa.LargeBinary(),
            nullable=False,
            comment="so that the receipt learns of the deletion",
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False, comment="of the log record of the deletion"),
        sa.Column(
            "records",
            sa.Integer(),
            nullable=False,
            comment="log records whose text and salt went with it",
        ),
        sa.CheckConstraint("proposed_by <> approved_by", name=op.f("ck_tombstones_four_eyes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tombstones")),
        schema="intake",
    )
    op.create_index("ix_tombstones_lookup_mac", "tombstones", ["lookup_mac"], schema="intake")
    op.create_index("ix_tombstones_day_id", "tombstones", ["day", "id"], schema="intake")
    op.create_table(
        "doomed_blobs",
        sa.Column(
            "blob",
            sa.Text(),
            nullable=False,
            comment="file of a deleted report that is still to be deleted",
        ),
        sa.PrimaryKeyConstraint("blob", name=op.f("pk_doomed_blobs")),
        schema="intake",
    )


def _log() -> None:
    for name, comment in (
        ("record", "null once erased: the leaf then says nothing any more"),
        ("salt", "null once erased"),
    ):
        op.alter_column("log_records", name, nullable=True, comment=comment, schema="intake")
    op.create_check_constraint(
        op.f("ck_log_records_erased"), "log_records", "(record IS NULL) = (salt IS NULL)", schema="intake"
    )
    op.create_index("ix_log_records_about", "log_records", [sa.text(_ABOUT)], schema="intake")


_SIGNATURE = "intake.erase_report(uuid, uuid, date, uuid, bytea)"
#: Every table that names a report, in an order in which nothing points at what is gone already.
_ERASE = f"""
CREATE FUNCTION intake.erase_report(
    proposal uuid, approver uuid, today date, tombstone uuid, deletion_leaf bytea
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked intake.deletions;
    gone intake.reports;
    erased integer;
BEGIN
    SELECT * INTO asked FROM intake.deletions WHERE id = proposal AND refused_on IS NULL FOR UPDATE;
    IF asked.id IS NULL OR asked.proposed_by = approver THEN
        RAISE EXCEPTION 'a deletion takes two people';
    END IF;
    SELECT * INTO gone FROM intake.reports WHERE id = asked.report_id FOR UPDATE;
    IF gone.state NOT IN ('returned', 'forwarded', 'closed') THEN
        RAISE EXCEPTION 'the case has not ended';
    END IF;
    IF coalesce((SELECT number FROM intake.case_reads WHERE report_id = gone.id), -1)
        < (SELECT max(number) FROM intake.parts WHERE report_id = gone.id AND author = 'reporter')
    THEN
        RAISE EXCEPTION 'a part is unread';
    END IF;
    IF EXISTS (SELECT FROM intake.deadlines
               WHERE report_id = gone.id AND met_on IS NULL AND ended_on IS NULL)
        OR EXISTS (SELECT FROM intake.holds WHERE report_id = gone.id AND released_on IS NULL)
    THEN
        RAISE EXCEPTION 'a clock or a hold is in the way';
    END IF;

    UPDATE intake.log_records SET record = NULL, salt = NULL
    WHERE {_ABOUT} IN (
        SELECT rtrim(translate(encode(name, 'base64'), E'+/\\n', '-_'), '=')
        FROM (SELECT gone.rid AS name
              UNION ALL SELECT digest FROM intake.identity_requests WHERE report_id = gone.id) AS names
    );
    GET DIAGNOSTICS erased = ROW_COUNT;
    INSERT INTO intake.tombstones (id, lookup_mac, day, ground, proposed_by, approved_by, leaf, records)
    VALUES (tombstone, gone.lookup_mac, today, asked.ground, asked.proposed_by, approver, deletion_leaf, erased);
    INSERT INTO intake.doomed_blobs
    SELECT blob FROM intake.parts WHERE report_id = gone.id AND blob IS NOT NULL ON CONFLICT DO NOTHING;

    DELETE FROM intake.identity_openings WHERE report_id = gone.id;
    DELETE FROM intake.undertakings WHERE report_id = gone.id;
    DELETE FROM intake.identity_releases AS one USING intake.identity_requests AS request
    WHERE one.request_id = request.id AND request.report_id = gone.id;
    DELETE FROM intake.identity_decisions AS one USING intake.identity_requests AS request
    WHERE one.request_id = request.id AND request.report_id = gone.id;
    DELETE FROM intake.identity_reasons AS one USING intake.identity_requests AS request
    WHERE one.request_id = request.id AND request.report_id = gone.id;
    DELETE FROM intake.identity_requests WHERE report_id = gone.id;
    DELETE FROM intake.disclosures WHERE report_id = gone.id;
    DELETE FROM intake.protections WHERE report_id = gone.id;
    DELETE FROM intake.notice_addresses WHERE report_id = gone.id;
    DELETE FROM intake.packages_made WHERE report_id = gone.id;
    DELETE FROM intake.case_links WHERE gone.id IN (report_id, other_id);
    DELETE FROM intake.case_labels WHERE report_id = gone.id;
    DELETE FROM intake.case_notes WHERE report_id = gone.id;
    DELETE FROM intake.deadlines WHERE report_id = gone.id;
    DELETE FROM intake.classifications WHERE report_id = gone.id;
    DELETE FROM intake.states WHERE report_id = gone.id;
    DELETE FROM intake.assignments WHERE report_id = gone.id;
    DELETE FROM intake.grants WHERE report_id = gone.id;
    DELETE FROM intake.shares WHERE report_id = gone.id;
    DELETE FROM intake.parts WHERE report_id = gone.id;
    DELETE FROM intake.case_reads WHERE report_id = gone.id;
    DELETE FROM intake.holds WHERE report_id = gone.id;
    DELETE FROM intake.deletions WHERE report_id = gone.id;
    DELETE FROM intake.reports WHERE id = gone.id;
END
$$
"""  # noqa: S608 - names of our own tables


def downgrade() -> None:
    """Records of deleted reports cannot come back: their rows go with the columns' right to be empty."""
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
    op.drop_index("ix_log_records_about", table_name="log_records", schema="intake")
    op.drop_constraint(op.f("ck_log_records_erased"), "log_records", schema="intake")
    op.execute("DELETE FROM intake.log_records WHERE record IS NULL")
    for name in ("salt", "record"):
        op.alter_column("log_records", name, nullable=False, comment=None, schema="intake")
    for name in ("doomed_blobs", "tombstones", "deletions", "holds", "case_reads"):
        op.drop_table(name, schema="intake")
