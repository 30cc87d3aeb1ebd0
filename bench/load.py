"""A load generator that costs little: prepared bytes over kept connections, bounded in count, loopback only."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self


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
        return percentile(self.latencies, share)


def percentile(seconds: Sequence[float], share: float) -> float:
    """The value in milliseconds below which `share` of `seconds` lie."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def post(path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """The bytes of a POST request with a JSON body."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])).encode() + body


def get(path: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """The bytes of a GET request."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


class Line:
    """A kept connection to 127.0.0.1, with TLS if `trust` is given; made anew when the server ends it."""

    def __init__(self, port: int, trust: ssl.SSLContext | None = None) -> None:
        self._port, self._trust = port, trust
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            name = "localhost" if self._trust else None
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, limit=1 << 22, ssl=self._trust, server_hostname=name
            )
        return self._streams

    def hang_up(self) -> None:
        """End the connection; the next request makes a new one."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer, which must tell its length. Errors: OSError, EOFError."""
        reader, writer = await self._open()
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = 0
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        assert b"\r\ntransfer-encoding:" not in head
        body = await reader.readexactly(length)
        if b"\r\nconnection: close" in head:
            self.hang_up()
        return int(head[9:12]), body


async def _worker(
    line: Line, todo: "asyncio.Queue[bytes]", hoped: int, out: list[tuple[float, bool]], fresh: bool
) -> None:
    while not todo.empty():
        request = todo.get_nowait()
        begun = time.perf_counter()
        status, _ = await line.ask(request)
        out.append((time.perf_counter() - begun, status == hoped))
        if fresh:
            line.hang_up()


async def run(
    port: int,
    requests: Sequence[bytes],
    at_once: int,
    hoped: int,
    trust: ssl.SSLContext | None = None,
    fresh: bool = False,
    begin: Callable[[], None] = lambda: None,
) -> Measured:
    """Send every request once, `at_once` at a time, to 127.0.0.1; `trust` makes it TLS.

    Connections are open before the clock starts and `begin` is called; `fresh` makes a new one for each request
    instead, within its latency.
    """
    todo: asyncio.Queue[bytes] = asyncio.Queue()
    for request in requests:
        todo.put_nowait(request)
    out: list[tuple[float, bool]] = []
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(Line(port, trust)) for _ in range(at_once)]
        if fresh:
            for line in lines:
                line.hang_up()
        begin()
        begun = time.perf_counter()
        await asyncio.gather(*(_worker(line, todo, hoped, out, fresh) for line in lines))
        wall = time.perf_counter() - begun
    return Measured(at_once, tuple(took for took, _ in out), sum(not fine for _, fine in out), wall)
