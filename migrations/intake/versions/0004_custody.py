"""Identity requests, sealed reasons, decisions, releases, undertakings, openings.

Nothing here is an identity: shares stay where they are, releases are sealed to the asker. Revision 0004, after 0003.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    "identity_openings",
    "undertakings",
    "identity_releases",
    "identity_decisions",
    "identity_reasons",
    "identity_requests",
)


def _of(table: str, *targets: str) -> list[Any]:
    """The primary key, and a column with its foreign key for each target (`request`, `report`)."""
    names = {"request": "identity_requests", "report": "reports"}
    made: list[Any] = [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]
    for target in targets:
        key = sa.ForeignKeyConstraint(
            [f"{target}_id"], [f"intake.{names[target]}.id"], name=op.f(f"fk_{table}_{target}_id")
        )
        made += [sa.Column(f"{target}_id", sa.Uuid(), nullable=False), key]
    return made


def _bytes(name: str, comment: str | None = None) -> Any:
    return sa.Column(name, sa.LargeBinary(), nullable=False, comment=comment)


def _document(comment: str) -> Any:
    return sa.Column("document", postgresql.JSONB(), nullable=False, comment=comment)


def _day(name: str = "day", comment: str | None = None) -> Any:
    return sa.Column(name, sa.Date(), nullable=False, comment=comment)


def _seat(name: str = "seat", comment: str | None = None) -> Any:
    return sa.Column(name, sa.SmallInteger(), nullable=False, comment=comment)


def upgrade() -> None:
    op.create_table(
        "identity_requests",
        *_of("identity_requests", "report"),
        _bytes("digest", "H: the request's name everywhere"),
        _document("signed by the asker"),
        sa.Column("asker", sa.Uuid(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("deferral", sa.Date()),
        _day(),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        _seat("k", "approvals needed"),
        _seat("n", "seats that may decide"),
        sa.Column("state", sa.Text(), nullable=False),
        _bytes("leaf", "of its log record, which has the salt"),
        sa.CheckConstraint(
            "state IN ('open', 'approved', 'refused', 'released', 'opened')",
            name=op.f("ck_identity_requests_state"),
        ),
        sa.UniqueConstraint("digest", name=op.f("uq_identity_requests_digest")),
        schema="intake",
    )
    _index("identity_requests", "report_id")
    _index("identity_requests", "asker")
    op.create_table(
        "identity_reasons",
        *_of("identity_reasons", "request"),
        _seat("place"),
        _bytes("sealed", "sealed to at most eight seats"),
        schema="intake",
    )
    _unique("identity_reasons", "request_place", "request_id", "place")
    op.create_table(
        "identity_decisions",
        *_of("identity_decisions", "request"),
        _seat(),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("approves", sa.Boolean(), nullable=False),
        _bytes("digest"),
        _document("signed by the seat and by its holder"),
        _day(),
        schema="intake",
    )
    _unique("identity_decisions", "request_seat", "request_id", "seat")
    _unique("identity_decisions", "request_person", "request_id", "person")
    op.create_table(
        "identity_releases",
        *_of("identity_releases", "request"),
        _seat(),
        _bytes("sealed", "sealed to the asker"),
        _bytes("sha256"),
        _day(),
        schema="intake",
    )
    _unique("identity_releases", "request_seat", "request_id", "seat")
    op.create_table(
        "undertakings",
        *_of("undertakings", "request", "report"),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False, comment="code of the version of the text"),
        _bytes("digest"),
        _document("signed by the person"),
        _day(),
        schema="intake",
    )
    _unique("undertakings", "request", "request_id")
    op.create_index("ix_undertakings_day_id", "undertakings", ["day", "id"], schema="intake")
    op.create_table(
        "identity_openings",
        *_of("identity_openings", "request", "report"),
        sa.Column("ground", sa.Text(), nullable=False),
        _day(),
        _day("shown_from", "the end of an approved deferral"),
        schema="intake",
    )
    _unique("identity_openings", "request", "request_id")
    _index("identity_openings", "report_id")


def _index(table: str, column: str) -> None:
    op.create_index(f"ix_{table}_{column}", table, [column], schema="intake")


def _unique(table: str, name: str, *columns: str) -> None:
    op.create_index(f"uq_{table}_{name}", table, list(columns), unique=True, schema="intake")


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema="intake")
