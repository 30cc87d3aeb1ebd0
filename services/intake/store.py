"""All SQL of the intake service. Functions take a connection inside a transaction that the edge commits."""

import hashlib
import itertools
import json
import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.reportkeys import TYPE as REPORT_KEYS
from services.crypto.reportkeys import key_number
from services.intake.folder_store import label_list
from services.intake.models import (
    assignments,
    directories,
    log_records,
    parts,
    reports,
    spent_challenges,
    states,
    uploads,
)
from services.kit.idempotency import Kept
from services.kit.problems import NotFound

#: Without letters that look or sound alike when read over the phone.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference() -> str:
    """A random public name of a report, 10 characters: XXXX-XXXX-XX."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"


def spelled_reference(typed: str) -> str:
    """A reference as it is stored, from one that was typed or heard: spaces, dashes and small letters do not matter."""
    text = "".join(char for char in typed.upper() if char.isalnum())
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"


@dataclass(frozen=True)
class NewPart:
    """A sealed part on its way into the store: small ones as `sealed`, large ones already written as `blob`."""

    role: str
    author: str
    n: int | None
    size: int
    sha256: bytes
    sealed: bytes | None
    blob: str | None

    @property
    def chain(self) -> str:
        return "reporter" if self.author == "reporter" else "desk"


@dataclass(frozen=True)
class NewRecord:
    """A log record, its canonical bytes, its salt and leaf hash."""

    facts: dict[str, Any]
    record: bytes
    salt: bytes
    leaf: bytes


@dataclass(frozen=True)
class NewReport:
    """A report on its way into the store: the columns of its row, (desk, sealed) grants, (seat, sealed) shares."""

    values: dict[str, Any]
    grants: list[tuple[str, bytes]]
    shares: list[tuple[int, bytes]]
    record: NewRecord


@dataclass(frozen=True)
class Place:
    """The next free place of a chain: `n`, and the hash of the file before it."""

    n: int
    prev: bytes


# --- directories


async def last_directories(
    conn: AsyncConnection, count: int = 3, at: datetime | None = None
) -> Sequence[Row[Any]]:
    """The newest directories, newest first; with `at`, only those that had begun by then."""
    query = select(directories).order_by(directories.c.sequence.desc()).limit(count)
    if at is not None:
        query = query.where(directories.c.valid_from <= at)
    return (await conn.execute(query)).all()


async def directory_document(conn: AsyncConnection, sequence: int) -> dict[str, Any]:
    document: dict[str, Any] = (
        await conn.scalar(select(directories.c.document).where(directories.c.sequence == sequence)) or {}
    )
    return document


async def add_directory(
    conn: AsyncConnection,
    sequence: int,
    document: dict[str, Any],
    digest: bytes,
    valid_from: datetime,
    valid_until: datetime,
) -> bool:
    """Store a checked directory; False when its sequence is taken."""
    added = await conn.scalar(
        pg_insert(directories)
        .values(
            sequence=sequence,
            document=document,
            digest=digest,
            valid_from=valid_from,
            valid_until=valid_until,
        )
        .on_conflict_do_nothing()
        .returning(directories.c.sequence)
    )
    return added is not None


# --- challenges


async def spend_challenge(conn: AsyncConnection, digest: bytes, expires: datetime) -> bool:
    """Take a solved challenge out of the world, in one atomic step; False when it was used already."""
    taken = await conn.scalar(
        pg_insert(spent_challenges)
        .values(digest=digest, expires=expires)
        .on_conflict_do_nothing()
        .returning(spent_challenges.c.digest)
    )
    return taken is not None


async def forget_challenges(conn: AsyncConnection, now: datetime) -> int:
    """Forget challenges that have expired anyway; the number forgotten."""
    result = await conn.execute(delete(spent_challenges).where(spent_challenges.c.expires < now))
    return result.rowcount


# --- filing


#: A whole report in one statement: one round trip, and either all of it or nothing. Everything hangs on `kept`, which
#: is empty when the idempotency key has its answer already (a second request waits there for the first one) or when
#: the challenge is spent. A key that was claimed before in the same transaction has no answer yet. The sealed files
#: travel as one binary value and are cut apart by `substr`, since an array of bytea would be sent as hexadecimal text.
_INSERT_REPORT = text(
    """
    WITH spent AS (
        INSERT INTO intake.spent_challenges (digest, expires)
        SELECT CAST(:ticket AS bytea), CAST(:ticket_expires AS timestamptz) WHERE CAST(:ticket AS bytea) IS NOT NULL
        ON CONFLICT DO NOTHING RETURNING digest
    ), kept AS (
        INSERT INTO intake.idempotency_keys (key_hash, fingerprint, answer, expires)
        SELECT CAST(:key_hash AS bytea), CAST(:fingerprint AS bytea), CAST(:answer AS bytea),
            CAST(:kept_until AS timestamptz)
        WHERE CAST(:ticket AS bytea) IS NULL OR EXISTS (SELECT FROM spent)
        ON CONFLICT (key_hash) DO UPDATE SET answer = excluded.answer
        WHERE idempotency_keys.answer IS NULL AND idempotency_keys.fingerprint = excluded.fingerprint
        RETURNING key_hash
    ), report AS (
        INSERT INTO intake.reports (id, reference, rid, lookup_mac, filed_on, register_by, state, lane, desk, mode,
            dir_seq, category, sector, region, amount_band, year, channel, language, urgency, manifest, signature, leaf)
        SELECT :id, :reference, :rid, :lookup_mac, :filed_on, :register_by, :state, :lane, :desk, :mode, :dir_seq,
            :category, :sector, :region, :amount_band, :year, :channel, :language, :urgency, :manifest, :signature, :leaf
        FROM kept
    ), file AS MATERIALIZED (
        SELECT kind, place, id, name, n, size, blob,
            CASE WHEN blob IS NULL THEN substr(CAST(:files AS bytea), start, CAST(size AS int)) END AS sealed
        FROM kept, json_to_recordset(CAST(:lines AS json))
            AS t (kind text, place int, id uuid, name text, n int, start int, size bigint, blob text)
    ), part AS (
        INSERT INTO intake.parts (id, report_id, number, role, author, chain, n, day, size, sha256, sealed, blob)
        SELECT id, :id, place, name, 'reporter', 'reporter', n, :filed_on, size,
            substr(CAST(:sha256s AS bytea), place * 32 + 1, 32), sealed, blob
        FROM file WHERE kind = 'part'
    ), granted AS (
        INSERT INTO intake.grants (id, report_id, holder, role, day, sealed)
        SELECT id, :id, name, 'desk', :filed_on, sealed FROM file WHERE kind = 'grant'
    ), shared AS (
        INSERT INTO intake.shares (id, report_id, seat, sealed)
        SELECT id, :id, place, sealed FROM file WHERE kind = 'share'
    ), stated AS (
        INSERT INTO intake.states (id, report_id, place, state, day)
        SELECT :state_id, :id, 0, :state, :filed_on FROM kept
    )
    INSERT INTO intake.log_records (id, day, record, salt, leaf)
    SELECT :record_id, :filed_on, :record, :salt, :leaf FROM kept
    """
)


@dataclass(frozen=True)
class _File:
    """One sealed file of a new report; `place` is the number of a part or the seat of a share."""

    kind: str
    place: int
    name: str
    n: int | None
    size: int
    sealed: bytes
    blob: str | None = None


@dataclass(frozen=True)
class Ticket:
    """A challenge that was solved: it lets somebody in once, until it expires."""

    digest: bytes
    expires: datetime


async def insert_report(
    conn: AsyncConnection,
    report: NewReport,
    new_parts: Sequence[NewPart],
    kept: Kept,
    ticket: Ticket | None = None,
) -> bool:
    """Store a whole report and the answer for its idempotency key, and spend the ticket.

    False, and nothing is stored, when the key has an answer already or the ticket is spent.
    Errors: IntegrityError when the report's rid or its receipt is known already.
    """
    files = [
        *(_File("part", i, p.role, p.n, p.size, p.sealed or b"", p.blob) for i, p in enumerate(new_parts)),
        *(_File("grant", 0, holder, None, len(sealed), sealed) for holder, sealed in report.grants),
        *(_File("share", seat, "", None, len(sealed), sealed) for seat, sealed in report.shares),
    ]
    values = {
        **report.values,
        **_columns(files),
        "id": uuid.uuid4(),
        "sha256s": b"".join(part.sha256 for part in new_parts),
        "state_id": uuid.uuid4(),
        "record_id": uuid.uuid4(),
        "record": report.record.record,
        "salt": report.record.salt,
        "key_hash": kept.key_hash,
        "fingerprint": kept.fingerprint,
        "answer": kept.answer,
        "kept_until": kept.expires,
        "ticket": ticket.digest if ticket else None,
        "ticket_expires": ticket.expires if ticket else None,
    }
    return (await conn.execute(_INSERT_REPORT, values)).rowcount > 0


def _columns(files: Sequence[_File]) -> dict[str, Any]:
    """The files as lines of JSON, and their bytes as one value; `start` is where a file begins in it, from 1."""
    ends = itertools.accumulate(len(file.sealed) for file in files)
    lines = [
        {
            "kind": file.kind,
            "place": file.place,
            "id": str(uuid.uuid4()),
            "name": file.name,
            "n": file.n,
            "start": 1 + end - len(file.sealed),
            "size": file.size,
            "blob": file.blob,
        }
        for file, end in zip(files, ends, strict=True)
    ]
    return {"lines": json.dumps(lines), "files": b"".join(file.sealed for file in files)}


async def _insert_parts(
    conn: AsyncConnection, report_id: uuid.UUID, first: int, day: date, new_parts: Sequence[NewPart]
) -> None:
    await conn.execute(
        insert(parts),
        [
            {
                "id": uuid.uuid4(),
                "report_id": report_id,
                "number": first + i,
                "role": part.role,
                "author": part.author,
                "chain": part.chain,
                "n": part.n,
                "day": day,
                "size": part.size,
                "sha256": part.sha256,
                "sealed": part.sealed,
                "blob": part.blob,
            }
            for i, part in enumerate(new_parts)
        ],
    )


async def add_record(conn: AsyncConnection, day: date, record: NewRecord) -> None:
    """Put a record in line for the next publication of the log."""
    await conn.execute(
        insert(log_records).values(
            id=uuid.uuid4(), day=day, record=record.record, salt=record.salt, leaf=record.leaf
        )
    )


# --- one report


async def report_by_lookup(conn: AsyncConnection, lookup_mac: bytes) -> Row[Any] | None:
    """The report whose present or pending receipt this is."""
    rows = await conn.execute(
        select(reports).where(
            or_(reports.c.lookup_mac == lookup_mac, reports.c.pending_lookup_mac == lookup_mac)
        )
    )
    return rows.first()


async def report_by_id(conn: AsyncConnection, report_id: uuid.UUID) -> Row[Any] | None:
    return (await conn.execute(select(reports).where(reports.c.id == report_id))).one_or_none()


async def lock_report(conn: AsyncConnection, report_id: uuid.UUID) -> Row[Any]:
    """The report, locked against other writers until the end of the transaction.

    Error: NotFound when it was deleted while somebody waited for it.
    """
    query = select(reports).where(reports.c.id == report_id).with_for_update()
    found = (await conn.execute(query)).one_or_none()
    if found is None:
        raise NotFound()
    return found


async def parts_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[Any]]:
    """All parts of a report in order of arrival, without their bytes."""
    columns = [c for c in parts.c if c.name not in {"sealed", "blob"}]
    rows = await conn.execute(select(*columns).where(parts.c.report_id == report_id).order_by(parts.c.number))
    return rows.all()


async def part(conn: AsyncConnection, report_id: uuid.UUID, number: int) -> Row[Any] | None:
    rows = await conn.execute(select(parts).where(parts.c.report_id == report_id, parts.c.number == number))
    return rows.one_or_none()


async def chain_files(conn: AsyncConnection, report_id: uuid.UUID, chain: str) -> Sequence[Row[Any]]:
    """The signed parts of one chain in order, with their bytes."""
    rows = await conn.execute(
        select(parts)
        .where(parts.c.report_id == report_id, parts.c.chain == chain, parts.c.n.is_not(None))
        .order_by(parts.c.n)
    )
    return rows.all()


def next_place(lines: Iterable[Any], chain: str) -> Place:
    """The next free place of a chain, from the rows of `parts_of`."""
    last = max(
        (line for line in lines if line.chain == chain and line.n is not None),
        key=lambda r: r.n,
        default=None,
    )
    return Place(0, bytes(32)) if last is None else Place(last.n + 1, last.sha256)


def keys_of(lines: Iterable[Any]) -> list[int]:
    """The numbers of a report's keys, from the rows of `parts_of`: 0, and one for each report-keys part."""
    return [0, *(key_number(line.n) for line in lines if line.role == REPORT_KEYS and line.n is not None)]


