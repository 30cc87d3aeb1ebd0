"""`python -m bench.gateway`: the same requests to intake directly and through the real gateway files.

Three ways: directly (HTTP on kept connections), through the gateway (TLS on kept connections, opened before the clock
starts), and through the gateway with a new TLS connection for each request, its handshake within the latency. The ways
take turns, so that a change of the machine meets all. The load generator shares the cores and does its half of TLS; its
CPU is not in the figures, but it is in the latencies.
"""

import argparse
import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import fmean

from bench import load, yardstick
from bench.behind import Behind, behind
from bench.filings import sealed_requests
from bench.running import empty_route, temporary_home

LEVELS = (1, 8, 64)
ROUNDS = 4
WAYS = 3
HEAD = (
    "| what | way | at a time | requests | p50 ms | p95 ms | p99 ms | refused | service + PostgreSQL, CPU ms each "
    "| nginx, CPU ms each | all in stretchings | one stretching, CPU ms | one empty request, ms |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


@dataclass(frozen=True)
class Way:
    """How requests reach the service."""

    name: str
    port: int
    trust: ssl.SSLContext | None
    fresh: bool = False


@dataclass(frozen=True)
class Turn:
    """One run one way; CPU seconds of the service with PostgreSQL, and of nginx."""

    measured: load.Measured
    service: float
    nginx: float
    stick: yardstick.Yardstick


@dataclass(frozen=True)
class Subject:
    """A kind of request: one slice of prepared bytes for each turn, and the status hoped for."""

    name: str
    slices: Sequence[Sequence[bytes]]
    hoped: int


def turn(there: Behind, empty: int, way: Way, requests: Sequence[bytes], at_once: int, hoped: int) -> Turn:
    """Send a slice one way."""
    read: list[tuple[float, float]] = []

    def cpu() -> None:
        read.append((there.service_cpu(), there.gateway_cpu()))

    def act() -> load.Measured:
        measured = asyncio.run(load.run(way.port, requests, at_once, hoped, way.trust, way.fresh, begin=cpu))
        cpu()
        return measured

    measured, stick = yardstick.around(empty, act)
    (service, nginx), (service_after, nginx_after) = read
    return Turn(measured, service_after - service, nginx_after - nginx, stick)


@dataclass(frozen=True)
class Sum:
    """All turns of one way at one level."""

    turns: Sequence[Turn]

    @property
    def latencies(self) -> list[float]:
        return list(chain.from_iterable(one.measured.latencies for one in self.turns))

    def each(self, seconds: Sequence[float]) -> float:
        """CPU milliseconds of a request."""
        return 1000 * sum(seconds) / len(self.latencies)

    @property
    def service(self) -> float:
        return self.each([one.service for one in self.turns])

    @property
    def nginx(self) -> float:
        return self.each([one.nginx for one in self.turns])

    def row(self, what: str, way: str) -> str:
        """The row of the table."""
        stretching = 1000 * fmean(one.stick.stretching for one in self.turns)
        empty = 1000 * fmean(one.stick.empty for one in self.turns)
        refused = sum(one.measured.refused for one in self.turns)
        latencies = self.latencies
        return (
            f"| {what} | {way} | {self.turns[0].measured.at_once} | {len(latencies)} | "
            + " | ".join(f"{load.percentile(latencies, p):.1f}" for p in (0.5, 0.95, 0.99))
            + f" | {refused} | {self.service:.2f} | {self.nginx:.2f}"
            + f" | {(self.service + self.nginx) / stretching:.3f} | {stretching:.1f} | {empty:.2f} |"
        )


def ratio(direct: Sum, through: Sum) -> str:
    """What the gateway multiplies, in words."""
    latency = load.percentile(through.latencies, 0.5) / load.percentile(direct.latencies, 0.5)
    cpu = (through.service + through.nginx) / direct.service if direct.service else float("nan")
    return f"median latency x {latency:.2f}, CPU x {cpu:.2f}"


def compared(there: Behind, empty: int, subject: Subject) -> list[str]:
    """Rows of one subject; then what the gateway multiplies at each level."""
    gateway = there.port, there.trust
    ways = (
        Way("direct", there.intake.port, None),
        Way("gateway", *gateway),
        Way("gateway, new connections", *gateway, fresh=True),
    )
    slices, rows, words = iter(subject.slices), list[str](), list[str]()
    for at_once in LEVELS:
        turns: dict[str, list[Turn]] = {way.name: [] for way in ways}
        for number in range(ROUNDS):
            for way in ways if number % 2 == 0 else reversed(ways):
                made = turn(there, empty, way, next(slices), at_once, subject.hoped)
                turns[way.name].append(made)
        direct, *others = [(way.name, Sum(turns[way.name])) for way in ways]
        rows += [found.row(subject.name, name) for name, found in (direct, *others)]
        print("\n".join(rows[-len(ways) :]), flush=True)
        words += [
            f"{subject.name}, {at_once} at a time, {name}: {ratio(direct[1], sum_)}" for name, sum_ in others
        ]
    return [*rows, *words]


def subjects(there: Behind, count: int) -> list[Subject]:
    """A small read, and sealed filings; `count` requests of each for each way and level."""
    each = max(1, count // ROUNDS)
    turns = len(LEVELS) * ROUNDS * WAYS
    made = sealed_requests(there.intake.directory, there.intake.roots, each * turns)
    filings = [made[i * each : (i + 1) * each] for i in range(turns)]
    small = [[load.get("/api/intake/v1/challenge")] * (each * 5)] * turns
    return [Subject("no challenge asked", small, 204), Subject("sealed report", filings, 201)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway")
    parser.add_argument("--count", type=int, default=512, help="sealed reports for each way and level")
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    with temporary_home() as home, empty_route() as (empty, _), behind(home) as there:
        print(HEAD)
        found = [compared(there, empty, one) for one in subjects(there, arguments.count)]
    rows = [row for rows in found for row in rows if row.startswith("|")]
    words = [f"* {word}" for rows in found for word in rows if not word.startswith("|")]
    print("\n" + "\n".join(words))
    if arguments.out:
        arguments.out.write_text("\n".join([HEAD, *rows, "", *words]) + "\n")


if __name__ == "__main__":
    main()
