"""All SQL of identity requests. Functions take a connection inside a transaction that the edge commits."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.models import (
    identity_decisions,
    identity_openings,
    identity_reasons,
    identity_releases,
    identity_requests,
    log_records,
    reports,
    shares,
    undertakings,
)
from services.intake.store import assigned_to


@dataclass(frozen=True)
class NewRequest:
    """A checked request on its way into the store: the columns of its row, and the sealed reason."""

    values: dict[str, Any]
    reasons: Sequence[bytes]


async def report_by_rid(conn: AsyncConnection, rid: bytes, person: uuid.UUID | None) -> Row[Any] | None:
    """The report with this rid; with `person`, only when it is assigned to them."""
    query = select(reports).where(reports.c.rid == rid)
    if person is not None:
        query = query.where(assigned_to(person))
    return (await conn.execute(query)).one_or_none()


async def add_request(conn: AsyncConnection, new: NewRequest) -> bool:
    """Store a request; False when its id or its digest is taken."""
    added = await conn.scalar(
        pg_insert(identity_requests)
        .values(**new.values)
        .on_conflict_do_nothing()
        .returning(identity_requests.c.id)
    )
    if added is None:
        return False
    lines = [
        {"id": uuid.uuid4(), "request_id": added, "place": place, "sealed": sealed}
        for place, sealed in enumerate(new.reasons)
    ]
    await conn.execute(insert(identity_reasons), lines)
    return True


def _count(table: Any, *conditions: Any) -> ColumnElement[Any]:
    return (
        select(func.count())
        .where(table.c.request_id == identity_requests.c.id, *conditions)
        .scalar_subquery()
    )


def _requests() -> Any:
    """Requests with their report, the salt of their record, and how many decided and released."""
    decided = identity_decisions.c.approves
    return (
        select(
            identity_requests,
            log_records.c.salt,
            *[
                reports.c[name]
                for name in (
                    "reference", "rid", "manifest", "amount_band", "category", "channel", "language", "region",
                    "sector", "urgency", "year",
                )
            ],
            _count(identity_decisions, decided).label("approvals"),
            _count(identity_decisions, ~decided).label("refusals"),
            _count(identity_releases).label("releases"),
        )
        .join(reports, reports.c.id == identity_requests.c.report_id)
        .join(log_records, log_records.c.leaf == identity_requests.c.leaf)
    )  # fmt: skip


async def request(conn: AsyncConnection, request_id: uuid.UUID) -> Row[Any] | None:
    """One request, as `requests` gives it."""
    row: Row[Any] | None = (
        await conn.execute(_requests().where(identity_requests.c.id == request_id))
    ).one_or_none()
    return row


async def lock_request(conn: AsyncConnection, request_id: uuid.UUID) -> None:
    """Hold a request against other writers until the end of the transaction."""
    await conn.execute(
        select(identity_requests.c.id).where(identity_requests.c.id == request_id).with_for_update()
    )


async def requests(
    conn: AsyncConnection, asker: uuid.UUID | None, after: tuple[date, uuid.UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """Requests newest first; with `asker`, only theirs."""
    conditions: list[Any] = [identity_requests.c.asker == asker] if asker else []
    if after is not None:
        conditions.append(tuple_(identity_requests.c.day, identity_requests.c.id) < after)
    query = (
        _requests()
        .where(and_(True, *conditions))
        .order_by(identity_requests.c.day.desc(), identity_requests.c.id.desc())
        .limit(limit)
    )
    return (await conn.execute(query)).all()


async def others_of(
    conn: AsyncConnection, report_id: uuid.UUID, request_id: uuid.UUID
) -> Sequence[Row[Any, Any, Any, Any, Any]]:
    """The other requests for a report, oldest first."""
    rows = await conn.execute(
        select(*(identity_requests.c[name] for name in ("id", "ground", "day", "state", "expires")))
        .where(identity_requests.c.report_id == report_id, identity_requests.c.id != request_id)
        .order_by(identity_requests.c.day, identity_requests.c.id)
    )
    return rows.all()


async def reasons_of(conn: AsyncConnection, request_id: uuid.UUID) -> list[bytes]:
    """The files of the sealed reason in order."""
    rows = await conn.execute(
        select(identity_reasons.c.sealed)
        .where(identity_reasons.c.request_id == request_id)
        .order_by(identity_reasons.c.place)
    )
    return [bytes(sealed) for sealed in rows.scalars()]


async def set_state(conn: AsyncConnection, request_id: uuid.UUID, state: str) -> None:
    await conn.execute(
        update(identity_requests).where(identity_requests.c.id == request_id).values(state=state)
    )


# --- decisions


async def decisions_of(conn: AsyncConnection, request_id: uuid.UUID) -> Sequence[Row[Any]]:
    rows = await conn.execute(
        select(identity_decisions)
        .where(identity_decisions.c.request_id == request_id)
        .order_by(identity_decisions.c.seat)
    )
    return rows.all()


async def add_decision(conn: AsyncConnection, **values: Any) -> bool:
    """Store a decision; False when its seat or its person has decided already."""
    added = await conn.scalar(
        pg_insert(identity_decisions)
        .values(id=uuid.uuid4(), **values)
        .on_conflict_do_nothing()
        .returning(identity_decisions.c.id)
    )
    return added is not None


# --- shares and releases


async def share(conn: AsyncConnection, report_id: uuid.UUID, seat: int) -> bytes | None:
    """The sealed share of a seat of a report."""
    found: bytes | None = await conn.scalar(
        select(shares.c.sealed).where(shares.c.report_id == report_id, shares.c.seat == seat)
    )
    return found


async def releases_of(conn: AsyncConnection, request_id: uuid.UUID) -> Sequence[Row[Any]]:
    rows = await conn.execute(
        select(identity_releases)
        .where(identity_releases.c.request_id == request_id)
        .order_by(identity_releases.c.seat)
    )
    return rows.all()


async def add_release(conn: AsyncConnection, **values: Any) -> bool:
    """Store a release; False when the seat has released already."""
    added = await conn.scalar(
        pg_insert(identity_releases)
        .values(id=uuid.uuid4(), **values)
        .on_conflict_do_nothing()
        .returning(identity_releases.c.id)
    )
    return added is not None


# --- undertakings and openings


async def undertaking_of(conn: AsyncConnection, request_id: uuid.UUID) -> Row[Any] | None:
    rows = await conn.execute(select(undertakings).where(undertakings.c.request_id == request_id))
    return rows.one_or_none()


async def add_undertaking(conn: AsyncConnection, **values: Any) -> bool:
    """Store an undertaking; False when there is one for this request."""
    added = await conn.scalar(
        pg_insert(undertakings)
        .values(id=uuid.uuid4(), **values)
        .on_conflict_do_nothing()
        .returning(undertakings.c.id)
    )
    return added is not None


async def register(
    conn: AsyncConnection, after: tuple[date, uuid.UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """Undertakings newest first, with the reference of their report."""
    query = select(undertakings, reports.c.reference).join(reports, reports.c.id == undertakings.c.report_id)
    if after is not None:
        query = query.where(tuple_(undertakings.c.day, undertakings.c.id) < after)
    query = query.order_by(undertakings.c.day.desc(), undertakings.c.id.desc()).limit(limit)
    return (await conn.execute(query)).all()


async def opening_of(conn: AsyncConnection, request_id: uuid.UUID) -> Row[Any] | None:
    rows = await conn.execute(select(identity_openings).where(identity_openings.c.request_id == request_id))
    return rows.one_or_none()


async def add_opening(conn: AsyncConnection, **values: Any) -> None:
    await conn.execute(insert(identity_openings).values(id=uuid.uuid4(), **values))


async def openings_shown(conn: AsyncConnection, report_id: uuid.UUID, today: date) -> Sequence[Row[Any, Any]]:
    """Day and ground of the openings of a report that its inbox shows today, oldest first."""
    rows = await conn.execute(
        select(identity_openings.c.day, identity_openings.c.ground)
        .where(identity_openings.c.report_id == report_id, identity_openings.c.shown_from <= today)
        .order_by(identity_openings.c.day, identity_openings.c.id)
    )
    return rows.all()
