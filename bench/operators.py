"""`python -m bench.operators`: 1,424 operators of the call centre at once, beside citizens who file.

Each operator takes a call about every 90 seconds: looks up what the caller asks, files a sealed report in three calls of
five, records the call, looks at the figures now and then. All four services run as separate processes behind the real
gateway files. Packages are sealed beforehand; drafts live in an operator's client and never reach a server. Access tokens
are renewed as a real client does, in good time before their five minutes are over. It stops by itself.
"""

import argparse
import asyncio
import json
import random
import resource
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from bench import load
from bench.behind import Behind, behind
from bench.filings import package_request, plain_request, sealed_report, sealed_requests
from bench.running import Served, temporary_home
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64
from services.crypto.grants import seal_grant
from services.kit.postgres import ensure_cluster

API = "/api/intake/v1"
CALL = 90.0
#: Share of calls in which somebody reports.
REPORTS = 0.6
#: A real client renews its token half a minute before it ends.
TOKEN_LIFE, EARLY = 300.0, 30.0
#: Seconds between two things that an operator does within a call.
PAUSE = 6.0
BAR = 1000.0
HEAD = "| what | done | p50 ms | p95 ms | p99 ms | slowest ms |\n|---|--:|--:|--:|--:|--:|"


@dataclass
class Counts:
    """What came of all requests; latencies in seconds by kind, refusals by kind and status."""

    kinds: dict[str, list[float]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def rows(self) -> list[str]:
        """The table, everything together last."""
        together = [one for latencies in self.kinds.values() for one in latencies]
        return [_row(name, found) for name, found in [*sorted(self.kinds.items()), ("everything", together)]]

    @property
    def kept(self) -> bool:
        """Whether nothing was refused or broken, and 99 of 100 of every kind took less than a second."""
        slow = [one for one in self.kinds.values() if load.percentile(one, 0.99) > BAR]
        return not (self.refused or self.broken or slow)


def _row(name: str, latencies: Sequence[float]) -> str:
    shares = (load.percentile(latencies, share) for share in (0.5, 0.95, 0.99, 1))
    return f"| {name} | {len(latencies)} | " + " | ".join(f"{one:.1f}" for one in shares) + " |"


@dataclass(frozen=True)
class Line:
    """A TLS connection that counts what is asked on it."""

    line: load.Line
    counts: Counts

    async def ask(self, kind: str, request: bytes, hoped: int) -> bytes:
        """The body; an answer other than `hoped` is counted as a refusal. Errors: OSError, EOFError."""
        begun = time.perf_counter()
        status, body = await self.line.ask(request)
        self.counts.kinds.setdefault(kind, []).append(time.perf_counter() - begun)
        if status != hoped:
            self.counts.refused[f"{kind}: {status}"] += 1
        return body


@dataclass
class Operator:
    """Somebody with a session and, for a while, an access token."""

    person: uuid.UUID
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    token: str = field(default="", repr=False)
    good_until: float = 0

    @property
    def bearer(self) -> tuple[str, str]:
        return "Authorization", f"Bearer {self.token}"


@dataclass
class Office:
    """Everything that the load has in common: where, what was made beforehand, when it ends."""

    there: Behind
    counts: Counts
    packages: list[bytes]
    references: list[str]
    note: str
    ends: float
    generator: random.Random = field(default_factory=random.Random)
    unprepared: int = 0

    def citizens(self) -> load.Line:
        return load.Line(self.there.port, self.there.trust)

    def staff(self) -> load.Line:
        return load.Line(self.there.staff, self.there.trust)

    async def pause(self, seconds: float) -> None:
        """About so long, and not beyond the end."""
        wait = seconds * self.generator.uniform(0.5, 1.5)
        await asyncio.sleep(max(0.0, min(wait, self.ends - time.monotonic())))


# --- a call


async def renew(line: Line, operator: Operator) -> None:
    """A fresh token, if this one ends soon."""
    if time.monotonic() < operator.good_until:
        return
    request = load.post(
        "/api/accounts/v1/sessions/current/token", b"{}", [("Authorization", f"Session {operator.session}")]
    )
    body = json.loads(await line.ask("renew the token", request, 200))
    operator.token = str(body["access_token"])
    operator.good_until = time.monotonic() + float(body["expires_in"]) - EARLY


async def look_up(office: Office, staff: Line, operator: Operator) -> None:
    """What a caller may ask: the form's lists, where a report stands, the value of the monthly index."""
    await staff.ask("form", load.get(f"{API}/form"), 200)
    await office.pause(PAUSE)
    if office.references:
        spoken = json.dumps({"reference": office.generator.choice(office.references)}).encode()
        await staff.ask("status", load.post(f"{API}/staff/calls/status", spoken, [operator.bearer]), 200)


async def file(office: Office, operator: Operator) -> None:
    """A report that was sealed on the operator's machine, and the value of the monthly index for the caller."""
    if not office.packages:
        office.unprepared += 1
        return
    async with office.citizens() as made:
        line = Line(made, office.counts)
        await line.ask("rewards: index", load.get("/api/rewards/v1/mci"), 200)
        request = _signed(office.packages.pop(), operator.bearer)
        found = json.loads(await line.ask("report by an operator", request, 201))
        if "reference" in found:
            office.references.append(found["reference"])


async def record(office: Office, staff: Line, operator: Operator, reported: bool) -> None:
    """The record of the call; a consultation leaves a sealed note for the desk."""
    call: dict[str, Any] = {"id": str(uuid.uuid4()), "language": "kk", "named": False, "region": None}
    if reported:
        call |= {"kind": "report", "wrap_up": "report-filed"}
    else:
        note = {
            "kind": "note",
            "desk": office.there.intake.directory["body"]["desks"][0]["id"],
            "data": office.note,
        }
        call |= {"kind": "consultation", "wrap_up": "consultation-given", "note": note}
    request = load.post(f"{API}/staff/calls", json.dumps(call).encode(), [operator.bearer])
    await staff.ask("record of a call", request, 201)
    if office.generator.random() < 0.2:
        await staff.ask("figures", load.get(f"{API}/staff/calls/figures", [operator.bearer]), 200)


async def call(office: Office, operator: Operator) -> None:
    """One call from its beginning to its record."""
    reported = office.generator.random() < REPORTS
    async with office.staff() as made:
        staff = Line(made, office.counts)
        await renew(staff, operator)
        await look_up(office, staff, operator)
        await office.pause(PAUSE)
        if reported:
            await file(office, operator)
        await record(office, staff, operator, reported)


async def shift(office: Office, operator: Operator) -> None:
    """Calls until the end, the first at any moment of a period."""
    await asyncio.sleep(office.generator.uniform(0, CALL))
    while time.monotonic() < office.ends:
        begun = time.monotonic()
        try:
            await call(office, operator)
        except (OSError, EOFError) as exc:
            office.counts.broken[type(exc).__name__] += 1
        await office.pause(max(0.0, CALL - (time.monotonic() - begun)))


async def citizens(office: Office, kind: str, every: float, requests: list[bytes]) -> None:
    """Citizens who file beside, one about every so many seconds, each on a connection of their own."""
    while time.monotonic() < office.ends and requests:
        try:
            async with office.citizens() as made:
                await Line(made, office.counts).ask(kind, requests.pop(), 201)
        except (OSError, EOFError) as exc:
            office.counts.broken[type(exc).__name__] += 1
        await office.pause(every)


# --- beforehand


def with_bearer(directory: dict[str, Any], roots: list[str]) -> bytes:
    """A report by telephone, sealed; its request lacks the token, which is not known yet."""
    return package_request(sealed_report(directory, roots, channel="phone-1424"))


def _signed(request: bytes, bearer: tuple[str, str]) -> bytes:
    """The request with its token."""
    head, _, rest = request.partition(b"\r\n")
    return head + f"\r\n{bearer[0]}: {bearer[1]}\r\n".encode() + rest


def sealed(server: Served, count: int) -> list[bytes]:
    """Reports by telephone, sealed on all cores."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(with_bearer, [server.directory] * count, [server.roots] * count, chunksize=20))


def citizens_sealed(server: Served, count: int) -> list[bytes]:
    """Reports by citizens."""
    return sealed_requests(server.directory, server.roots, count)


def hired(var: Path, count: int) -> list[Operator]:
    """Invented operators who are signed in: their rows are put there, since signing in is not what is measured."""
    operators, now = [Operator(uuid.uuid4()) for _ in range(count)], datetime.now(UTC)
    ends = now + timedelta(hours=8)
    with psycopg.connect(
        ensure_cluster(var / "postgres").superuser_conninfo("adal"), autocommit=True
    ) as conn:
        with conn.cursor().copy(
            "COPY accounts.people (id, login, name, roles, active, created) FROM STDIN"
        ) as copy:
            for i, one in enumerate(operators):
                copy.write_row(
                    (one.person, f"bench-operator-{i}", "Invented Person", ["operator"], True, now.date())
                )
        columns = "hash, person, created, expires, revoked"
        with conn.cursor().copy(f"COPY accounts.sessions ({columns}) FROM STDIN") as copy:
            for one in operators:
                copy.write_row((sha256(one.session.encode()).digest(), one.person, now, ends, False))
    return operators


# --- all of it


async def run(
    office: Office, operators: Sequence[Operator], filers: Sequence[tuple[str, float, list[bytes]]]
) -> None:
    """Everybody at once."""
    await asyncio.gather(
        *(shift(office, operator) for operator in operators),
        *(citizens(office, kind, every, requests) for kind, every, requests in filers),
    )


def measured(there: Behind, count: int, minutes: float) -> list[str]:
    """The table and what was counted."""
    seconds = minutes * 60
    packages = sealed(there.intake, int(count * seconds / CALL * REPORTS * 1.2) + 50)
    filers = [
        ("sealed report by a citizen", 1.0, citizens_sealed(there.intake, int(seconds * 1.5) + 10)),
        ("plain report by a citizen", 3.0, [plain_request() for _ in range(int(seconds / 2) + 10)]),
    ]
    note = b64(seal_grant(HybridIdentity.generate(), "desk", HybridIdentity.generate().recipient))
    operators = hired(there.intake.var, count)
    before = there.service_cpu(), there.gateway_cpu(), there.others_cpu(), time.process_time()
    office = Office(there, Counts(), packages, [], note, time.monotonic() + seconds)
    asyncio.run(run(office, operators, filers))
    after = there.service_cpu(), there.gateway_cpu(), there.others_cpu(), time.process_time()
    used = [(end - begin) / seconds for begin, end in zip(before, after, strict=True)]
    return [HEAD, *office.counts.rows(), "", *_words(office, count, seconds, used)]


def _words(office: Office, count: int, seconds: float, used: Sequence[float]) -> list[str]:
    """What was counted besides; `used` are cores: intake with PostgreSQL, gateway, other services, this process."""
    counts = office.counts
    requests = sum(map(len, counts.kinds.values()))
    broken = f"connections broken: {dict(counts.broken) or 0}"
    cores = (
        "intake and PostgreSQL {:.2f}, gateway {:.2f}, other services {:.2f}, load generator {:.2f}".format(
            *used
        )
    )
    return [
        f"* {count} operators for {seconds / 60:g} minutes: {requests} requests, {requests / seconds:.1f} a second",
        f"* refused: {dict(counts.refused) or 0}; {broken}; without a prepared package: {office.unprepared}",
        f"* cores in use: {cores}",
        f"* nothing refused, p99 of every kind under a second: {'kept' if counts.kept else 'NOT kept'}",
    ]


def _many_files() -> None:
    """A socket for each end of each connection: as many open files as we may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.operators")
    parser.add_argument("--operators", type=int, default=1424)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    _many_files()
    with temporary_home() as home, behind(home) as there:
        lines = measured(there, arguments.operators, arguments.minutes)
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