async def add_parts(
    conn: AsyncConnection, report_id: uuid.UUID, day: date, new_parts: Sequence[NewPart]
) -> int:
    """Append parts to a locked report; the number of the first."""
    first: int = (
        await conn.scalar(select(func.max(parts.c.number)).where(parts.c.report_id == report_id)) or 0
    ) + 1
    await _insert_parts(conn, report_id, first, day, new_parts)
    return first


async def needed_blobs(conn: AsyncConnection, names: Iterable[str]) -> set[str]:
    """Those of the names that a part or an upload has.

    One statement sees one moment: in two, a file could slip from an upload to a part in between and be in neither.
    """
    wanted = list(names)
    of_parts = select(parts.c.blob).where(parts.c.blob.in_(wanted))
    rows = await conn.execute(of_parts.union(select(uploads.c.blob).where(uploads.c.blob.in_(wanted))))
    return set(rows.scalars())


async def states_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[Any, Any]]:
    rows = await conn.execute(
        select(states.c.state, states.c.day).where(states.c.report_id == report_id).order_by(states.c.place)
    )
    return rows.all()


async def set_pending_code(
    conn: AsyncConnection,
    report_id: uuid.UUID,
    lookup_mac: bytes,
    sealed: bytes,
    n: int,
    carried: bytes | None = None,
) -> None:
    """Keep a new code until it is typed back; an earlier one that never was is forgotten."""
    await conn.execute(
        update(reports)
        .where(reports.c.id == report_id)
        .values(pending_lookup_mac=lookup_mac, pending_part=sealed, pending_n=n, pending_carried=carried)
    )


