"""Room on the disk: a full one refuses files, politely, and leaves room for reports without any."""

import contextlib
import errno
from collections.abc import Iterator

from services.intake.context import Context
from services.kit.i18n import N_
from services.kit.problems import Problem
from services.kit.threads import in_thread


class InsufficientStorage(Problem):
    """No room for more files. A report without files can still be filed."""

    status, slug, title = 507, "no-space", "No space for files"
    detail = N_("There is no space for more files now. Try again later, or file the report without files.")


@contextlib.contextmanager
def no_space() -> Iterator[None]:
    """Turn a full disk into InsufficientStorage."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InsufficientStorage() from None
        raise


async def check_room(context: Context, more: int = 0) -> None:
    """Return if the disk keeps its floor after `more` bytes. Errors: InsufficientStorage."""
    free = await in_thread(context.blobs.free)
    if free - more < context.settings.disk_floor_bytes:
        raise InsufficientStorage()
