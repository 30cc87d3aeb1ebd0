"""All SQL of drafts and uploads. Functions take a connection inside a transaction that the edge commits."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.models import drafts, uploads
from services.intake.uploads import Progress


async def add_draft(conn: AsyncConnection, values: dict[str, Any]) -> None:
    """Store a new draft; `values` are its columns without `id`."""
    await conn.execute(insert(drafts).values(id=uuid.uuid4(), **values))


async def draft(conn: AsyncConnection, secret: bytes, now: datetime) -> Row[Any] | None:
    """The draft whose secret has this hash, if it has not expired."""
    rows = await conn.execute(select(drafts).where(drafts.c.secret == secret, drafts.c.expires > now))
    return rows.one_or_none()


async def take_draft(
    conn: AsyncConnection, secret: bytes, now: datetime
) -> tuple[Row[Any], Sequence[Row[Any]]] | None:
    """Delete the draft and its uploads, and return what they were.

    A second taker waits for the end of this transaction, and then there is nothing to take unless it failed.
    """
    query = select(drafts).where(drafts.c.secret == secret, drafts.c.expires > now).with_for_update()
    found = (await conn.execute(query)).one_or_none()
    if found is None:
        return None
    files = await _delete_drafts(conn, [found.id])
    return found, files


async def take_expired(conn: AsyncConnection, now: datetime, limit: int = 100) -> tuple[int, list[str]]:
    """Delete drafts whose time is over: their number, and the names of their blobs."""
    query = select(drafts.c.id).where(drafts.c.expires <= now).limit(limit)
    ids = (await conn.scalars(query.with_for_update(skip_locked=True))).all()
    return len(ids), [row.blob for row in await _delete_drafts(conn, ids)]


async def _delete_drafts(conn: AsyncConnection, ids: Sequence[uuid.UUID]) -> Sequence[Row[Any]]:
    files = await conn.execute(delete(uploads).where(uploads.c.draft_id.in_(ids)).returning(uploads))
    await conn.execute(delete(drafts).where(drafts.c.id.in_(ids)))
    return files.all()


async def lock_draft(conn: AsyncConnection, draft_id: uuid.UUID) -> bool:
    """Keep a draft as it is until the end of the transaction; False when it is gone."""
    query = select(drafts.c.id).where(drafts.c.id == draft_id).with_for_update()
    return (await conn.scalar(query)) is not None


async def lengths(conn: AsyncConnection, draft_id: uuid.UUID) -> Sequence[int]:
    """The announced lengths of a draft's uploads."""
    return (await conn.scalars(select(uploads.c.length).where(uploads.c.draft_id == draft_id))).all()


async def delete_untouched(conn: AsyncConnection, draft_id: uuid.UUID) -> list[str]:
    """Forget the uploads of a draft that got no byte yet, as those whose answer was lost; the names of their blobs."""
    gone = await conn.execute(
        delete(uploads)
        .where(uploads.c.draft_id == draft_id, uploads.c.received == 0, uploads.c.length > 0)
        .returning(uploads.c.blob)
    )
    return list(gone.scalars())


async def unfiled_bytes(conn: AsyncConnection, *, by_page: bool = False) -> int:
    """Bytes of all files of all drafts on the disk, or of those only that pages opened."""
    query = select(func.coalesce(func.sum(uploads.c.stored), 0))
    if by_page:
        query = query.join(drafts, drafts.c.id == uploads.c.draft_id).where(drafts.c.by_page)
    return int(await conn.scalar(query) or 0)


async def add_upload(
    conn: AsyncConnection, draft_id: uuid.UUID, upload_id: uuid.UUID, blob: str, length: int, at: Progress
) -> bool:
    """Store a new upload; False when the draft is gone."""
    if not await lock_draft(conn, draft_id):
        return False
    values = {"draft_id": draft_id, "blob": blob, "length": length, **_columns(at)}
    await conn.execute(insert(uploads).values(id=upload_id, **values))
    return True


def _columns(at: Progress) -> dict[str, Any]:
    return {
        "received": at.received,
        "stored": at.stored,
        "segments": null() if at.segments is None else at.segments,
    }


async def upload(conn: AsyncConnection, draft_id: uuid.UUID, upload_id: uuid.UUID) -> Row[Any] | None:
    """An upload of this draft."""
    query = select(uploads).where(uploads.c.id == upload_id, uploads.c.draft_id == draft_id)
    return (await conn.execute(query)).one_or_none()


async def advance(conn: AsyncConnection, upload_id: uuid.UUID, before: int, to: Progress) -> bool:
    """Move the offset from `before` on; False when the upload is gone or somebody else moved it."""
    moved = await conn.execute(
        update(uploads).where(uploads.c.id == upload_id, uploads.c.received == before).values(**_columns(to))
    )
    return moved.rowcount == 1


async def set_digest(conn: AsyncConnection, upload_id: uuid.UUID, digest: bytes) -> None:
    """Keep the SHA-256 of a complete file."""
    await conn.execute(update(uploads).where(uploads.c.id == upload_id).values(sha256=digest))


async def delete_upload(conn: AsyncConnection, upload_id: uuid.UUID) -> bool:
    """Forget an upload; False when it is gone."""
    gone = await conn.execute(delete(uploads).where(uploads.c.id == upload_id))
    return gone.rowcount == 1
