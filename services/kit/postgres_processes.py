"""Tell a living PostgreSQL server on a data folder from a stale pid file, and stop it.

A number in a file proves nothing: after a restart it may belong to any process. A process counts as a server
of the folder only if its program is PostgreSQL's and it works inside that very folder (the server in the data
folder, initdb in the one above, where we start it).
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

FAST, IMMEDIATE, KILL = signal.SIGINT, signal.SIGQUIT, signal.SIGKILL
_STEPS = ((FAST, 30.0), (IMMEDIATE, 5.0), (KILL, 5.0))  # signal, seconds to wait


class StillRunningError(RuntimeError):
    """A server process survived every signal."""


def stop_server(pid: int, ended: Callable[[float], bool]) -> None:
    """Fast shutdown, then immediate, then kill.

    `ended(seconds)` waits for the end and says whether it came. Raises StillRunningError.
    """
    for number, patience in _STEPS:
        if ended(0):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if ended(patience):
            return
    raise StillRunningError("PostgreSQL does not stop")


def stop_leftovers(data: Path) -> None:
    """Stop what an earlier owner left running on `data`, then remove its pid file.

    To be called only by the holder of the cluster's lock. Raises StillRunningError.
    """

    def gone(seconds: float) -> bool:
        return _wait_while(lambda: bool(servers_on(data)), seconds)

    chief = _recorded_pid(data)
    if chief in servers_on(data):
        stop_server(chief, lambda seconds: _wait_while(lambda: chief in servers_on(data), seconds))
    if not gone(2.0):  # children without a chief end by themselves, but not while they are busy
        for pid in servers_on(data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, KILL)
        if not gone(5.0):
            raise StillRunningError("processes of an earlier PostgreSQL server do not stop")
    # PostgreSQL refuses to start when the number in this file now belongs to any process of the same user.
    (data / "postmaster.pid").unlink(missing_ok=True)


def servers_on(data: Path) -> frozenset[int]:
    """Process numbers of every living PostgreSQL process on the folder `data`, initdb included."""
    if not sys.platform.startswith("linux"):
        return _servers_by_ps(data)
    try:
        homes = (data.parent.stat(), data.stat())
    except FileNotFoundError:
        return frozenset()
    numbers = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return frozenset(int(entry.name) for entry in numbers if _is_server(entry, homes))


def _is_server(entry: Path, homes: tuple[os.stat_result, ...]) -> bool:
    try:  # a program replaced on disk shows as "postgres (deleted)"
        program = (entry / "exe").readlink().name.removesuffix(" (deleted)")
        if program not in {"postgres", "initdb"}:
            return False
        place = (entry / "cwd").stat()
        return any(os.path.samestat(place, home) for home in homes)
    except OSError:  # ended, a zombie, or not ours to see
        return False


def _servers_by_ps(data: Path) -> frozenset[int]:
    """For systems without /proc: the chief only, by its full command line."""
    listing = subprocess.run(
        ["/bin/ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.strip().partition(" ") for line in listing.splitlines())
    return frozenset(int(pid) for pid, _, command in rows if f"/postgres -D {data} " in command)


def _recorded_pid(data: Path) -> int:
    """The number in the pid file; 0 if there is none."""
    try:
        return int((data / "postmaster.pid").read_text().partition("\n")[0])
    except (FileNotFoundError, ValueError):
        return 0


def _wait_while(condition: Callable[[], bool], seconds: float) -> bool:
    """True as soon as the condition no longer holds, False when time ran out."""
    deadline = time.monotonic() + seconds
    while condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True
