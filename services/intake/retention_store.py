"""SQL of retention: facts of cases, reads, holds, proposals, deletion, what stays. Reports are locked by the caller."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.models import reports
from services.intake.retention import END_STATES, Facts
from services.intake.retention_models import case_reads, deletions, doomed_blobs, holds, tombstones

#: What else forbids a deletion: each flag is a reason of `retention.REASONS`. An event names no report, so every sealed
#: one that waits from a day on which this case got an outcome counts.
_FACTS = text(
    """
    SELECT r.id, r.state, r.outcome,
        (SELECT max(day) FROM intake.states WHERE report_id = r.id) AS ended,
        p.heard, p.reporter, p.words, p.answer,
        coalesce((SELECT number FROM intake.case_reads WHERE report_id = r.id), -1) AS read,
        EXISTS (SELECT FROM intake.deadlines WHERE report_id = r.id AND met_on IS NULL AND ended_on IS NULL)
            AS clock_runs,
        EXISTS (SELECT FROM intake.identity_requests WHERE report_id = r.id
            AND (state = 'released' OR (state IN ('open', 'approved') AND expires > :now))) AS identity_asked,
        EXISTS (SELECT FROM intake.identity_openings WHERE report_id = r.id AND shown_from > :today) AS opening_hidden,
        EXISTS (SELECT FROM intake.disclosures AS d WHERE d.report_id = r.id
            AND NOT EXISTS (SELECT FROM intake.disclosure_ends WHERE disclosure_id = d.id)) AS incident_open,
        EXISTS (SELECT FROM intake.protections WHERE report_id = r.id AND (status <> 'ended' OR ends >= :today))
            AS protected,
        EXISTS (SELECT FROM intake.outbox AS o JOIN intake.states AS s ON s.day = o.day
            WHERE s.report_id = r.id AND s.outcome IS NOT NULL AND o.sealed IS NOT NULL) AS event_waits,
        r.pending_lookup_mac IS NOT NULL AS code_pending,
        r.code_suspect,
        EXISTS (SELECT FROM intake.holds WHERE report_id = r.id AND released_on IS NULL) AS held
    FROM intake.reports AS r
    CROSS JOIN LATERAL (
        SELECT max(day) AS heard,
            coalesce(max(number) FILTER (WHERE author = 'reporter'), -1) AS reporter,
            coalesce(max(number) FILTER (
                WHERE author = 'reporter' AND role IN ('narrative', 'identity', 'message', 'retaliation')), -1) AS words,
            coalesce(max(number) FILTER (WHERE author <> 'reporter' AND role IN ('message', 'outcome')), -1) AS answer
        FROM intake.parts WHERE report_id = r.id
    ) AS p
    WHERE r.id = ANY(:ids)
    """
)
_PLAIN = ("state", "outcome", "ended", "heard", "reporter", "words", "answer", "read")
_FLAGS = (
    "clock_runs", "identity_asked", "opening_hidden", "incident_open", "protected", "event_waits", "code_pending",
    "code_suspect", "held",
)  # fmt: skip


async def facts_of(
    conn: AsyncConnection, ids: Collection[uuid.UUID], today: date, now: datetime
) -> dict[uuid.UUID, Facts]:
    """What the rules must know of each of these cases."""
    rows = await conn.execute(_FACTS, {"ids": list(ids), "today": today, "now": now})
    return {
        row.id: Facts(
            **{name: getattr(row, name) for name in _PLAIN},
            flags=frozenset(name for name in _FLAGS if getattr(row, name)),
        )
        for row in rows
    }


async def ended_cases(
    conn: AsyncConnection, after: tuple[date, uuid.UUID] | None, limit: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Cases in an end state, oldest filing first: `id`, `reference`, `filed_on`, `state`, `outcome`."""
    c = reports.c
    query = select(c.id, c.reference, c.filed_on, c.state, c.outcome).where(c.state.in_(sorted(END_STATES)))
    if after is not None:
        query = query.where(tuple_(c.filed_on, c.id) > after)
    return (await conn.execute(query.order_by(c.filed_on, c.id).limit(limit))).all()


# --- reads and holds


async def confirm_read(conn: AsyncConnection, report_id: uuid.UUID, number: int, day: date) -> Row[Any]:
    """Note that a report was read up to a part; what was read stays read. The row."""
    new = pg_insert(case_reads).values(report_id=report_id, number=number, day=day)
    known = case_reads.c
    further = new.on_conflict_do_update(
        index_elements=[known.report_id],
        set_={"number": new.excluded.number, "day": new.excluded.day},
        where=new.excluded.number > known.number,
    )
    await conn.execute(further)
    return (await conn.execute(select(case_reads).where(known.report_id == report_id))).one()


