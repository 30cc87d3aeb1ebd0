"""`python -m bench.receipts`: does the time of an answer tell an unknown receipt from one that is or was somebody's?

Kinds of codes, each well-formed (24 digits, right check digit; their lookup values on the sealed route):

* unknown: random; and once more, "unknown again", so that the comparison of the two shows what is mere noise;
* near: a code in force with one digit before the check digit changed and the check digit made right;
* replaced: was in force until its owner confirmed another one;
* pending: offered by its owner, not typed back yet;
* right: in force.

The first three are not in the database and must not be told apart from each other: all get the same 404. Pending and
right ones are there, and their answers differ anyway; they stand here for contrast. All kinds go in one random order
over one kept connection, directly to the service, where an attacker would see most.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import load
from bench.filings import TEXT, fields, sealed_requests
from bench.running import Served, served, temporary_home
from bench.statistic import Difference, difference
from services.client.filing import NewReport
from services.client.reporter import Reporter
from services.crypto.canonical import b64u, unb64u
from services.crypto.receipts import LENGTH, damm, derive, new_receipt

UNKNOWN, AGAIN, NEAR, REPLACED, PENDING, RIGHT = KINDS = (
    "unknown", "unknown again", "near", "replaced", "pending", "right",
)  # fmt: skip
ABSENT = frozenset({UNKNOWN, AGAIN, NEAR, REPLACED})
EACH = 8
WARM = 30
HEAD = (
    "| route | code | answer | requests | median ms | more than unknown, us (95 %) | larger in a pair | p "
    "| a difference shows |\n"
    "|---|---|--:|--:|--:|---|--:|--:|---|"
)


@dataclass(frozen=True)
class Route:
    """Where a code goes, and the request that carries it."""

    name: str
    path: str
    there: Mapping[str, int]

    def request(self, receipt: str, lookup: bytes) -> bytes:
        """The bytes of a request with this code, or its lookup value."""
        sealed = self.path.endswith("/sessions")
        body = {"lookup": b64u(lookup)} if sealed else {"receipt": receipt}
        return load.post(self.path, json.dumps(body).encode())

    def hoped(self, kind: str) -> int:
        """The status of the answer."""
        return 404 if kind in ABSENT else self.there[kind]


SEALED = Route("sealed", "/api/intake/v1/inbox/sessions", {PENDING: 201, RIGHT: 201})
PLAIN = Route("plain", "/api/intake/v1/inbox/plain", {PENDING: 409, RIGHT: 200})


@dataclass(frozen=True)
class Codes:
    """Receipts by kind, and the lookup value of each."""

    by_kind: dict[str, list[str]] = field(repr=False)
    lookups: dict[str, bytes] = field(repr=False)


def near(receipt: str, generator: random.Random) -> str:
    """Another receipt, one digit and the check digit away."""
    place = generator.randrange(LENGTH - 1)
    digit = (int(receipt[place]) + generator.randrange(1, 10)) % 10
    digits = f"{receipt[:place]}{digit}{receipt[place + 1 : LENGTH - 1]}"
    return digits + str(damm(digits))


def codes(server: Served, generator: random.Random) -> Codes:
    """File reports and change codes until there are `EACH` of every kind that has an owner."""
    by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS}
    with Reporter(server.url, [unb64u(root, 32) for root in server.roots]) as reporter:
        for number in range(2 * EACH):
            receipt = reporter.file_sealed(NewReport(fields(), {"what": TEXT})).receipt
            new = reporter.inbox(receipt).replace_code()
            if number % 2:
                by_kind[RIGHT].append(receipt)
                by_kind[PENDING].append(new)
            else:
                reporter.confirm_code(new)
                by_kind[RIGHT].append(new)
                by_kind[REPLACED].append(receipt)
    # As many of each kind, so that none is warmer in a cache than another.
    by_kind[RIGHT] = generator.sample(by_kind[RIGHT], EACH)
    by_kind[NEAR] = [near(receipt, generator) for receipt in by_kind[RIGHT]]
    for kind in (UNKNOWN, AGAIN):
        by_kind[kind] = [new_receipt() for _ in range(EACH)]
    lookups = {receipt: derive(receipt).lookup for kind in KINDS for receipt in by_kind[kind]}
    return Codes(by_kind, lookups)


async def timed(
    port: int, route: Route, made: Codes, count: int, generator: random.Random
) -> dict[str, list[float]]:
    """Seconds of each answer by kind, in random order. Error: SystemExit when an answer is not the one hoped for."""
    order = [kind for kind in KINDS for _ in range(count)]
    generator.shuffle(order)
    order = generator.choices(KINDS, k=WARM) + order
    out: dict[str, list[float]] = {kind: [] for kind in KINDS}
    async with load.Line(port) as line:
        for number, kind in enumerate(order):
            receipt = generator.choice(made.by_kind[kind])
            request = route.request(receipt, made.lookups[receipt])
            begun = time.perf_counter()
            status, _ = await line.ask(request)
            took = time.perf_counter() - begun
            if status != route.hoped(kind):
                raise SystemExit(f"{route.name}, {kind}: {status}")
            if number >= WARM:
                out[kind].append(took)
    return out


def row(route: Route, kind: str, times: Sequence[float], found: Difference | None) -> str:
    """The row of a kind; without a difference it is the one that the others are compared with."""
    start = f"| {route.name} | {kind} | {route.hoped(kind)} | {len(times)} | {1000 * median(times):.3f} |"
    if found is None:
        return start + " | | | |"
    micro = [f"{1e6 * value:+.1f}" for value in (found.median, found.low, found.high)]
    shows = "yes" if found.shows else "no"
    return f"{start} {micro[0]} ({micro[1]} to {micro[2]}) | {found.larger:.3f} | {found.p:.2g} | {shows} |"


def compared(server: Served, route: Route, made: Codes, count: int, generator: random.Random) -> list[str]:
    """The rows of a route."""
    times = asyncio.run(timed(server.port, route, made, count, generator))
    rows = []
    for kind in KINDS:
        found = None if kind == UNKNOWN else difference(times[UNKNOWN], times[kind], generator)
        rows.append(row(route, kind, times[kind], found))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.receipts")
    parser.add_argument("--sealed", type=int, default=2000, help="requests of each kind on the sealed route")
    parser.add_argument("--plain", type=int, default=200, help="and on the plain route")
    parser.add_argument("--reports", type=int, default=500, help="other reports in the database")
    parser.add_argument("--seed", type=int, default=1, help="of order and resampling")
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    with temporary_home() as home, served(home / "var") as server:
        others = sealed_requests(server.directory, server.roots, arguments.reports)
        asyncio.run(load.run(server.port, others, 4, 201))
        made = codes(server, generator)
        rows = compared(server, SEALED, made, arguments.sealed, generator)
        rows += compared(server, PLAIN, made, arguments.plain, generator)
    print("\n".join([HEAD, *rows]))
    if arguments.out:
        arguments.out.write_text("\n".join([HEAD, *rows]) + "\n")


if __name__ == "__main__":
    main()
