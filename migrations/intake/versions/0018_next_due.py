"""The first running time limit of a case stands with the case, so that a list finds what is overdue without its limits.

The database keeps it, whoever changes a limit: today's code runs before and after it. On a million reports the new index
takes some seconds in which filing waits.
Revision 0018, after 0017.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_FILTERS = ("state", "category", "region", "sector", "mode", "lane")
_NEXT = (
    "SELECT min(d.due) FROM intake.deadlines d"
    " WHERE d.report_id = {report} AND d.met_on IS NULL AND d.ended_on IS NULL"
)
_FUNCTION = f"""
CREATE FUNCTION intake.note_next_due() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE intake.reports r SET next_due = ({_NEXT.format(report="r.id")})
    WHERE r.id = coalesce(NEW.report_id, OLD.report_id);
    RETURN NULL;
END $$
"""  # noqa: S608 - no value in it
_TRIGGER = (
    "CREATE TRIGGER note_next_due AFTER INSERT OR DELETE OR UPDATE OF due, met_on, ended_on ON intake.deadlines"
    " FOR EACH ROW EXECUTE FUNCTION intake.note_next_due()"
)


def upgrade() -> None:
    column = sa.Column("next_due", sa.Date(), nullable=True, comment="last day of the first limit that runs")
    op.add_column("reports", column, schema="intake")
    op.execute(
        f"UPDATE intake.reports r SET next_due = ({_NEXT.format(report='r.id')})"  # noqa: S608
        " WHERE EXISTS (SELECT FROM intake.deadlines d WHERE d.report_id = r.id)"
    )
    op.execute(_FUNCTION)
    op.execute("REVOKE ALL ON FUNCTION intake.note_next_due() FROM PUBLIC")
    op.execute(_TRIGGER)
    op.create_index(
        "ix_reports_list_due",
        "reports",
        ["filed_on", "id"],
        schema="intake",
        postgresql_include=["next_due", "register_by", *_FILTERS],
        postgresql_where=sa.text("next_due IS NOT NULL OR state = 'received'"),
    )


def downgrade() -> None:
    op.drop_index("ix_reports_list_due", table_name="reports", schema="intake")
    op.execute("DROP TRIGGER note_next_due ON intake.deadlines")
    op.execute("DROP FUNCTION intake.note_next_due()")
    op.drop_column("reports", "next_due", schema="intake")
