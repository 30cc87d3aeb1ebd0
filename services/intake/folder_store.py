"""SQL of a case's folder. Reports whose links or lane change are locked by the caller."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.folder import DUPLICATE
from services.intake.folder_models import case_labels, case_links, case_notes, packages_made
from services.intake.models import log_records, reports


@dataclass(frozen=True)
class NewNote:
    """A sealed note; `id` is the client's."""

    id: uuid.UUID
    author: uuid.UUID
    day: date
    sealed: bytes


# --- notes


async def add_note(conn: AsyncConnection, report_id: uuid.UUID, note: NewNote) -> Row[Any] | None:
    """Store a note; the stored one. None when another note has its id: a repeat finds itself."""
    statement = pg_insert(case_notes).values(report_id=report_id, **vars(note))
    await conn.execute(statement.on_conflict_do_nothing())
    row = (await conn.execute(select(case_notes).where(case_notes.c.id == note.id))).one()
    same = (row.report_id, row.author, bytes(row.sealed)) == (report_id, note.author, note.sealed)
    return row if same else None


async def notes_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[Any]]:
    """The notes of a report, by day."""
    query = select(case_notes).where(case_notes.c.report_id == report_id)
    return (await conn.execute(query.order_by(case_notes.c.day, case_notes.c.id))).all()


# --- labels


async def labels_of(conn: AsyncConnection, report_id: uuid.UUID) -> list[str]:
    """The labels of a report, sorted."""
    query = select(case_labels.c.label).where(case_labels.c.report_id == report_id)
    return list((await conn.execute(query.order_by(case_labels.c.label))).scalars())


async def add_labels(
    conn: AsyncConnection, report_id: uuid.UUID, labels: Collection[str], person: uuid.UUID, day: date
) -> None:
    """Put labels on a report; those that it has stay as they are."""
    rows = [
        {"report_id": report_id, "label": label, "person": person, "day": day} for label in sorted(labels)
    ]
    if rows:
        await conn.execute(pg_insert(case_labels).on_conflict_do_nothing(), rows)


async def keep_labels(conn: AsyncConnection, report_id: uuid.UUID, labels: Collection[str]) -> None:
    """Take every other label off a report."""
    others = case_labels.c.label.not_in(labels)
    await conn.execute(delete(case_labels).where(case_labels.c.report_id == report_id, others))


def labelled(label: str) -> ColumnElement[bool]:
    """The report of the outer query has a label."""
    return exists().where(case_labels.c.report_id == reports.c.id, case_labels.c.label == label)


def label_list() -> ColumnElement[Any]:
    """The labels of the report of the outer query; null for none."""
    return (
        select(func.array_agg(case_labels.c.label))
        .where(case_labels.c.report_id == reports.c.id)
        .scalar_subquery()
    )


# --- links


async def lock_all(conn: AsyncConnection, ids: Iterable[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Lock reports, always in the same order, so that two requests never wait for each other; those that exist."""
    query = select(reports.c.id).where(reports.c.id.in_(list(ids))).order_by(reports.c.id).with_for_update()
    return frozenset((await conn.execute(query)).scalars())


@dataclass(frozen=True)
class LinkFacts:
    """What stands between two reports, and what the first and the second are to others."""

    linked: bool
    links: int
    duplicates: int
    target_is_duplicate: bool


async def link_facts(conn: AsyncConnection, one: uuid.UUID, other: uuid.UUID) -> LinkFacts:
    """`links` and `duplicates` (both ways) are those of `one`; bounded work however many duplicates `other` has."""
    touching = or_(case_links.c.report_id == one, case_links.c.other_id == one)
    pair = or_(
        and_(case_links.c.report_id == one, case_links.c.other_id == other),
        and_(case_links.c.report_id == other, case_links.c.other_id == one),
    )
    twin = exists().where(case_links.c.report_id == other, case_links.c.kind == DUPLICATE)
    row = (
        await conn.execute(
            select(
                func.coalesce(func.bool_or(pair), False),
                func.count(),
                func.count().filter(case_links.c.kind == DUPLICATE),
                select(twin).scalar_subquery(),
            ).where(touching)
        )
    ).one()
    return LinkFacts(*row)


async def links_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[*tuple[Any, ...]]]:
    """Links of a report, as seen from it: `case`, `reference`, `kind`, `person`, `day`."""
    mine = case_links.c.report_id == report_id
    other = case((mine, case_links.c.other_id), else_=case_links.c.report_id)
    back = and_(~mine, case_links.c.kind == DUPLICATE)
    kind = case((back, "has_duplicate"), else_=case_links.c.kind)
    rows = await conn.execute(
        select(
            reports.c.id.label("case"), reports.c.reference, kind.label("kind"), case_links.c.person,
            case_links.c.day,
        )
        .join(reports, reports.c.id == other)
        .where(or_(mine, case_links.c.other_id == report_id))
        .order_by(case_links.c.day, reports.c.reference)
    )  # fmt: skip
    return rows.all()


async def add_link(
    conn: AsyncConnection, report_id: uuid.UUID, other_id: uuid.UUID, kind: str, person: uuid.UUID, day: date
) -> None:
    """Link two locked reports that have no link."""
    values = {"report_id": report_id, "other_id": other_id, "kind": kind, "person": person, "day": day}
    await conn.execute(insert(case_links).values(**values))


async def drop_link(conn: AsyncConnection, one: uuid.UUID, other: uuid.UUID) -> bool:
    """Take away the link between two reports, whichever was named first; False when there is none."""
    forth = and_(case_links.c.report_id == one, case_links.c.other_id == other)
    back = and_(case_links.c.report_id == other, case_links.c.other_id == one)
    gone = await conn.scalar(delete(case_links).where(or_(forth, back)).returning(case_links.c.kind))
    return gone is not None


# --- packages, the lane, the log


async def add_package(
    conn: AsyncConnection, report_id: uuid.UUID, made: dict[str, Any], person: uuid.UUID, day: date
) -> None:
    """Record a package that was made of a report: `body`, `sha256`, `size`."""
    await conn.execute(
        insert(packages_made).values(id=uuid.uuid4(), report_id=report_id, person=person, day=day, **made)
    )


async def packages_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[Any]]:
    """The packages that were made of a report, by day."""
    query = select(packages_made).where(packages_made.c.report_id == report_id)
    return (await conn.execute(query.order_by(packages_made.c.day, packages_made.c.id))).all()


async def set_lane(conn: AsyncConnection, report_id: uuid.UUID, lane: str) -> None:
    """Move a locked report to a lane."""
    await conn.execute(update(reports).where(reports.c.id == report_id).values(lane=lane))


async def log_record(conn: AsyncConnection, leaf: bytes) -> Row[Any] | None:
    """The record of a leaf with its salt; None once it was erased."""
    query = select(log_records).where(log_records.c.leaf == leaf, log_records.c.salt.is_not(None))
    return (await conn.execute(query)).one_or_none()
