"""Become a PostgreSQL program: give up root, ask to die with the parent, then exec.

Run as a script, `python -I -S postgres_child.py UID GID PARENT COMMAND...`; it imports nothing outside the
standard library. A fork with Python code between fork and exec would be unsafe in a process with threads, so
these steps have a small process of their own, which the command then replaces under the same pid.
UID is -1 when there is nothing to give up. Exit status 126: the command cannot be run by that user.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def give_up_root(uid: int, gid: int) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def die_with(parent: int) -> None:
    """Have the kernel send SIGINT (PostgreSQL: fast shutdown) when the parent ends. Linux only.

    Must come after setuid, which clears the wish.
    """
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)


def main() -> None:
    uid, gid, parent = (int(word) for word in sys.argv[1:4])
    command = sys.argv[4:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold what was in memory
    os.umask(0o077)
    # Python ignores the first two, a shell the third in what it runs in the background: the signal that the
    # parent has died must not be lost before PostgreSQL listens for it.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    give_up_root(uid, gid)
    die_with(parent)
    try:
        os.execv(command[0], command)  # noqa: S606
    except OSError:
        sys.exit(126)


if __name__ == "__main__":
    main()
