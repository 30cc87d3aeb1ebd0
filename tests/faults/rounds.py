"""Rounds of faults: file reports and work on cases, break something at a random instant, start again, look at everything.

The promise under test: a report whose `201` was received is whole, and every other one is absent or goes through
when the same request is repeated with the same idempotency key; and so with every other writing operation
(`operations.py`, `cases.py`) and with the log (`publishing.py`).
"""

import base64
import contextlib
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from services.crypto.age import HybridIdentity
from services.crypto.canonical import unb64u
from services.crypto.directories import Directory, parse_directory
from services.crypto.packages import NewAttachment, seal_report
from services.crypto.receipts import ReceiptKeys
from services.crypto.signatures import Signed, SigningKey
from services.first_run import Folder
from services.intake.form import load_form
from services.kit.blobs import LocalBlobs
from services.kit.postgres import ensure_cluster
from tests.faults import plain_cases
from tests.faults.cases import Case, work
from tests.faults.operations import Operation, Tally, judge
from tests.faults.paging import page
from tests.faults.publishing import Publisher
from tests.faults.sending import Filing, fields
from tests.faults.uploading import Drafted, drafted
from tests.system.conftest import Server

FILERS, WORKERS = 4, 3
#: Neither proof of work nor a reading time for pages: only faults are of interest.
SETTINGS = {"ADAL_INTAKE_CHALLENGE_COST": "0", "ADAL_INTAKE_PAGE_MIN_SECONDS": "0"}
#: In one round of so many the log is published meanwhile.
PUBLISHED = 3
SIZES = (0, 100, 70_000, 1_000_000)
#: Of files that are uploaded in pieces.
LARGE = (0, 300_000, 1_500_000)


def plain(sizes: Sequence[int]) -> Filing:
    files = [
        {"name": f"{i}.bin", "type": "video/mp4", "data": base64.b64encode(os.urandom(size)).decode()}
        for i, size in enumerate(sizes)
    ]
    body = {
        "form": load_form().version,
        "mode": "anonymous",
        "fields": fields(),
        "answers": {"what": "invented"},
    }
    return Filing("/api/intake/v1/reports", json.dumps(body | {"attachments": files}).encode())


def sealed(sizes: Sequence[int], directory: Directory) -> Filing:
    # The receipt is not stretched: that would only slow the rounds down.
    keys = ReceiptKeys(secrets.token_bytes(32), HybridIdentity.generate(), SigningKey.generate())
    files = [NewAttachment(f"{i}.bin", "video/mp4", os.urandom(size)) for i, size in enumerate(sizes)]
    report = seal_report(
        {"what": "invented", "mode": "anonymous"}, fields(), None, files, directory, directory.desks[0].id,
        load_form().version, "sealed", receipt="0" * 24, keys=keys,
    )  # fmt: skip
    return Filing("/api/intake/v1/packages", json.dumps(report.to_json()).encode())


@dataclass
class Counts:
    """What was seen over all rounds."""

    rounds: int = 0
    acknowledged: int = 0
    repeated: int = 0
    absent: int = 0
    uploads: int = 0
    resumed: int = 0
    published: int = 0
    broken: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    operations: dict[str, Tally] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Counts":
        """What `to_json` gave."""
        tallies = {name: Tally(**found) for name, found in value.pop("operations", {}).items()}
        return cls(**value, operations=tallies)


