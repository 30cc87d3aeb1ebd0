"""Small files that survive a power cut: written whole, flushed, renamed, and the folder flushed too."""

import os
import secrets
import time
from pathlib import Path

_DAY = 86_400  # seconds


def flush_folder(folder: Path) -> None:
    """Make renames and removals inside `folder` durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def round_times(file: Path | int) -> None:
    """Let the times of a file, a folder or an open handle tell the day only. Raises OSError."""
    day = int(time.time()) // _DAY * _DAY
    os.utime(file, (day, day))


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, mode 0600; a reader sees the old bytes or the new ones. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)
