"""Large files on their way in: opaque bytes as they come, or plaintext that is sealed before it touches the disk.

Both writers add to one growing file. What `settle` has returned is durable; everything after it counts for nothing
until the next `settle`. Memory does not depend on the size of the file; sealing and disk work happen in threads.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import anyio

from services.crypto.age import HybridRecipient
from services.crypto.padding import padme
from services.crypto.segments import MAX_SEGMENTS, SEGMENT, Segments, SegmentSealer
from services.intake.disk import no_space
from services.kit.appending import AppendingFile
from services.kit.blobs import LocalBlobs
from services.kit.problems import TooLarge
from services.kit.threads import in_thread

#: Bytes handed to a thread at a time.
BATCH = 256 << 10


@dataclass(frozen=True)
class Progress:
    """What is durable: `received` bytes of content in `stored` bytes of file; `segments` in plain mode only."""

    received: int = 0
    stored: int = 0
    segments: Segments | None = None


@dataclass(frozen=True)
class StoredFile:
    """A whole file in the blob store: `size` true bytes, `stored` bytes of `sha256` under the name `blob`."""

    blob: str
    size: int
    stored: int
    sha256: bytes
    segments: Segments | None = None


class Writer(Protocol):
    """Adds to a growing file. `fresh` is how much came since the last `settle`, `step` the most that may."""

    progress: Progress
    step: int

    @property
    def fresh(self) -> int: ...

    async def put(self, piece: bytes) -> None:
        """Write at most `step - fresh` bytes."""

    async def settle(self, *, last: bool) -> Progress:
        """Make everything written durable; `last` when the file is whole."""

    async def rewind(self, to: Progress) -> None:
        """Forget what was written after `to`."""


class OpaqueWriter:
    """Bytes that are sealed already."""

    def __init__(self, file: AppendingFile, progress: Progress, step: int = SEGMENT) -> None:
        self.progress, self.step = progress, step
        self._file, self._fresh = file, 0

    @property
    def fresh(self) -> int:
        return self._fresh

    async def put(self, piece: bytes) -> None:
        await in_thread(self._file.write, piece)
        self._fresh += len(piece)

    async def settle(self, *, last: bool) -> Progress:
        if self._fresh:
            await in_thread(self._file.flush)
        end = self.progress.stored + self._fresh
        self.progress, self._fresh = Progress(end, end), 0
        return self.progress

    async def rewind(self, to: Progress) -> None:
        await in_thread(self._file.cut, to.stored)
        self.progress, self._fresh = to, 0


class SealingWriter:
    """Plaintext: `settle` ends the segment that is open. `step` is the length of a full one.

    A full segment is never padded, since nobody knows whether it is the last: so `step` must be a size that padding
    leaves as it is, such as a power of two.
    """

    def __init__(
        self, file: AppendingFile, recipient: HybridRecipient, progress: Progress, step: int = SEGMENT
    ) -> None:
        if padme(step) != step or step > SEGMENT:
            raise ValueError("not the length of a segment")
        self.progress = replace(progress, segments=progress.segments or ())
        self.step = step
        self._file, self._recipient = file, recipient
        self._open: SegmentSealer | None = None

    @property
    def fresh(self) -> int:
        return self._open.plain if self._open else 0

    async def put(self, piece: bytes) -> None:
        await in_thread(self._put, piece)

    def _put(self, piece: bytes) -> None:
        if self._open is None:
            self._open = SegmentSealer([self._recipient])
        self._file.write(self._open.push(piece))

    async def settle(self, *, last: bool) -> Progress:
        if self._open is None and last and not self.progress.segments:
            self._open = SegmentSealer([self._recipient])  # an empty file is one empty segment
        if self._open is not None:
            self.progress = await in_thread(self._close, self._open, last=last)
            self._open = None
        return self.progress

    def _close(self, segment: SegmentSealer, *, last: bool) -> Progress:
        self._file.write(segment.close(last=last))
        self._file.flush()
        done = self.progress
        return Progress(
            done.received + segment.plain,
            done.stored + segment.file,
            (*(done.segments or ()), (segment.plain, segment.file)),
        )

    async def rewind(self, to: Progress) -> None:
        await in_thread(self._file.cut, to.stored)
        self.progress, self._open = replace(to, segments=to.segments or ()), None


async def feed(writer: Writer, data: bytes, settle: Callable[[], Awaitable[None]]) -> None:
    """Write `data` in pieces that fit one thread call and never cross a step; `settle` after each full step."""
    start = 0
    while start < len(data):
        piece = data[start : start + min(writer.step - writer.fresh, BATCH)]
        await writer.put(piece)
        start += len(piece)
        if writer.fresh == writer.step:
            await settle()


class PlainWriter:
    """A plain file of unknown length, straight into sealed segments of a new blob.

    `await PlainWriter.begin(blobs, recipient, limit)`, then `write` any number of times, then `finish` - or `abort`,
    which leaves nothing. The blob is named by nobody until the caller commits it as a part; the sweep job takes it
    otherwise. Errors of `write` and `finish`: TooLarge above `limit` bytes, InsufficientStorage.
    """

    def __init__(self, blobs: LocalBlobs, writer: SealingWriter, file: AppendingFile, limit: int) -> None:
        self._blobs, self._writer, self._file, self._limit = blobs, writer, file, limit
        self._size = 0

    @classmethod
    async def begin(
        cls, blobs: LocalBlobs, recipient: HybridRecipient, limit: int, step: int = SEGMENT
    ) -> "PlainWriter":
        """Start a new blob for at most `limit` bytes."""
        with no_space():
            file = await in_thread(blobs.start)
        return cls(blobs, SealingWriter(file, recipient, Progress(), step), file, limit)

    @property
    def size(self) -> int:
        """Plain bytes written so far."""
        return self._size

    async def write(self, chunk: bytes) -> None:
        """Seal and write more plaintext, in chunks of any size."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLarge()
        with no_space():
            await feed(self._writer, chunk, self._settle)

    async def _settle(self) -> None:
        done = await self._writer.settle(last=False)
        if len(done.segments or ()) >= MAX_SEGMENTS:
            raise TooLarge()

    async def finish(self) -> StoredFile:
        """The whole file, durable, with its hash."""
        with no_space():
            done = await self._writer.settle(last=True)
        self._file.close()
        digest = await in_thread(self._blobs.digest, self._file.name)
        return StoredFile(self._file.name, done.received, done.stored, digest, done.segments)

    async def abort(self) -> None:
        """Remove what was written; also after `finish`, when nobody wants the file."""
        with anyio.CancelScope(shield=True):
            self._file.close()
            await self._blobs.delete_async(self._file.name)
