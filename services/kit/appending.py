"""A file that only grows, written by one process at a time and cut back to what its owner knows to be durable.

Promise: once `flush` has returned, everything written so far survives a power cut; what was written after that counts
for nothing until the next `flush`, and `cut` removes it. The system frees the lock when its holder ends, however it
ends, so that a killed writer never bars the way for the next one.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from services.kit.files import flush_folder, round_times

_MODE = 0o600


class BusyError(RuntimeError):
    """Another writer has the file open."""


class LostBytesError(RuntimeError):
    """The file is shorter than what was flushed before: the disk lost something."""


class AppendingFile:
    """An open file at its end, locked against other writers until `close`. Not safe for two threads at once.

    Errors of all methods: OSError for a failing or full disk.
    """

    def __init__(self, handle: int, name: str) -> None:
        self._handle = handle
        self.name = name

    @classmethod
    def create(cls, path: Path, root: Path) -> Self:
        """A new empty file, durable at once, as are the folders between it and `root`."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
        made = cls._locked(handle, path.name)
        try:
            made.flush()
            round_times(path.parent)
            for folder in (path.parent, root):
                flush_folder(folder)
        except BaseException:
            made.close()
            path.unlink(missing_ok=True)
            raise
        return made

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """The file for adding more; call `cut` before. Errors: BusyError, FileNotFoundError."""
        return cls._locked(os.open(path, os.O_WRONLY | os.O_NOFOLLOW), path.name)

    @classmethod
    def _locked(cls, handle: int, name: str) -> Self:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise BusyError from None
        return cls(handle, name)

    def cut(self, end: int) -> None:
        """Forget everything after the first `end` bytes, and go on there. Errors: LostBytesError."""
        if os.fstat(self._handle).st_size < end:
            raise LostBytesError
        os.ftruncate(self._handle, end)
        os.lseek(self._handle, end, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Add bytes, not durable yet."""
        with memoryview(data) as left:
            done = 0
            while done < len(left):
                done += os.write(self._handle, left[done:])

    def flush(self) -> None:
        """Make everything written so far durable; the times of the file tell the day only."""
        round_times(self._handle)
        os.fsync(self._handle)

    def close(self) -> None:
        """Let the next writer in; nothing happens the second time."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)
