"""CPU time of a process and of everything under it, from /proc."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[int, float] | None:
    """(parent, CPU seconds with those of ended children) of a process."""
    try:
        fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), sum(map(int, fields[11:15])) / _TICK


def seconds(root: int) -> float:
    """CPU seconds used so far by `root` and its descendants, in user and kernel mode."""
    table = {
        int(p.name): s for p in Path("/proc").iterdir() if p.name.isdigit() and (s := _stat(int(p.name)))
    }
    wanted, grew = {root}, True
    while grew:
        more = {pid for pid, (parent, _) in table.items() if parent in wanted} - wanted
        wanted |= more
        grew = bool(more)
    return sum(used for pid, (_, used) in table.items() if pid in wanted)
