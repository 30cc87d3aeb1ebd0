"""The intake log: records wait, are shuffled, padded with noise and published once a day (`sealing.md` section 8)."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import Row, exists, func, insert, not_, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto import tlog
from services.crypto.canonical import dumps
from services.crypto.promises import entry as log_entry
from services.crypto.promises import leaf_hash
from services.crypto.signatures import SigningKey
from services.intake.models import (
    log_checkpoints,
    log_cosignatures,
    log_entries,
    log_records,
    log_tiles,
)
from services.intake.store import NewRecord
from services.kit.clock import day_of

BATCH = 256
T = TypeVar("T")


def new_record(kind: str, day: date, **facts: Any) -> NewRecord:
    """A record with its own random salt, so that the leaf says nothing once the salt is erased."""
    facts = {"v": 1, "type": kind, "day": day.isoformat(), **facts}
    record, salt = dumps(facts), secrets.token_bytes(32)
    return NewRecord(facts, record, salt, leaf_hash(salt, record))


@dataclass(frozen=True)
class Published:
    """A checkpoint: the note as the log signed it, followed by the lines of the witnesses."""

    size: int
    note: str


async def newest(conn: AsyncConnection) -> Published | None:
    """The newest checkpoint, whoever has seen it."""
    row = (
        await conn.execute(select(log_checkpoints).order_by(log_checkpoints.c.size.desc()).limit(1))
    ).one_or_none()
    return await _with_lines(conn, row) if row else None


async def witnessed(conn: AsyncConnection, witnesses: Sequence[str], above: int = 0) -> Published | None:
    """The newest checkpoint of more than `above` entries that a quorum of the witnesses (vkeys) has signed."""
    names = func.count(func.distinct(func.split_part(log_cosignatures.c.witness, "+", 1)))
    quorum = (
        select(log_cosignatures.c.size)
        .where(log_cosignatures.c.witness.in_(witnesses), log_cosignatures.c.size > above)
        .group_by(log_cosignatures.c.size)
        .having(names >= tlog.QUORUM)
        .order_by(log_cosignatures.c.size.desc())
        .limit(1)
    )
    row = (
        await conn.execute(select(log_checkpoints).where(log_checkpoints.c.size == quorum.scalar_subquery()))
    ).one_or_none()
    return await _with_lines(conn, row) if row else None


async def _with_lines(conn: AsyncConnection, row: Row[Any]) -> Published:
    lines = await conn.execute(
        select(log_cosignatures.c.line)
        .where(log_cosignatures.c.size == row.size)
        .order_by(log_cosignatures.c.witness)
    )
    return Published(row.size, row.note + "".join(lines.scalars()))


async def note_of(conn: AsyncConnection, size: int) -> str | None:
    """The note of the checkpoint of this size, as the log signed it."""
    found: str | None = await conn.scalar(
        select(log_checkpoints.c.note).where(log_checkpoints.c.size == size)
    )
    return found


async def add_cosignatures(conn: AsyncConnection, size: int, lines: dict[str, str]) -> None:
    """Store lines of witnesses (vkey -> line) beside a checkpoint; one that is there already stays."""
    rows = [{"size": size, "witness": vkey, "line": line} for vkey, line in lines.items()]
    await conn.execute(pg_insert(log_cosignatures).on_conflict_do_nothing(), rows)


async def cosigned_by(conn: AsyncConnection, size: int) -> list[str]:
    """The witnesses (vkeys) whose line stands beside the checkpoint of this size."""
    rows = await conn.execute(
        select(log_cosignatures.c.witness)
        .where(log_cosignatures.c.size == size)
        .order_by(log_cosignatures.c.witness)
    )
    return list(rows.scalars())


async def pending_leaves(conn: AsyncConnection) -> Sequence[bytes]:
    """Leaves promised and not yet published."""
    published = select(log_entries.c.leaf).where(log_entries.c.leaf == log_records.c.leaf).exists()
    rows = await conn.execute(select(log_records.c.leaf).where(not_(published)))
    return rows.scalars().all()


def batch(leaves: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """(entry, leaf) for each leaf and as many random ones as fill the last 256, in random order.

    Noise and records look alike to everybody who has no salt, so neither number nor order says anything.
    """
    noise = [secrets.token_bytes(32) for _ in range(-len(leaves) % BATCH)]
    entries = [(log_entry(secrets.token_bytes(32), leaf), leaf) for leaf in [*leaves, *noise]]
    secrets.SystemRandom().shuffle(entries)
    return entries


async def publish(conn: AsyncConnection, origin: str, key: SigningKey, now: datetime) -> int:
    """Append everything that waits and sign a checkpoint; the number of records published.

    The caller holds the job's lock, so nobody else appends. With nothing waiting, a batch of noise is published all
    the same: a day without reports must look like every other.
    """
    leaves = await pending_leaves(conn)
    entries = batch(leaves) or batch([secrets.token_bytes(32)])
    last = await newest(conn)
    old_size = last.size if last else 0
    await conn.execute(
        insert(log_entries),
        [{"position": old_size + i, "entry": entry, "leaf": leaf} for i, (entry, leaf) in enumerate(entries)],
    )
    leaf_hashes = [tlog.record_hash(entry) for entry, _ in entries]
    tiles = Tiles(conn)
    fresh = await tiles.compute(lambda read: tlog.tiles_for_append(old_size, leaf_hashes, read))
    await conn.execute(
        insert(log_tiles),
        [
            {"level": tile.level, "number": tile.number, "width": tile.width, "hashes": hashes}
            for tile, hashes in fresh.items()
        ],
    )
    tiles.known.update(fresh)
    size = old_size + len(entries)
    root = await tiles.compute(lambda read: tlog.root(size, read))
    note = tlog.sign_checkpoint(tlog.Checkpoint(origin, size, root), key)
    await conn.execute(insert(log_checkpoints).values(size=size, day=day_of(now), note=note))
    return len(leaves)


class _Missing(Exception):
    """A computation asked for a tile that was not fetched yet."""

    def __init__(self, tile: tlog.TileId) -> None:
        super().__init__("tile not fetched")
        self.tile = tile


@dataclass
class Tiles:
    """Tiles read on demand: the tree is computed by pure functions, so fetch what they ask for and ask again."""

    conn: AsyncConnection
    known: dict[tlog.TileId, bytes] = field(default_factory=dict)

    async def compute(self, question: Callable[[tlog.ReadTile], T]) -> T:
        while True:
            try:
                return question(self._read)
            except _Missing as missing:
                hashes = await read_tile(self.conn, missing.tile)
                if hashes is None:
                    raise LookupError("a tile of the log is not stored") from None
                self.known[missing.tile] = hashes

    def _read(self, level: int, index: int, width: int) -> bytes:
        tile = tlog.TileId(level, index, width)
        if tile not in self.known:
            raise _Missing(tile)
        return self.known[tile]


async def read_tile(conn: AsyncConnection, tile: tlog.TileId) -> bytes | None:
    """The bytes of a tile of hashes or of an entry bundle, or None when the log has no such tile."""
    if tile.number * tlog.TILE_WIDTH > tlog.MAX_SIZE:  # no bigint holds such a position
        return None
    if tile.level == tlog.ENTRIES:
        return await _entry_bundle(conn, tile)
    found: bytes | None = await conn.scalar(
        select(log_tiles.c.hashes).where(
            log_tiles.c.level == tile.level,
            log_tiles.c.number == tile.number,
            log_tiles.c.width == tile.width,
        )
    )
    return found


async def _entry_bundle(conn: AsyncConnection, tile: tlog.TileId) -> bytes | None:
    first = tile.number * tlog.TILE_WIDTH
    rows = await conn.execute(
        select(log_entries.c.entry)
        .where(log_entries.c.position >= first, log_entries.c.position < first + tile.width)
        .order_by(log_entries.c.position)
    )
    entries = rows.scalars().all()
    return tlog.encode_bundle(entries) if len(entries) == tile.width else None


async def proof(conn: AsyncConnection, leaf: bytes, witnesses: Sequence[str] = ()) -> str | None:
    """The C2SP proof that a leaf is in the log, or None when it is not published (or never was).

    It leads to the newest checkpoint that a quorum of the witnesses has signed, if that one has the leaf; to the
    newest of all otherwise.
    """
    row = (
        await conn.execute(
            select(log_entries.c.position, log_entries.c.entry).where(log_entries.c.leaf == leaf)
        )
    ).one_or_none()
    if row is None:
        return None
    last = await witnessed(conn, witnesses, above=row.position) or await newest(conn)
    if last is None:
        return None
    made = await Tiles(conn).compute(
        lambda read: tlog.make_proof(row.position, last.note, read, row.entry[:32])
    )
    return made.to_text()


async def is_witnessed(conn: AsyncConnection, leaf: bytes, witnesses: Sequence[str]) -> bool:
    """Whether a quorum of the witnesses has signed a checkpoint that has the leaf."""
    position = await conn.scalar(select(log_entries.c.position).where(log_entries.c.leaf == leaf))
    return position is not None and await witnessed(conn, witnesses, above=position) is not None


async def is_published(conn: AsyncConnection, leaf: bytes) -> bool:
    return bool(await conn.scalar(select(exists().where(log_entries.c.leaf == leaf))))
