"""A load generator that costs little: prepared bytes over kept connections, bounded in count, loopback only."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One run: how many at a time, latencies in seconds, answers that were not as hoped, wall time in seconds."""

    at_once: int
    latencies: tuple[float, ...]
    refused: int
    wall: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.wall

    def percentile(self, share: float) -> float:
        """Latency in milliseconds below which `share` of the requests lie."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def post(path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """The bytes of a POST request with a JSON body."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])).encode() + body


def get(path: str) -> bytes:
    """The bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer with a Content-Length; its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return status


async def _worker(port: int, todo: "asyncio.Queue[bytes]", hoped: int, out: list[tuple[float, bool]]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    try:
        while not todo.empty():
            request = todo.get_nowait()
            begun = time.perf_counter()
            writer.write(request)
            await writer.drain()
            status = await _answer(reader)
            out.append((time.perf_counter() - begun, status == hoped))
    finally:
        writer.close()


async def run(port: int, requests: Sequence[bytes], at_once: int, hoped: int) -> Measured:
    """Send every request once, `at_once` at a time, to 127.0.0.1."""
    todo: asyncio.Queue[bytes] = asyncio.Queue()
    for request in requests:
        todo.put_nowait(request)
    out: list[tuple[float, bool]] = []
    begun = time.perf_counter()
    await asyncio.gather(*(_worker(port, todo, hoped, out) for _ in range(at_once)))
    wall = time.perf_counter() - begun
    return Measured(at_once, tuple(took for took, _ in out), sum(not fine for _, fine in out), wall)
