"""`make bench`: reports a second, latencies and CPU for each report, beside an empty route and a bare INSERT.

Everything runs in one go on one machine, so that the ratios mean something; the absolute figures are the machine's.
"""

import argparse
import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg

from bench import cpu, load, yardstick
from bench.filings import plain_request, sealed_requests
from bench.running import Served, empty_route, served, temporary_home
from services.kit.postgres import ensure_cluster

LEVELS = (1, 8, 64)
WARM = 20
HEAD = (
    "| what | at a time | requests | a second | p50 ms | p95 ms | p99 ms | refused | CPU ms each | in stretchings "
    "| one stretching, CPU ms | one empty request, ms |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)
_SIZE = (
    "SELECT coalesce(avg(t), 0)::int FROM (SELECT sum(length(sealed)) t FROM ("
    "SELECT report_id, sealed FROM intake.parts UNION ALL SELECT report_id, sealed FROM intake.shares "
    "UNION ALL SELECT report_id, sealed FROM intake.grants) x GROUP BY report_id) y"
)


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


def line(name: str, measured: load.Measured, used: float, stick: yardstick.Yardstick) -> str:
    """A row of the table; `used` are CPU seconds of all requests together."""
    each = used / len(measured.latencies)
    return (
        f"| {name} | {measured.at_once} | {len(measured.latencies)} | {measured.rate:,.0f} | "
        + " | ".join(f"{measured.percentile(p):.1f}" for p in (0.5, 0.95, 0.99))
        + f" | {measured.refused} | {1000 * each:.2f} | {each / stick.stretching:.3f}"
        + f" | {1000 * stick.stretching:.1f} | {1000 * stick.empty:.2f} |"
    )


@dataclass
class Bench:
    """The table as it grows; `empty` is the port of the empty service."""

    empty: int
    rows: list[str] = field(default_factory=list)

    def say(self, row: str) -> None:
        self.rows.append(row)
        print(row, flush=True)

    def measure(self, name: str, pid: int, run: Callable[[int], load.Measured]) -> None:
        """The rows of one subject at every level; the CPU is that of `pid` and its children."""
        for at_once in LEVELS:
            (measured, used), stick = yardstick.around(self.empty, partial(_used, pid, run, at_once))
            self.say(line(name, measured, used, stick))


def _used(pid: int, run: Callable[[int], load.Measured], at_once: int) -> tuple[load.Measured, float]:
    before = cpu.seconds(pid)
    measured = run(at_once)
    return measured, cpu.seconds(pid) - before


def reports(bench: Bench, server: Served, count: int) -> None:
    """Plain and sealed reports, an INSERT of the same size, and whether all are stored."""
    total = count * len(LEVELS)
    sealed = sealed_requests(server.directory, server.roots, total)
    slices = {level: sealed[i * count : (i + 1) * count] for i, level in enumerate(LEVELS)}
    asyncio.run(load.run(server.port, [plain_request() for _ in range(WARM)], 4, 201))

    def plain(n: int) -> load.Measured:
        return asyncio.run(load.run(server.port, [plain_request() for _ in range(count)], n, 201))

    bench.measure("plain report", server.pid, plain)
    bench.measure(
        "sealed report", server.pid, lambda n: asyncio.run(load.run(server.port, slices[n], n, 201))
    )
    inserts(bench, server, count, WARM + 2 * total)


def inserts(bench: Bench, server: Served, count: int, expected: int) -> None:
    """Rows of the bare INSERT, then how many of the `expected` reports are there."""
    conninfo = ensure_cluster(server.var / "postgres").superuser_conninfo("adal")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        filed = conn.execute("SELECT count(*) FROM intake.reports").fetchone()
        size = conn.execute(_SIZE).fetchone()
        conn.execute("CREATE TABLE IF NOT EXISTS public.bench_raw (data bytea)")
    assert filed is not None
    assert size is not None
    there = conninfo + " options='-c search_path=public'"
    bench.measure(
        f"bare INSERT of {size[0]:,} bytes",
        server.pid,
        lambda n: asyncio.run(bare_inserts(there, size[0], count, n)),
    )
    bench.say(f"\n{filed[0]} of {expected} reports are stored; {expected - filed[0]} lost.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--count", type=int, default=300, help="reports of each kind at each level")
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    with temporary_home() as home, empty_route() as (port, pid):
        bench = Bench(port)
        bench.say(HEAD)
        requests = [load.get("/healthz")] * (arguments.count * 10)
        bench.measure("empty FastAPI route", pid, lambda n: asyncio.run(load.run(port, requests, n, 200)))
        with served(home / "var") as server:
            reports(bench, server, arguments.count)
    if arguments.out:
        arguments.out.write_text("\n".join(bench.rows) + "\n")


if __name__ == "__main__":
    main()
