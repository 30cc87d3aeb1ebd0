"""`kill -9` cannot show a missing fsync, since the kernel keeps what was written. A trace of system calls can.

Before the `201` leaves: the attachment is flushed, renamed, its folder flushed, and the commit is in the write-ahead log.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from tests.faults.rounds import plain
from tests.system.conftest import Server

CALLS = "fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg,pwrite64,pwritev"


def strace() -> str:
    """The path of strace; Debian's package is installed where it is missing and that is possible."""
    found = shutil.which("strace")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "strace"]):
            subprocess.run(command, env=environment, check=True, capture_output=True)
        found = shutil.which("strace")
    assert found, "strace is missing: apt-get install strace"
    return found


def family(root: int) -> list[int]:
    """A process and everything under it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def traced(server: Server, output: Path) -> list[str]:
    """The lines of a trace of everything while one report with a large attachment is filed."""
    assert server.process is not None
    pids = [argument for pid in family(server.process.pid) for argument in ("-p", str(pid))]
    command = [strace(), "-f", "-y", "-ttt", "-s", "64", "-e", f"trace={CALLS}", "-o", str(output), *pids]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        time.sleep(1.5)
        filing = plain([1_000_000])
        assert filing.send(server.port, timeout=60) == 201
        time.sleep(0.5)
    finally:
        tracer.terminate()
        tracer.communicate(timeout=30)
    return sorted(output.read_text().splitlines(), key=lambda line: float(line.split()[1]))


def first(lines: list[str], pattern: str, after: int = 0) -> int:
    """Place of the first line from `after` on that matches."""
    for place in range(after, len(lines)):
        if re.search(pattern, lines[place]):
            return place
    raise AssertionError(f"the trace has no {pattern}")


def test_everything_is_on_disk_before_the_201(tmp_path: Path) -> None:
    server = Server(tmp_path, settings={"ADAL_INTAKE_CHALLENGE_COST": "0"})
    server.start()
    try:
        assert plain([]).send(server.port) == 201  # connections and prepared statements are made
        lines = traced(server, tmp_path / "trace")
    finally:
        server.stop()
    blobs = re.escape(str(server.var / "blobs"))
    file_flushed = first(lines, rf"f(data)?sync\(\d+<{blobs}/[^>]*>\)")
    renamed = first(lines, rf"rename\w*\(.*{blobs}", file_flushed)
    folder_flushed = first(lines, rf"fsync\(\d+<{blobs}/[0-9a-f]{{2}}>\)", renamed)
    committed = first(lines, r"f(data)?sync\(\d+<[^>]*/pg_wal/[0-9A-F]{24}>\)", folder_flushed)
    answered = first(lines, r'"HTTP/1.1 201', 0)
    assert file_flushed < renamed < folder_flushed < committed < answered
