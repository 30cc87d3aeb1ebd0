"""`python -m bench.journeys`: whole journeys of citizens through the real gateway files, 64 at a time.

A journey, on a TLS connection of its own: key directory, form, challenge, file a sealed report with an attachment,
challenge, open the inbox, read it, send a message, read it again and find the message. The bytes were sealed
beforehand, so that sealing is not what is measured. Whatever is not 2xx is counted, and so is a broken connection.
"""

import argparse
import asyncio
import json
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench import load, yardstick
from bench.behind import Behind, behind
from bench.filings import TEXT, key, package_request, sealed_report
from bench.running import Served, empty_route, temporary_home
from services.crypto.canonical import b64, b64u
from services.crypto.packages import NewAttachment
from services.crypto.payloads import Header, seal_payload

API = "/api/intake/v1"
STEPS = (
    "connect",
    "key directory",
    "form",
    "challenge",
    "file",
    "open inbox",
    "read",
    "send message",
    "read again",
)
HEAD = "| step | done | p50 ms | p95 ms | p99 ms |\n|---|--:|--:|--:|--:|"


@dataclass(frozen=True)
class Journey:
    """What was made beforehand: the filing, the lookup value (b64u), the body of the message and its part's hash."""

    filing: bytes = field(repr=False)
    lookup: str = field(repr=False)
    message: bytes = field(repr=False)
    digest: str = field(repr=False)


def prepared(directory: dict[str, Any], roots: list[str], size: int) -> Journey:
    """A sealed report with an attachment of `size` bytes, and the message that follows it."""
    file = NewAttachment("file.bin", "application/octet-stream", secrets.token_bytes(size))
    report = sealed_report(directory, roots, [file])
    manifest, keys = report.manifest, report.keys
    head = Header("message", "reporter", report.rid, manifest.dir_seq, 2, manifest.parts[1].sha256)
    body = {"attachments": [], "text": TEXT}
    part = seal_payload(head, body, keys.signing, [manifest.report_recipient])
    message = json.dumps({"n": 2, "part": b64(part), "attachments": []}).encode()
    return Journey(package_request(report), b64u(keys.lookup), message, b64u(sha256(part).digest()))


@dataclass
class Counts:
    """What came of all journeys; latencies in seconds."""

    steps: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    whole: list[float] = field(default_factory=list)
    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    lost: int = 0
    wall: float = 0


class Refused(Exception):
    """An answer that is not 2xx ends a journey."""


@dataclass(frozen=True)
class Walk:
    """One journey on its line."""

    line: load.Line
    counts: Counts

    async def ask(self, step: str, request: bytes) -> bytes:
        """The body of an answer; its latency counts for `step`. Error: Refused."""
        begun = time.perf_counter()
        self.counts.requests += 1
        status, body = await self.line.ask(request)
        if not 200 <= status < 300:
            self.counts.refused[f"{step}: {status}"] += 1
            raise Refused
        self.counts.steps[step].append(time.perf_counter() - begun)
        return body

    async def go(self, journey: Journey, begun: float) -> None:
        """All steps of a journey that began to connect at `begun`. Errors: Refused, OSError, EOFError."""
        self.counts.steps["connect"].append(time.perf_counter() - begun)
        await self.ask("key directory", load.get(f"{API}/key-directory"))
        await self.ask("form", load.get(f"{API}/form"))
        await self.ask("challenge", load.get(f"{API}/challenge"))
        await self.ask("file", journey.filing)
        await self.ask("challenge", load.get(f"{API}/challenge"))
        lookup = json.dumps({"lookup": journey.lookup}).encode()
        opened = await self.ask("open inbox", load.post(f"{API}/inbox/sessions", lookup))
        bearer = "Authorization", f"Bearer {json.loads(opened)['token']}"
        await self.ask("read", load.get(f"{API}/inbox", [bearer]))
        await self.ask("send message", load.post(f"{API}/inbox/messages", journey.message, [bearer, key()]))
        found = json.loads(await self.ask("read again", load.get(f"{API}/inbox", [bearer])))
        self.counts.lost += journey.digest not in [part["sha256"] for part in found["parts"]]
        self.counts.whole.append(time.perf_counter() - begun)


async def _citizen(port: int, trust: ssl.SSLContext, todo: list[Journey], counts: Counts) -> None:
    while todo:
        journey, begun = todo.pop(), time.perf_counter()
        try:
            async with load.Line(port, trust) as line:
                await Walk(line, counts).go(journey, begun)
        except Refused:
            continue
        except (OSError, EOFError):
            counts.broken += 1


async def walk(port: int, trust: ssl.SSLContext, journeys: Sequence[Journey], at_once: int) -> Counts:
    """All journeys, `at_once` at a time."""
    counts, todo = Counts(), list(journeys)
    begun = time.perf_counter()
    await asyncio.gather(*(_citizen(port, trust, todo, counts) for _ in range(at_once)))
    counts.wall = time.perf_counter() - begun
    return counts


def made(there: Served, count: int, size: int) -> list[Journey]:
    """Journeys, sealed on all cores."""
    make = partial(prepared, there.directory, there.roots)
    with ProcessPoolExecutor() as pool:
        return list(pool.map(make, [size] * count, chunksize=10))


def rows(counts: Counts) -> list[str]:
    """The table: each step, then the whole."""
    lines = []
    for name, latencies in [*counts.steps.items(), ("whole journey", counts.whole)]:
        shares = [f"{load.percentile(latencies, p):.1f}" if latencies else "" for p in (0.5, 0.95, 0.99)]
        lines.append(f"| {name} | {len(latencies)} | {' | '.join(shares)} |")
    return lines


def measured(there: Behind, empty: int, count: int, at_once: int, size: int) -> list[str]:
    """The table and what was counted."""
    journeys = made(there.intake, count, size)
    asyncio.run(walk(there.port, there.trust, made(there.intake, 8, size), 8))  # warm
    before = there.service_cpu(), there.gateway_cpu()
    counts, stick = yardstick.around(
        empty, lambda: asyncio.run(walk(there.port, there.trust, journeys, at_once))
    )
    service, nginx = there.service_cpu() - before[0], there.gateway_cpu() - before[1]
    each = 1000 / count
    both, stretching = service + nginx, 1000 * stick.stretching
    return [
        HEAD,
        *rows(counts),
        "",
        *counted(counts, at_once, size),
        f"* CPU each: service and PostgreSQL {service * each:.1f} ms, nginx {nginx * each:.1f} ms,",
        f"  together {both * each / stretching:.2f} stretchings of {stretching:.1f} ms",
        f"  (an empty request meanwhile: {1000 * stick.empty:.2f} ms)",
    ]


def counted(counts: Counts, at_once: int, size: int) -> list[str]:
    """What came of the journeys, in words."""
    return [
        f"* {at_once} at a time, an attachment of {size >> 10} KiB: {len(counts.whole)} whole journeys,",
        f"  {len(counts.whole) / counts.wall:.1f} a second",
        f"* {counts.requests} requests, {counts.refused.total()} refused, {counts.broken} connections broken,",
        f"  {counts.lost} messages lost",
        *(f"* refused at {what}, {number} times" for what, number in counts.refused.items()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.journeys")
    parser.add_argument("--count", type=int, default=640, help="journeys in all")
    parser.add_argument("--at-once", type=int, default=64, help="at a time")
    parser.add_argument("--kib", type=int, default=64, help="size of the attachment")
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    with temporary_home() as home, empty_route() as (empty, _), behind(home) as there:
        lines = measured(there, empty, arguments.count, arguments.at_once, arguments.kib << 10)
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