async def read_of(conn: AsyncConnection, report_id: uuid.UUID) -> Row[Any] | None:
    """How far a report was read."""
    return (await conn.execute(select(case_reads).where(case_reads.c.report_id == report_id))).one_or_none()


async def hold_of(conn: AsyncConnection, report_id: uuid.UUID) -> Row[Any] | None:
    """The hold in force."""
    query = select(holds).where(holds.c.report_id == report_id, holds.c.released_on.is_(None))
    return (await conn.execute(query)).one_or_none()


async def place_hold(conn: AsyncConnection, report_id: uuid.UUID, by: uuid.UUID, day: date) -> None:
    """Put a locked report under a hold."""
    values = {"id": uuid.uuid4(), "report_id": report_id, "placed_by": by, "placed_on": day}
    await conn.execute(insert(holds).values(**values))


async def release_hold(conn: AsyncConnection, hold_id: uuid.UUID, by: uuid.UUID, day: date) -> None:
    """End a hold; its row stays with the case."""
    await conn.execute(update(holds).where(holds.c.id == hold_id).values(released_by=by, released_on=day))


# --- proposals


@dataclass(frozen=True)
class NewProposal:
    """A proposal of one person; `last_part` is the newest part that it is about."""

    ground: str
    proposed_by: uuid.UUID
    day: date
    last_part: int


async def last_part(conn: AsyncConnection, report_id: uuid.UUID) -> int:
    """The number of the newest part of a report."""
    return int(
        await conn.scalar(
            text("SELECT max(number) FROM intake.parts WHERE report_id = :id"), {"id": report_id}
        )
        or 0
    )


async def propose(conn: AsyncConnection, report_id: uuid.UUID, new: NewProposal) -> uuid.UUID:
    """Store a proposal for a locked report that has none; its id."""
    id_ = uuid.uuid4()
    await conn.execute(insert(deletions).values(id=id_, report_id=report_id, **vars(new)))
    return id_


async def proposal_of(conn: AsyncConnection, report_id: uuid.UUID) -> Row[Any] | None:
    """The proposal that waits for a second person."""
    query = select(deletions).where(deletions.c.report_id == report_id, deletions.c.refused_on.is_(None))
    return (await conn.execute(query)).one_or_none()


async def refuse(conn: AsyncConnection, proposal: uuid.UUID, by: uuid.UUID, day: date) -> None:
    """Refuse a proposal; its row stays with the case."""
    await conn.execute(
        update(deletions).where(deletions.c.id == proposal).values(refused_by=by, refused_on=day)
    )


async def proposals_waiting(conn: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    """Proposals that wait for a second person, oldest first, with `reference`."""
    rows = await conn.execute(
        select(deletions, reports.c.reference)
        .join(reports, reports.c.id == deletions.c.report_id)
        .where(deletions.c.refused_on.is_(None))
        .order_by(deletions.c.day, deletions.c.id)
        .limit(limit)
    )
    return rows.all()


# --- deletion


async def erase(
    conn: AsyncConnection, proposal: uuid.UUID, approver: uuid.UUID, day: date, leaf: bytes
) -> uuid.UUID:
    """Delete everything of a locked report but its tombstone, whose id this is; its files wait in `doomed_blobs`."""
    id_ = uuid.uuid4()
    await conn.execute(
        text("SELECT intake.erase_report(:proposal, :approver, :day, :id, :leaf)"),
        {"proposal": proposal, "approver": approver, "day": day, "id": id_, "leaf": leaf},
    )
    return id_


async def doomed(conn: AsyncConnection, limit: int) -> list[str]:
    """Files of deleted reports that are still to be deleted."""
    return list((await conn.execute(select(doomed_blobs.c.blob).limit(limit))).scalars())


async def forget_doomed(conn: AsyncConnection, names: Iterable[str]) -> None:
    """These files are gone."""
    await conn.execute(delete(doomed_blobs).where(doomed_blobs.c.blob.in_(list(names))))


async def tombstone_of(conn: AsyncConnection, lookup_mac: bytes) -> Row[Any] | None:
    """What stays of the report whose receipt this was."""
    query = select(tombstones).where(tombstones.c.lookup_mac == lookup_mac)
    return (await conn.execute(query.order_by(tombstones.c.day.desc()).limit(1))).one_or_none()


async def deletions_done(
    conn: AsyncConnection, before: tuple[date, uuid.UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """Tombstones, newest first."""
    query = select(tombstones)
    if before is not None:
        query = query.where(tuple_(tombstones.c.day, tombstones.c.id) < before)
    return (
        await conn.execute(query.order_by(tombstones.c.day.desc(), tombstones.c.id.desc()).limit(limit))
    ).all()


async def records_erased(conn: AsyncConnection) -> int:
    """How many log records the tombstones say were erased."""
    return int(await conn.scalar(select(func.coalesce(func.sum(tombstones.c.records), 0))) or 0)
