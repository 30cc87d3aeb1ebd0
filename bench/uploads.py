"""`python -m bench.uploads --mib 1024`: one large file, sealed and plain, beside age in memory and a copy with fsync.

The real client, in a process of its own, against a server started as `make serve` does, PostgreSQL fully durable.
The time is that of the whole report: from the file on the reporter's disk to the checked promise. Everything lies on
one disk. The two comparisons run before and after; their mean is what the ratios refer to.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bench import cpu, memory
from bench.filings import fields
from bench.running import Served, served, temporary_home
from bench.sending import Sent
from services.crypto.age import HybridIdentity, encrypt_stream

MODES = ("sealed", "plain")
BAR = 150_000_000
#: The default limit of the service for one file, 2 GiB, is not lifted; a sealed file is larger than what is in it.
MOST_MIB = 1900
_CHUNK, _COPY = 64 << 10, 1 << 20
HEAD = (
    "| what | MiB/s | seconds | of age | of the copy | CPU s per GiB: server | client | seconds before sending "
    "| sending | filing | MB over idle: server | client |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def make_file(path: Path, size: int) -> None:
    """Random bytes, on the disk, so that writing them back is not measured."""
    with path.open("wb") as file:
        for _ in range(size // _COPY):
            file.write(os.urandom(_COPY))
        os.fsync(file.fileno())


def _read(path: Path, chunk: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(chunk):
            yield data


def age_in_memory(path: Path) -> float:
    """Seconds to seal the bytes of a file that is in the page cache, with nothing kept."""
    recipient = HybridIdentity.generate().recipient
    begun = time.perf_counter()
    for _ in encrypt_stream(_read(path, _CHUNK), [recipient]):
        pass
    return time.perf_counter() - begun


def copy_with_fsync(path: Path) -> float:
    """Seconds to copy the file beside itself and have the disk keep copy and folder."""
    copy = path.with_suffix(".copy")
    begun = time.perf_counter()
    with copy.open("wb") as file:
        for data in _read(path, _COPY):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    took = time.perf_counter() - begun
    copy.unlink()
    return took


@dataclass(frozen=True)
class Uploaded:
    """One upload: the client's figures, the server's CPU seconds, and its memory above idle in bytes."""

    mode: str
    sent: Sent
    cpu: float
    growth: int


def upload(server: Served, path: Path, mode: str, idle: int) -> Uploaded:
    """File the report from another process; `idle` is what the server held before it ever took a file."""
    order = {
        "url": server.url, "roots": server.roots, "file": str(path), "mode": mode, "fields": fields(),
    }  # fmt: skip
    # The sealed copy that waits for being sent lies on the same disk.
    environment = {**os.environ, "TMPDIR": str(path.parent)}
    memory.forget_peak(server.pid)
    before = cpu.seconds(server.pid)
    done = subprocess.run(
        [sys.executable, "-m", "bench.sending"], input=json.dumps(order), env=environment,
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    used = cpu.seconds(server.pid) - before
    return Uploaded(mode, Sent(**json.loads(done.stdout)), used, memory.peak(server.pid) - idle)


@dataclass(frozen=True)
class Compared:
    """Rows about `mib` MiB, beside the mean seconds of `age` and `copy`."""

    mib: int
    age: float
    copy: float

    def _rate(self, name: str, seconds: float) -> str:
        rate, of_age, of_copy = self.mib / seconds, self.age / seconds, self.copy / seconds
        return f"| {name} | {rate:.0f} | {seconds:.2f} | {of_age:.2f} | {of_copy:.2f}"

    def plainly(self, name: str, seconds: float) -> str:
        """The row of a comparison."""
        return self._rate(name, seconds) + " |" * 8

    def row(self, made: Uploaded) -> str:
        """The row of an upload."""
        gib = self.mib / 1024
        parts = [f"{made.cpu / gib:.2f}", f"{made.sent.cpu / gib:.2f}"]
        parts += [f"{seconds:.2f}" for seconds in (made.sent.before, made.sent.sending, made.sent.filing)]
        parts += [f"{grown / 1e6:.0f}" for grown in (made.growth, made.sent.growth)]
        return " | ".join([self._rate(f"{made.mode} upload", made.sent.seconds), *parts]) + " |"


def settled(pid: int) -> int:
    """Memory of the idle server, a moment after its start."""
    time.sleep(2)
    return memory.resident(pid)


def timed(path: Path, server: Served, mib: int) -> list[str]:
    """The table, and whether the bar of memory is kept."""
    idle = settled(server.pid)
    compare: tuple[Callable[[Path], float], ...] = (age_in_memory, copy_with_fsync)
    before = [measured(path) for measured in compare]
    made = [upload(server, path, mode, idle) for mode in MODES]
    after = [measured(path) for measured in compare]
    table = Compared(mib, *(fmean(pair) for pair in zip(before, after, strict=True)))
    rows = [
        table.plainly(f"{name}, {when}", seconds)
        for when, pair in (("before", before), ("after", after))
        for name, seconds in zip(("age in memory", "copy with fsync"), pair, strict=True)
    ]
    most = max(max(one.growth, one.sent.growth) for one in made)
    kept = "kept" if most < BAR else "MISSED"
    verdict = f"\n{mib} MiB; idle server {idle / 1e6:.0f} MB; bar {BAR / 1e6:.0f} MB over idle: {kept}."
    return [HEAD, *map(table.row, made), *rows, verdict]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.uploads")
    parser.add_argument("--mib", type=int, default=1024, help=f"size of the file, 16 to {MOST_MIB} MiB")
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    if not 16 <= arguments.mib <= MOST_MIB:
        parser.error(f"--mib must be between 16 and {MOST_MIB}")
    size = arguments.mib << 20
    # The file, its copy or its sealed form, what the server keeps of two uploads; and the server's own floor.
    with temporary_home(need=5 * size + (3 << 30)) as home, served(home / "var") as server:
        path = home / "large.bin"
        make_file(path, size)
        rows = timed(path, server, arguments.mib)
    print("\n".join(rows))
    if arguments.out:
        arguments.out.write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
