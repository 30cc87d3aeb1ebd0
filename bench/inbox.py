"""`python -m bench.inbox`: a reporter comes back: receipt sign-in, reading the inbox, a sealed message.

As `python -m bench` measures filing: at 1, 8 and 64 at a time, beside an empty route, CPU of service and PostgreSQL.
Stretching the receipt, opening and sealing happen on the reporter's side and were done beforehand.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from bench import load
from bench.__main__ import HEAD, LEVELS, Bench
from bench.filings import key
from bench.journeys import Journey, made
from bench.running import Served, empty_route, served, temporary_home

API = "/api/intake/v1"


def sign_in(journey: Journey) -> bytes:
    """The request that opens an inbox."""
    return load.post(f"{API}/inbox/sessions", json.dumps({"lookup": journey.lookup}).encode())


async def signed_in(port: int, journeys: Sequence[Journey]) -> list[tuple[str, str]]:
    """The header of each open inbox."""
    found = []
    async with load.Line(port) as line:
        for journey in journeys:
            status, body = await line.ask(sign_in(journey))
            assert status == 201
            found.append(("Authorization", f"Bearer {json.loads(body)['token']}"))
    return found


def measure(bench: Bench, server: Served, count: int) -> None:
    """Three kinds of requests; each level has reports of its own, each of which gets one message."""
    journeys = made(server, count * len(LEVELS), 0)
    filed = asyncio.run(load.run(server.port, [journey.filing for journey in journeys], 4, 201))
    assert filed.refused == 0
    headers = asyncio.run(signed_in(server.port, journeys))
    share = {level: slice(i * count, (i + 1) * count) for i, level in enumerate(LEVELS)}

    def messages(level: int) -> list[bytes]:
        pairs = zip(journeys[share[level]], headers[share[level]], strict=True)
        return [
            load.post(f"{API}/inbox/messages", journey.message, [bearer, key()]) for journey, bearer in pairs
        ]

    def run(requests: Sequence[bytes], level: int, hoped: int) -> load.Measured:
        return asyncio.run(load.run(server.port, requests, level, hoped))

    opening = [sign_in(journey) for journey in journeys[:count]]
    bench.measure("receipt sign-in", server.pid, lambda n: run(opening, n, 201))
    reading = [load.get(f"{API}/inbox", [bearer]) for bearer in headers[:count]]
    bench.measure("read the inbox", server.pid, lambda n: run(reading, n, 200))
    bench.measure("sealed message", server.pid, lambda n: run(messages(n), n, 201))
    bench.measure("read the inbox with the message", server.pid, lambda n: run(reading, n, 200))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inbox")
    parser.add_argument("--count", type=int, default=300, help="requests of each kind at each level")
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    with temporary_home() as home, empty_route() as (port, pid), served(home / "var") as server:
        bench = Bench(port)
        bench.say(HEAD)
        requests = [load.get("/healthz")] * (arguments.count * 10)
        bench.measure("empty FastAPI route", pid, lambda n: asyncio.run(load.run(port, requests, n, 200)))
        measure(bench, server, arguments.count)
    if arguments.out:
        arguments.out.write_text("\n".join(bench.rows) + "\n")


if __name__ == "__main__":
    main()
