"""A small real HTTP server on 127.0.0.1, for what a client does when a server breaks off, lies or is slow."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from services.client.http import Http


@dataclass(frozen=True)
class Asked:
    """A request that arrived whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What to answer; `break_off` drops the connection after the request was read, without a word."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    break_off: bool = False
    lie_about_length: int = 0


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def problem(slug: str, status: int, **more: Any) -> Reply:
    document = {"type": f"urn:adal:problem:{slug}", "title": "T", "status": status, "detail": "D", **more}
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/problem+json"})


@dataclass
class Local:
    """The running server: its address, and all it was asked."""

    url: str
    asked: list[Asked]

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.asked]


@contextmanager
def serving(answer: Callable[[Asked], Reply]) -> Iterator[Local]:
    """Serve `answer` until the context ends."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            asked.append(request)
            reply = answer(request)
            if reply.break_off:
                self.close_connection = True
                # A reset, not an orderly end: what a client sees when a server is killed.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body) + reply.lie_about_length))
            self.end_headers()
            self.wfile.write(reply.body)
            if reply.lie_about_length:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Local(f"http://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    """Answer each request with the next reply; the last one again and again."""
    left = list(replies)
    return lambda _asked: left.pop(0) if len(left) > 1 else left[0]


_OPEN: list[Http] = []


def http_to(url: str) -> Http:
    """A client that does not wait, closed at the end of the test."""
    _OPEN.append(Http(url, sleep=lambda _: None))
    return _OPEN[-1]


def close_all() -> None:
    """Close what `http_to` made."""
    while _OPEN:
        _OPEN.pop().close()
