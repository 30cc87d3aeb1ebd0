"""`make bench`: reports a second, latencies and CPU for each report, beside an empty route and a bare INSERT.

Everything runs in one go on one machine, so that the ratios mean something; the absolute figures are the machine's.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench import cpu, load
from services.crypto.age import HybridIdentity
from services.crypto.canonical import unb64u
from services.crypto.directories import check_directory
from services.crypto.packages import seal_report
from services.crypto.receipts import ReceiptKeys
from services.crypto.signatures import Signed, SigningKey
from services.intake.form import load_form
from services.kit.ports import free_port
from services.kit.postgres import ensure_cluster

LEVELS = (1, 8, 64)
TEXT = "Бір жаман іс туралы ойдан шығарылған хабарлама. " * 40


def fields() -> dict[str, Any]:
    """The first code of every list."""
    lists = load_form().lists
    first = {f.code: lists[f.list].items[0].code for f in load_form().of("fields").values() if f.list}
    return {**first, "language": "kk", "year": 2026}


def plain_request(_: int) -> bytes:
    body = {
        "form": load_form().version,
        "mode": "anonymous",
        "fields": fields(),
        "answers": {"what": TEXT},
    }
    return load.post("/api/intake/v1/reports", json.dumps(body).encode(), [_key()])


def sealed_request(directory: dict[str, Any], roots: list[str]) -> bytes:
    """A package sealed beforehand. The receipt is not stretched: that happens on the reporter's side."""
    keys = ReceiptKeys(secrets.token_bytes(32), HybridIdentity.generate(), SigningKey.generate())
    checked = check_directory(
        Signed.from_json(directory), [unb64u(root) for root in roots], datetime.now(UTC)
    )
    report = seal_report(
        {"what": TEXT, "mode": "anonymous"},
        fields(),
        None,
        [],
        checked,
        checked.desks[0].id,
        load_form().version,
        "sealed",
        receipt="0" * 24,
        keys=keys,
    )
    return load.post("/api/intake/v1/packages", json.dumps(report.to_json()).encode(), [_key()])


def _key() -> tuple[str, str]:
    return "Idempotency-Key", secrets.token_urlsafe(24)


def started(command: Sequence[str], port: int, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """A server process that answers on its port."""
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
        except OSError:
            time.sleep(0.1)
            if process.poll() is not None:
                break
        else:
            return process
    raise SystemExit("the server did not start")


def stopped(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    process.wait(30)


async def bare_inserts(conninfo: str, size: int, count: int, at_once: int) -> load.Measured:
    """INSERT of as many bytes as a report has, committed one by one, on kept connections."""
    out: list[float] = []
    left = [count]
    data = secrets.token_bytes(size)

    async def worker() -> None:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as conn:
            while left[0] > 0:
                left[0] -= 1
                begun = time.perf_counter()
                await conn.execute("INSERT INTO bench_raw (data) VALUES (%s)", [data])
                out.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return load.Measured(at_once, tuple(out), 0, time.perf_counter() - begun)


def line(name: str, measured: load.Measured, used: float) -> str:
    """A row of the table."""
    count = len(measured.latencies)
    return (
        f"| {name} | {measured.at_once} | {count} | {measured.rate:,.0f} | "
        + " | ".join(f"{measured.percentile(p):.1f}" for p in (0.5, 0.95, 0.99))
        + f" | {measured.refused} | {1000 * used / count:.2f} |"
    )


def measure(name: str, used: Callable[[], float], run: Callable[[int], load.Measured]) -> list[str]:
    """The rows of one subject at every level."""
    rows = []
    for at_once in LEVELS:
        before = used()
        measured = run(at_once)
        rows.append(line(name, measured, used() - before))
        print(rows[-1], flush=True)
    return rows


def reports(stack: ExitStack, var: Path, count: int) -> list[str]:
    port = free_port()
    command = [sys.executable, "-m", "services.dev", "--port", str(port), "--var", str(var)]
    server = started(command, port, {"ADAL_INTAKE_CHALLENGE_COST": "0"})
    stack.callback(stopped, server)
    directory = json.loads((var / "dev" / "directory.json").read_text())
    roots = json.loads((var / "dev" / "roots.json").read_text())["roots"]
    total = count * len(LEVELS)
    with ProcessPoolExecutor() as pool:
        sealed = list(pool.map(sealed_request, [directory] * total, [roots] * total, chunksize=20))
    slices = {level: sealed[i * count : (i + 1) * count] for i, level in enumerate(LEVELS)}
    asyncio.run(load.run(port, [plain_request(i) for i in range(20)], 4, 201))  # warm
    rows = measure(
        "plain report",
        lambda: cpu.seconds(server.pid),
        lambda n: asyncio.run(load.run(port, [plain_request(i) for i in range(count)], n, 201)),
    )
    rows += measure(
        "sealed report",
        lambda: cpu.seconds(server.pid),
        lambda n: asyncio.run(load.run(port, slices[n], n, 201)),
    )
    cluster = ensure_cluster(var / "postgres")
    conninfo = cluster.superuser_conninfo("adal")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        filed = conn.execute("SELECT count(*) FROM intake.reports").fetchone()
        size = conn.execute(
            "SELECT coalesce(avg(t), 0)::int FROM (SELECT sum(length(sealed)) t FROM ("
            "SELECT report_id, sealed FROM intake.parts UNION ALL SELECT report_id, sealed FROM intake.shares "
            "UNION ALL SELECT report_id, sealed FROM intake.grants) x GROUP BY report_id) y"
        ).fetchone()
        conn.execute("CREATE TABLE IF NOT EXISTS public.bench_raw (data bytea)")
    assert filed is not None
    assert size is not None
    rows += measure(
        f"bare INSERT of {size[0]:,} bytes",
        lambda: cpu.seconds(server.pid),
        lambda n: asyncio.run(bare_inserts(conninfo + " options='-c search_path=public'", size[0], count, n)),
    )
    expected = 20 + 2 * total
    print(f"\n{filed[0]} of {expected} reports are stored; {expected - filed[0]} lost.")
    return [*rows, f"\n{filed[0]} of {expected} reports are stored; {expected - filed[0]} lost."]


def empty_route(stack: ExitStack, count: int) -> list[str]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.empty:app", "--port", str(port), "--no-access-log"]
    server = started([*command, "--log-level", "critical"], port, {})
    stack.callback(stopped, server)
    requests = [load.get("/healthz")] * count
    return measure(
        "empty FastAPI route",
        lambda: cpu.seconds(server.pid),
        lambda n: asyncio.run(load.run(port, requests, n, 200)),
    )


HEAD = (
    "| what | at a time | requests | a second | p50 ms | p95 ms | p99 ms | refused | CPU ms each |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--count", type=int, default=300, help="reports of each kind at each level")
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    print(HEAD)
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adal-bench-"))) / "var"
        var.parent.chmod(0o755)
        rows = empty_route(stack, arguments.count * 10)
        rows += reports(stack, var, arguments.count)
    if arguments.out:
        arguments.out.write_text("\n".join([HEAD, *rows]) + "\n")


if __name__ == "__main__":
    main()