@dataclass
class Bench:
    """A server to break, and the count of what happened."""

    server: Server
    random: random.Random
    counts: Counts = field(default_factory=Counts)
    can_fill: bool = False
    publisher: Publisher = field(init=False)

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.server)

    def directory(self) -> Directory:
        document = json.loads((self.server.var / "dev" / "directory.json").read_text())
        return parse_directory(Signed.from_json(document))

    def one(self) -> None:
        """One round with one fault."""
        name = self.random.choice(sorted(FAULTS if self.can_fill else set(FAULTS) - {"disk full"}))
        filings, operations, stop = list[Filing](), list[Operation](), threading.Event()
        database = self._conninfo()
        threads = [threading.Thread(target=self._file, args=(filings, stop)) for _ in range(FILERS)]
        threads += [
            threading.Thread(target=self._work, args=(filings, operations, database, stop))
            for _ in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        if self.random.randrange(PUBLISHED) == 0:
            self.publisher.start()
        time.sleep(self.random.uniform(0.2, 2.0))
        FAULTS[name](self)
        stop.set()
        for thread in threads:
            thread.join(60)
        said = self.publisher.stop(kill=self.random.random() < 0.5)
        self._again()
        self._check(filings)
        self._judge(operations, said)
        self.counts.rounds += 1
        self.counts.faults[name] = self.counts.faults.get(name, 0) + 1

    def _file(self, filings: list[Filing], stop: threading.Event) -> None:
        directory = self.directory()
        while not stop.is_set():
            filing = self._filing(directory)
            filings.append(filing)
            if filing.send(self.server.port) != 201:
                return

    def _work(
        self, filings: list[Filing], operations: list[Operation], database: str, stop: threading.Event
    ) -> None:
        """File a report and work on it until something breaks; then the next."""
        directory, folder = self.directory(), Folder(self.server.var)
        while not stop.is_set():
            todo = self._case(directory, folder, database, filings)
            if todo is None:
                return
            for operation in todo:
                operations.append(operation)
                if operation.send(self.server.port) != operation.done or stop.is_set():
                    return

    def _case(
        self, directory: Directory, folder: Folder, database: str, filings: list[Filing]
    ) -> Iterator[Operation] | None:
        """A new report and everything that will be done with it; None when it could not be filed."""
        if self.random.random() < 0.2:
            filing = plain([])
            filings.append(filing)
            return plain_cases.work(filing) if filing.send(self.server.port) == 201 else None
        case = Case.new(directory, folder)
        filings.append(case.filing)
        filed = case.filing.send(self.server.port) == 201 and case.find(database)
        return work(case, self.random) if filed else None

    def _conninfo(self) -> str:
        return ensure_cluster(self.server.var / "postgres").superuser_conninfo("adal")

    def _judge(self, operations: Sequence[Operation], published: bool) -> None:
        """Look at everything that was written beside reports, and at the log."""
        with psycopg.connect(self._conninfo(), autocommit=True) as conn:
            self.counts.broken += judge(operations, self.server.port, conn, self.counts.operations)
            wrong = self.publisher.wrong(conn)
            self.counts.broken += [wrong] if wrong else []
        self.counts.published += published

    def _filing(self, directory: Directory) -> Filing:
        """A report of any kind: from a page, plain or sealed, its files inside the request or uploaded before."""
        if self.random.random() < 0.1:
            return page()
        count, mode = self.random.randrange(3), "plain" if self.random.random() < 0.3 else "sealed"
        if self.random.random() < 0.4:
            return drafted(mode, [self.random.choice(LARGE) for _ in range(count + 1)], directory)
        sizes = [self.random.choice(SIZES) for _ in range(count)]
        return plain(sizes) if mode == "plain" else sealed(sizes, directory)

    def _again(self) -> None:
        """Everything stops and starts, as after a power cut."""
        if self.server.process is not None and self.server.process.poll() is None:
            self.server.process.kill()
        if self.server.process is not None:
            self.server.process.wait(30)
        self.server.start()

    def _check(self, filings: Sequence[Filing]) -> None:
        stored = look(self.server.var)
        for filing in filings:
            self.counts.uploads += isinstance(filing, Drafted)
            if filing.reference is None:
                self._repeat(filing)
            elif filing.reference not in stored:
                self.counts.broken.append("acknowledged and lost")
            else:
                self.counts.acknowledged += 1
        self.counts.broken += [text for text in look(self.server.var).values() if text]

    def _repeat(self, filing: Filing) -> None:
        before = stored_count(self.server.var)
        self.counts.resumed += isinstance(filing, Drafted) and filing.half_way
        status = filing.send(self.server.port)
        if status != 201 or filing.broken:
            self.counts.broken.append(filing.broken or f"not resumable: {status}")
        elif stored_count(self.server.var) > before:
            self.counts.absent += 1
        else:
            self.counts.repeated += 1


def stored_count(var: Path) -> int:
    """How many reports are stored."""
    with psycopg.connect(ensure_cluster(var / "postgres").superuser_conninfo("adal")) as conn:
        row = conn.execute("SELECT count(*) FROM intake.reports").fetchone()
        return int(row[0]) if row else 0


def look(var: Path) -> dict[str, str]:
    """Every stored report by reference, with what is wrong with it, or an empty text."""
    cluster = ensure_cluster(var / "postgres")
    blobs = LocalBlobs(var / "blobs")
    found: dict[str, str] = {}
    with psycopg.connect(cluster.superuser_conninfo("adal"), autocommit=True) as conn:
        for report_id, reference, manifest in conn.execute(
            "SELECT id, reference, manifest FROM intake.reports"
        ).fetchall():
            found[reference] = _wrong(conn, blobs, report_id, json.loads(bytes(manifest)))
    return found


def _wrong(conn: psycopg.Connection, blobs: LocalBlobs, report_id: Any, manifest: dict[str, Any]) -> str:
    parts = conn.execute(
        "SELECT sealed, blob FROM intake.parts WHERE report_id = %s AND number < %s ORDER BY number",
        [report_id, len(manifest["parts"])],
    ).fetchall()
    if len(parts) != len(manifest["parts"]):
        return "parts are missing"
    for (inline, blob), line in zip(parts, manifest["parts"], strict=True):
        try:
            data = bytes(inline) if inline is not None else blobs.read(blob)
        except LookupError:
            return "a blob is missing"
        if sha256(data).digest() != unb64u(line["sha256"]):
            return "a part is damaged"
    counts = conn.execute(
        "SELECT (SELECT count(*) > 0 FROM intake.grants WHERE report_id = %(id)s), "
        "(SELECT count(*) FROM intake.shares WHERE report_id = %(id)s), "
        "(SELECT count(*) FROM intake.log_records r JOIN intake.reports p ON p.leaf = r.leaf WHERE p.id = %(id)s)",
        {"id": report_id},
    ).fetchone()
    return "" if counts == (True, manifest["n"], 1) else "grants, shares or the log record are missing"


def kill_server(bench: Bench) -> None:
    """`kill -9` of the services."""
    assert bench.server.process is not None
    bench.server.process.kill()


def _postgres(bench: Bench) -> list[int]:
    """Process numbers of the database, the postmaster first."""
    pid_file = bench.server.var / "postgres"
    for path in pid_file.rglob("postmaster.pid"):
        with contextlib.suppress(OSError, ValueError):
            return [int(path.read_text().splitlines()[0])]
    return []


def kill_postmaster(bench: Bench) -> None:
    """`kill -9` of PostgreSQL's first process; the others notice and go."""
    for pid in _postgres(bench):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_everything(bench: Bench) -> None:
    """Services and database at the same instant."""
    pids = _postgres(bench)
    kill_server(bench)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stalled_clients(bench: Bench) -> None:
    """Many connections that stop in the middle of their body; then the services are killed under them."""
    head = b"POST /api/intake/v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    held = []
    for _ in range(50):
        with contextlib.suppress(OSError):
            held.append(socket.create_connection(("localhost", bench.server.port), timeout=5))
            held[-1].sendall(head + b"Content-Length: 1000000\r\n\r\n{" + b" " * 1000)
    time.sleep(0.5)
    kill_server(bench)
    for connection in held:
        connection.close()


def disk_full(bench: Bench) -> None:
    """No byte is left for attachments; a report without files still enters. Then everything is killed."""
    filler = bench.server.var / "blobs" / "filler"
    try:
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 65536):
                pass
        small = plain([])
        status = small.send(bench.server.port)
        if status != 201:
            bench.counts.broken.append(f"a report without files was refused on a full disk: {status}")
        time.sleep(0.5)
    finally:
        filler.unlink(missing_ok=True)
    kill_server(bench)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of 2 GiB of its own at `folder`; False, and no such disk, where this process may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=2g,mode=0700", "adal-faults", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


FAULTS: dict[str, Callable[[Bench], None]] = {
    "kill -9 services": kill_server,
    "kill -9 postgres": kill_postmaster,
    "kill -9 both": kill_everything,
    "stalled clients": stalled_clients,
    "disk full": disk_full,
}