async def drop_pending_code(conn: AsyncConnection, report_id: uuid.UUID) -> None:
    await conn.execute(
        update(reports)
        .where(reports.c.id == report_id)
        .values(pending_lookup_mac=None, pending_part=None, pending_n=None, pending_carried=None)
    )


async def replace_code(conn: AsyncConnection, report_id: uuid.UUID, lookup_mac: bytes, day: date) -> None:
    """The pending code becomes the code; the old one is gone, and so is what was noted for it and said against it."""
    carried = reports.c.pending_carried
    await conn.execute(
        update(reports)
        .where(reports.c.id == report_id)
        .values(lookup_mac=lookup_mac, code_replaced_on=day, carried=carried, code_suspect=False)
    )
    await drop_pending_code(conn, report_id)


# --- staff


@dataclass(frozen=True)
class CaseFilter:
    """What a list of cases is narrowed by; None means any."""

    state: str | None = None
    category: str | None = None
    region: str | None = None
    sector: str | None = None
    mode: str | None = None
    person: uuid.UUID | None = None
    lane: str | None = None
    retaliation: bool | None = None
    due: ColumnElement[bool] | None = None
    label: ColumnElement[bool] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found = [
            reports.c[name] == value
            for name in ("state", "category", "region", "sector", "mode", "lane")
            if (value := getattr(self, name)) is not None
        ]
        if self.retaliation is not None:
            flagged = reports.c.retaliation_on.is_not(None)
            found.append(flagged if self.retaliation else ~flagged)
        found += [condition for condition in (self.due, self.label) if condition is not None]
        return [*found, assigned_to(self.person)] if self.person else found


