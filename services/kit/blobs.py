"""Opaque byte strings in a local folder, under random names.

Promise: a name is given out only when the bytes are on the disk (file flushed, renamed, folder flushed); a
failed or cancelled write leaves nothing; a deleted blob stays deleted. The store knows nothing of what it
keeps, and the times of a file tell the day only (except the change time, which no program can set).

Layout: `ab/ab12...` (32 hex digits), in folders by the first two; with the suffix `.part` while written.
"""

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Self

from services.kit.appending import AppendingFile
from services.kit.files import flush_folder, round_times
from services.kit.threads import in_thread

CHUNK = 256 * 1024  # bytes read at a time
_NAME = re.compile(r"[0-9a-f]{32}")
_PART = ".part"
# Reading must not note the time of reading, where the system lets us choose.
_READ = os.O_RDONLY | os.O_NOFOLLOW | getattr(os, "O_NOATIME", 0)


class BlobNotFoundError(LookupError):
    """There is no blob of this name."""


def new_name() -> str:
    """A random name."""
    return secrets.token_hex(16)


class LocalBlobs:
    """The store in `folder`, which is made if it is not there. Safe to use from many threads and processes.

    Methods raise ValueError for a text that is not a name, BlobNotFoundError, and OSError for a failing disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, chunks: Iterable[bytes] | bytes) -> str:
        """Store the joined chunks and return the new name."""
        with _Writer(self._folder) as writer:
            for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
                writer.write(chunk)
            return writer.finish()

    async def put_async(self, chunks: AsyncIterable[bytes] | bytes) -> str:
        """As `put`, without holding up the event loop; cancelling it leaves nothing."""
        with _Writer(self._folder) as writer:
            if isinstance(chunks, bytes):
                await in_thread(writer.write, chunks)
            else:
                async for chunk in chunks:
                    await in_thread(writer.write, chunk)
            return await in_thread(writer.finish)

    def start(self) -> AppendingFile:
        """A new empty blob that grows; its name is durable. The caller closes the file."""
        name = new_name()
        return AppendingFile.create(self._folder / name[:2] / name, self._folder)

    def grow(self, name: str) -> AppendingFile:
        """A growing blob, for adding more. Raises BusyError while somebody else does."""
        try:
            return AppendingFile.reopen(self._path(name))
        except FileNotFoundError:
            raise BlobNotFoundError from None

    def free(self) -> int:
        """Bytes that may still be written to the disk of the store."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def digest(self, name: str) -> bytes:
        """SHA-256 of the whole blob, in constant memory."""
        found = hashlib.sha256()
        for chunk in self.open_stream(name):
            found.update(chunk)
        return found.digest()

    def head(self, name: str, size: int) -> bytes:
        """The first `size` bytes, fewer if there are no more."""
        with self._open(name) as file:
            return file.read(size)

    def open_stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """The bytes from offset `start` on, in chunks. Raises ValueError for a start outside the blob."""
        self._check_start(name, start)
        return self._chunks(name, start)

    async def open_stream_async(self, name: str, start: int = 0) -> AsyncIterator[bytes]:
        """As `open_stream`: `async for chunk in await blobs.open_stream_async(name)`."""
        await in_thread(self._check_start, name, start)
        return self._chunks_async(name, start)

    def read(self, name: str) -> bytes:
        """The whole blob."""
        with self._open(name) as file:
            return file.read()

    async def read_async(self, name: str) -> bytes:
        return await in_thread(self.read, name)

    def size(self, name: str) -> int:
        """Length in bytes."""
        try:
            return self._path(name).stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            raise BlobNotFoundError from None

    async def size_async(self, name: str) -> int:
        return await in_thread(self.size, name)

    def delete(self, name: str) -> bool:
        """Remove for good; False if it was not there."""
        path = self._path(name)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        round_times(path.parent)
        flush_folder(path.parent)
        return True

    async def delete_async(self, name: str) -> bool:
        return await in_thread(self.delete, name)

    async def delete_all(self, names: Iterable[str]) -> int:
        """Remove several; the number that was there."""
        return sum([await self.delete_async(name) for name in names])

    def names(self, older_than: timedelta = timedelta(0)) -> Iterator[str]:
        """Names of the blobs stored longer ago than `older_than`, in no order: to find those nobody needs."""
        for path in self._files(older_than):
            if _NAME.fullmatch(path.name):
                yield path.name

    def sweep(self, older_than: timedelta) -> int:
        """Remove what killed writers left behind, not touched for `older_than`; the number removed.

        `older_than` must exceed the longest pause within an upload.
        """
        left = [path for path in self._files(older_than) if path.suffix == _PART]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("not a blob name")
        return self._folder / name[:2] / name

    def _open(self, name: str) -> BinaryIO:
        try:
            return os.fdopen(os.open(self._path(name), _READ), "rb")
        except FileNotFoundError:
            raise BlobNotFoundError from None

    def _check_start(self, name: str, start: int) -> None:
        if not 0 <= start <= self.size(name):
            raise ValueError("start is outside the blob")

    def _chunks(self, name: str, start: int) -> Iterator[bytes]:
        with self._open(name) as file:
            file.seek(start)
            while chunk := file.read(CHUNK):
                yield chunk

    async def _chunks_async(self, name: str, start: int) -> AsyncIterator[bytes]:
        with self._open(name) as file:
            file.seek(start)
            while chunk := await in_thread(file.read, CHUNK):
                yield chunk

    def _files(self, older_than: timedelta) -> Iterator[Path]:
        """Files by age of their change time: the modification time is rounded and would look old at once."""
        limit = time.time() - older_than.total_seconds()
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat(follow_symlinks=False).st_ctime <= limit:
                    yield path


class _Writer:
    """A blob being written; a context manager that removes everything unless it ends well."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name = new_name()
        self._folder = root / self._name[:2]
        self._target = self._folder / self._name
        self._part = self._target.with_suffix(_PART)
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
        handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "wb")

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def finish(self) -> str:
        """Make the bytes durable and visible; the name."""
        self._file.flush()
        round_times(self._part)
        os.fsync(self._file.fileno())
        self._part.rename(self._target)
        round_times(self._folder)
        flush_folder(self._folder)
        flush_folder(self._root)  # the folder itself may be new
        return self._name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        try:
            self._file.close()
        finally:
            if kind is not None:
                self._part.unlink(missing_ok=True)
                self._target.unlink(missing_ok=True)
