"""`python -m bench.list_page`: a page of the case list among a million reports, for every filter that the desk uses.

Clear rows come by COPY, one report in a thousand is a real sealed one that was filed. Everything is asked through the
HTTP route, one request at a time: the filters by name, on the first page and deep in the list, and then every
combination of at most three of them with common and rare values. The plans are asked too: none may read all reports.
"""

import argparse
import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as clock
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from bench import load, plans
from bench.filings import sealed_requests
from bench.rows import LABELS, Codes, Loaded
from bench.rows import load as load_rows
from bench.running import Served, empty_route, served, temporary_home
from bench.yardstick import now as yardstick_now
from services.crypto import tokens
from services.first_run import Folder
from services.intake import store
from services.intake.calendar import make_calendar, read_years
from services.intake.clock_figures import due_cases
from services.intake.folder_store import labelled
from services.kit.pages import encode_cursor
from services.kit.postgres import ensure_cluster

BAR = 50.0
TABLES = ("reports", "parts", "assignments", "deadlines", "case_labels")
TIMES, SWEEP_TIMES = 40, 3
HEAD = (
    "| who | filters | first page: rows | p50 ms | p95 ms | deep in the list: rows | p50 ms | p95 ms |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)
CALENDAR = make_calendar(read_years(), UTC, clock(9), clock(18))
Filters = Mapping[str, str]
Place = tuple[date, uuid.UUID]


def values(codes: Codes) -> dict[str, Sequence[str]]:
    """The filters with the values they are tried with: common, then rare."""
    return {
        "state": ("closed", "received"),
        "category": codes.ends("categories"),
        "region": codes.ends("regions"),
        "sector": codes.ends("sectors"),
        "mode": ("sealed", "plain"),
        "lane": ("main", "quarantine"),
        "retaliation": ("true",),
        "due": ("overdue", "soon", "escalated"),
        "label": (LABELS[0], LABELS[-1]),
    }


def named(codes: Codes) -> list[Filters]:
    """What a desk asks for most, each alone and some together; the last but one finds nothing."""
    known = values(codes)
    common = {name: tried[0] for name, tried in known.items()}
    rare = {name: tried[-1] for name, tried in known.items()}
    together = (
        (rare, ("state", "category")),
        (common, ("state", "category", "region", "sector")),
        (rare, ("category", "region", "sector")),
        (rare, tuple(known)),
    )
    return [
        {},
        *({name: value} for name, tried in known.items() for value in tried),
        *({name: chosen[name] for name in names} for chosen, names in together),
        {"lane": "quarantine", "mode": "sealed"},
        {"state": "received", "retaliation": "true"},
        {"state": "in_review", "due": "overdue"},
        {"label": LABELS[0], "due": "escalated", "region": known["region"][0]},
    ]


def combinations(codes: Codes, most: int) -> Iterator[Filters]:
    """Every combination of at most `most` filters."""
    known = values(codes)
    for size in range(1, most + 1):
        for names in itertools.combinations(known, size):
            for chosen in itertools.product(*(known[name] for name in names)):
                yield dict(zip(names, chosen, strict=True))


def wanted(filters: Filters, person: uuid.UUID | None, today: date) -> store.CaseFilter:
    """The filter as the route makes it."""
    codes = {name: filters.get(name) for name in ("state", "category", "region", "sector", "mode", "lane")}
    due = due_cases(filters["due"], today, CALENDAR) if "due" in filters else None
    label = labelled(filters["label"]) if "label" in filters else None
    return store.CaseFilter(
        **codes, person=person, retaliation="retaliation" in filters or None, due=due, label=label
    )


@dataclass(frozen=True)
class Page:
    """One page: how many rows, and how long it took each time, in seconds."""

    rows: int
    latencies: Sequence[float]

    def cells(self) -> str:
        p50, p95 = (load.percentile(self.latencies, share) for share in (0.5, 0.95))
        return f"{self.rows} | {p50:.1f} | {p95:.1f}"


@dataclass(frozen=True)
class Asker:
    """Somebody of staff, whose tokens are made here with the installation's own key."""

    name: str
    role: str
    person: uuid.UUID
    folder: Folder
    port: int

    @property
    def narrowed(self) -> uuid.UUID | None:
        """Whose cases the service shows them."""
        return self.person if self.role == "investigator" else None

    def _header(self) -> tuple[str, str]:
        now = int(time.time())
        claims = {"sub": str(self.person), "roles": [self.role], "iat": now, "exp": now + 300}
        token = tokens.issue({**claims, "iss": "adal-accounts"}, self.folder.signing("accounts-token"))
        return "Authorization", f"Bearer {token}"

    def page(self, filters: Filters, after: Place | None, times: int) -> Page:
        """The same page so many times, on a kept connection."""
        return asyncio.run(self._page(filters, after, times))

    async def _page(self, filters: Filters, after: Place | None, times: int) -> Page:
        given = {**filters, **({"cursor": encode_cursor(*after)} if after else {})}
        request = load.get(f"/api/intake/v1/staff/cases?{urlencode(given)}", [self._header()])
        latencies, body = list[float](), b""
        async with load.Line(self.port) as line:
            for _ in range(times):
                begun = time.perf_counter()
                status, body = await line.ask(request)
                latencies.append(time.perf_counter() - begun)
                assert status == 200
        return Page(len(json.loads(body)["items"]), latencies)


@dataclass(frozen=True)
class Bench:
    """A database that was loaded, who asks, and the table."""

    conn: psycopg.Connection
    loaded: Loaded
    askers: Sequence[Asker]
    out: list[str]

    def say(self, line: str) -> None:
        self.out.append(line)
        print(line, flush=True)

    def scans(self, asker: Asker, filters: Filters) -> int:
        """How many of the two pages would read all reports."""
        places = (None, self.loaded.middle)
        queries = (
            store.cases_query(wanted(filters, asker.narrowed, datetime.now(UTC).date()), after, 51)
            for after in places
        )
        return sum(plans.read_whole(self.conn, query) for query in queries)

    def table(self, codes: Codes) -> None:
        """The filters by name."""
        self.say(HEAD)
        for asker, filters in itertools.product(self.askers, named(codes)):
            text = ", ".join(f"{name}={value}" for name, value in filters.items()) or "none"
            first, deep = (asker.page(filters, after, TIMES) for after in (None, self.loaded.middle))
            self.say(f"| {asker.name} | {text} | {first.cells()} | {deep.cells()} |")

    def sweep(self, codes: Codes, most: int) -> None:
        """Every combination: how many pages are slower than the bar in the median, and which are the slowest."""
        found: list[tuple[float, str]] = []
        scans = 0
        for asker, filters in itertools.product(self.askers, combinations(codes, most)):
            scans += self.scans(asker, filters)
            for where, after in (("first page", None), ("deep", self.loaded.middle)):
                median = load.percentile(asker.page(filters, after, SWEEP_TIMES).latencies, 0.5)
                found.append((median, f"{asker.name}, {where}, {', '.join(filters.values())}"))
        found.sort(reverse=True)
        over = sum(median > BAR for median, _ in found)
        self.say(
            f"\n* {len(found)} pages of all combinations of at most {most} filters, {SWEEP_TIMES} times each:"
        )
        self.say(f"  {over} with a median over {BAR:.0f} ms, {scans} plans that read all reports")
        self.say("* slowest medians: " + "; ".join(f"{text}: {ms:.1f} ms" for ms, text in found[:5]))


def _sealed(server: Served, count: int) -> None:
    """File real sealed reports."""
    requests = sealed_requests(server.directory, server.roots, count)
    filed = asyncio.run(load.run(server.port, requests, 4, 201))
    assert filed.refused == 0


def run(home: Path, count: int, own: int, most: int, out: list[str]) -> None:
    """Load and measure."""
    codes = Codes.of_form()
    with empty_route() as (empty, _), served(home / "var") as server:
        _sealed(server, max(1, count // 1000))
        conninfo = ensure_cluster(server.var / "postgres").superuser_conninfo("adal")
        with psycopg.connect(conninfo, autocommit=True) as conn:
            begun = time.perf_counter()
            loaded = load_rows(conn, count - max(1, count // 1000), datetime.now(UTC).date(), own)
            took, folder = time.perf_counter() - begun, Folder(server.var)
            conn.execute(
                "VACUUM ANALYZE intake.reports, intake.parts, intake.assignments, intake.deadlines, intake.case_labels"
            )
            desk = Asker("desk", "desk", uuid.uuid4(), folder, server.port)
            own_cases = Asker(
                f"investigator with {own} cases", "investigator", loaded.person, folder, server.port
            )
            bench = Bench(conn, loaded, [desk, own_cases], out)
            bench.table(codes)
            bench.sweep(codes, most)
            stick = yardstick_now(empty)
            bench.say(f"* {count:,} reports, loaded in {took:.0f} s; afterwards one stretching took ")
            bench.say(f"  {1000 * stick.stretching:.1f} ms, an empty request {1000 * stick.empty:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.list_page")
    parser.add_argument("--rows", type=int, default=1_000_000, help="reports in the database")
    parser.add_argument("--own", type=int, default=200, help="open cases of the investigator who asks")
    parser.add_argument("--most", type=int, default=3, help="filters together")
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    out: list[str] = []
    with temporary_home(need=arguments.rows * (4 << 10)) as home:
        run(home, arguments.rows, arguments.own, arguments.most, out)
    if arguments.out:
        arguments.out.write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