def assigned_to(person: uuid.UUID) -> ColumnElement[bool]:
    """The report of the outer query is assigned to a person at present."""
    return exists().where(
        assignments.c.report_id == reports.c.id, assignments.c.person == person, assignments.c.ended.is_(None)
    )


#: A list shows no sealed bytes and no manifest: they would be most of what the database reads for a page.
_LISTED = [column for column in reports.c if not isinstance(column.type, LargeBinary)]


def cases_query(
    wanted: CaseFilter, after: tuple[date, uuid.UUID] | None, limit: int
) -> Select[*tuple[Any, ...]]:
    """A page of the case list: cases newest first, with the number of their parts and their present assignees.

    The page is found first, by what the indexes hold, and only its rows are read: looking through a hundred thousand
    cases of one region for a few of one sector touches no row of them.
    """
    conditions = wanted.conditions()
    if after is not None:
        conditions.append(tuple_(reports.c.filed_on, reports.c.id) < after)
    newest_first = reports.c.filed_on.desc(), reports.c.id.desc()
    page = select(reports.c.id).where(and_(True, *conditions)).order_by(*newest_first).limit(limit)
    count = select(func.count()).where(parts.c.report_id == reports.c.id).scalar_subquery()
    return (
        select(*_LISTED, count.label("parts"), _assignees().label("assignees"), label_list().label("labels"))
        .where(reports.c.id.in_(page.correlate(None)))
        .order_by(*newest_first)
    )


async def list_cases(
    conn: AsyncConnection, wanted: CaseFilter, after: tuple[date, uuid.UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """The rows of `cases_query`."""
    # A plan that is good for any value is bad for most: one state has nine of ten cases, another a hundred.
    await conn.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    return (await conn.execute(cases_query(wanted, after, limit))).all()


def _assignees() -> ColumnElement[Any]:
    return (
        select(func.array_agg(assignments.c.person))
        .where(assignments.c.report_id == reports.c.id, assignments.c.ended.is_(None))
        .scalar_subquery()
    )


async def case_for(conn: AsyncConnection, report_id: uuid.UUID, person: uuid.UUID | None) -> Row[Any] | None:
    """A report with its assignees; with `person`, only when it is assigned to them."""
    shown = reports, _assignees().label("assignees"), label_list().label("labels")
    query = select(*shown).where(reports.c.id == report_id)
    if person is not None:
        query = query.where(assigned_to(person))
    return (await conn.execute(query)).one_or_none()


async def assignments_of(conn: AsyncConnection, report_id: uuid.UUID) -> Sequence[Row[Any]]:
    rows = await conn.execute(
        select(assignments)
        .where(assignments.c.report_id == report_id)
        .order_by(assignments.c.day, assignments.c.id)
    )
    return rows.all()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
