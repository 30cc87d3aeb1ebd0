"""One process at a time: a lock on a file, which the system frees when its holder ends, however it ends."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import ClassVar


class FileLock:
    """A lock held by this process; it ends with the process at the latest."""

    _held: ClassVar[set["FileLock"]] = set()

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._held.add(self)

    def release(self) -> None:
        """Let go; nothing happens the second time."""
        with contextlib.suppress(KeyError):
            self._held.remove(self)
            os.close(self._handle)

    @classmethod
    def leave_all(cls) -> None:
        """In a forked copy of us, which would otherwise keep the locks after our death."""
        for lock in tuple(cls._held):
            lock.release()


os.register_at_fork(after_in_child=FileLock.leave_all)


def take_lock(path: Path) -> FileLock | None:
    """The lock on the file `path`, made if it is not there; None when somebody has it already, even we."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return FileLock(handle)
