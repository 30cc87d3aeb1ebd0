"""One request that brings bytes of an upload (tus PATCH): what it may write, and what of it counts in the end.

The offset in the database moves only after the bytes are on the disk. The file is locked while a request writes to it,
and cut back first to what the database knows; no database connection is held while bytes come in. A cut connection
keeps what came; a wrong checksum keeps nothing.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import ClientDisconnect

from services.crypto.segments import MAX_SEGMENTS
from services.intake import draft_store, drafts
from services.intake.context import Context
from services.intake.disk import InsufficientStorage, check_room, no_space
from services.intake.drafts import DraftGone
from services.intake.uploads import OpaqueWriter, Progress, SealingWriter, Writer, feed
from services.kit import logs
from services.kit.appending import AppendingFile, BusyError, LostBytesError
from services.kit.blobs import BlobNotFoundError
from services.kit.i18n import N_
from services.kit.problems import Conflict, NotFound, Problem, TooLarge
from services.kit.threads import in_thread


class Locked(Problem):
    """Another request writes to this upload now."""

    status, slug, title = 423, "locked", "Locked"
    detail = N_("Another connection is sending this file now. Try again in a moment.")


class WrongOffset(Conflict):
    """The bytes do not go on where the upload stands."""

    slug, title = "offset", "Wrong offset"
    detail = N_("The file does not go on from there. Ask where it stands, and go on from that place.")


class ChecksumMismatch(Problem):
    """What came is not what was sent; the status is that of tus."""

    status, slug, title = 460, "checksum", "Checksum mismatch"
    detail = N_("The bytes were changed on the way. Nothing of this request was kept; send it again.")


class Stalled(Problem):
    """The sender fell silent; what came before counts."""

    status, slug, title = 408, "stalled", "Nothing came"
    detail = N_("Nothing came for a while. Ask where the file stands, and go on from that place.")


@dataclass(frozen=True)
class Checksum:
    """What the bytes of one request must hash to."""

    hasher: Any
    expected: bytes

    @classmethod
    def of(cls, algorithm: str, expected: bytes) -> "Checksum":
        """For `sha256` or `sha1`, which tus demands: here it detects accidents, nothing rests on it."""
        return cls(hashlib.new(algorithm, usedforsecurity=False), expected)


@dataclass
class Patch:
    """The bytes of one request for one upload of one draft."""

    context: Context
    engine: AsyncEngine
    draft: Row[Any]
    upload_id: UUID
    offset: int
    checksum: Checksum | None = None
    _counted: Progress = field(default_factory=Progress, init=False)

    async def receive(self, body: AsyncIterator[bytes], announced: int | None) -> int:
        """Take in the body, of `announced` bytes if that is known; the new offset.

        Errors: NotFound, Locked, WrongOffset, TooLarge, ChecksumMismatch, Stalled, InsufficientStorage, DraftGone.
        """
        async with self._opened() as (row, file):
            if row.received != self.offset:
                raise WrongOffset(headers={"Upload-Offset": str(row.received)})
            if row.received + (announced or 0) > row.length:
                raise TooLarge()
            done = Progress(row.received, row.stored, drafts.segments_of(row))
            if row.received < row.length:
                with no_space():
                    done = await self._write(row, self._writer(file, done), body)
            if done.received == row.length and row.sha256 is None:
                await self._hash(row.blob)
            return done.received

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[Row[Any], AppendingFile]]:
        """The upload's row, read under the lock of its file, cut back to what the row knows."""
        row = await self._row()
        try:
            file = await in_thread(self.context.blobs.grow, row.blob)
        except BusyError:
            raise Locked() from None
        except BlobNotFoundError as exc:
            logs.failure("upload-lost", exc)
            raise NotFound() from None
        try:
            # Read again: whoever held the lock before may have moved the offset.
            row = await self._row()
            await in_thread(file.cut, row.stored)
            yield row, file
        except LostBytesError as exc:
            logs.failure("upload-lost", exc)
            raise NotFound() from None
        finally:
            file.close()

    async def _row(self) -> Row[Any]:
        async with self.engine.begin() as conn:
            row = await draft_store.upload(conn, self.draft.id, self.upload_id)
        if row is None:
            raise NotFound()
        return row

    def _writer(self, file: AppendingFile, done: Progress) -> Writer:
        recipient, step = drafts.report_recipient(self.draft), self.context.settings.segment_bytes
        if recipient is None:
            return OpaqueWriter(file, done, step)
        return SealingWriter(file, recipient, done, step)

    async def _write(self, row: Row[Any], writer: Writer, body: AsyncIterator[bytes]) -> Progress:
        """Write the body; what of it counts now."""
        counts_early = self.checksum is None

        async def step() -> None:
            await _settle(writer, row.length)
            if counts_early:
                await self._count(writer.progress)

        self._counted = writer.progress
        await check_room(self.context)
        try:
            await self._copy(row, writer, body, step)
        except (ClientDisconnect, Stalled, anyio.get_cancelled_exc_class()) as cut:
            # Without the end of a request its checksum cannot be known, so nothing of it counts.
            if counts_early:
                with anyio.CancelScope(shield=True):
                    await step()
            if not isinstance(cut, ClientDisconnect):
                raise
        else:
            await _settle(writer, row.length)
            await self._count(writer.progress)
        return self._counted

    async def _copy(
        self, row: Row[Any], writer: Writer, body: AsyncIterator[bytes], step: Callable[[], Awaitable[None]]
    ) -> None:
        start = writer.progress
        async for chunk in self._lively(body):
            if writer.progress.received + writer.fresh + len(chunk) > row.length:
                raise TooLarge()
            if self.checksum:
                await in_thread(self.checksum.hasher.update, chunk)
            await feed(writer, chunk, step)
        if self.checksum and self.checksum.hasher.digest() != self.checksum.expected:
            await writer.rewind(start)
            raise ChecksumMismatch()

    async def _lively(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body, as long as it keeps coming. Errors: Stalled."""
        while True:
            try:
                with anyio.fail_after(self.context.settings.stall_seconds):
                    chunk = await anext(body, None)
            except TimeoutError:
                raise Stalled(headers={"Connection": "close"}) from None
            if chunk is None:
                return
            yield chunk

    async def _count(self, to: Progress) -> None:
        """Move the offset to what is durable. Errors: InsufficientStorage, DraftGone."""
        before, limit = self._counted, self.context.settings.unfiled_bytes
        if to == before:
            return
        await check_room(self.context)
        async with self.engine.begin() as conn:
            if await draft_store.unfiled_bytes(conn) + to.stored - before.stored > limit:
                raise InsufficientStorage()
            if not await draft_store.advance(conn, self.upload_id, before.received, to):
                raise DraftGone()
        self._counted = to

    async def _hash(self, blob: str) -> None:
        """The hash of the whole file, read back from the disk."""
        digest = await in_thread(self.context.blobs.digest, blob)
        async with self.engine.begin() as conn:
            await draft_store.set_digest(conn, self.upload_id, digest)


async def _settle(writer: Writer, length: int) -> None:
    """Make durable what came, if it may end here."""
    reached = writer.progress.received + writer.fresh
    if writer.fresh and not _worth_a_segment(writer, length - reached):
        await writer.rewind(writer.progress)
    else:
        await writer.settle(last=reached == length)


def _worth_a_segment(writer: Writer, left: int) -> bool:
    """Whether a segment may end here so that the bytes left still fit into the segments that are left."""
    if writer.progress.segments is None:
        return True
    return len(writer.progress.segments) + 1 + -(-left // writer.step) <= MAX_SEGMENTS
