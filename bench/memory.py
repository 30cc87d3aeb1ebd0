"""Memory of a process, from /proc, in bytes."""

from pathlib import Path


def _status(pid: int, name: str) -> int:
    for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise LookupError(name)


def resident(pid: int) -> int:
    """What it holds now."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """The most it held since its start or the last `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Begin to measure the peak anew."""
    (Path("/proc") / str(pid) / "clear_refs").write_text("5")
