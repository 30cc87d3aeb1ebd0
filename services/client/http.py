"""Requests and answers: one address, bounded answers, and repeats that cannot do a thing twice.

Only what is safe to repeat is repeated: reads, and writes that carry an idempotency key, with the same key and the
same bytes. Redirects are not followed, so a receipt's lookup never travels to another host.
"""

import json
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2

from services.client.errors import BadAddress, BadAnswer, Problem, Unreachable

Progress = Callable[[int, int], None]
"""Called with bytes sent so far and bytes in all."""

MAX_ANSWER = 64 << 20
ATTEMPTS = 4
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 4.0
_PIECE = 64 << 10
_BUSY = frozenset({502, 503, 504})
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def idempotency_key() -> str:
    """192 random bits in the form the API asks for."""
    return secrets.token_urlsafe(24)


def part_of_path(value: str) -> str:
    """One path segment of a URL, whatever the value holds."""
    return quote(value, safe="")


@dataclass(frozen=True)
class Answer:
    """A successful answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The parsed body. Error: BadAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise BadAnswer() from None


@dataclass(frozen=True)
class Call:
    """One request: `path` below the base address, extra headers, a body: JSON, or bytes that go as they are."""

    method: str
    path: str
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    progress: Progress | None = field(default=None, repr=False)

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is the same as doing it once."""
        return self.method == "GET" or "Idempotency-Key" in self.headers


class Http:
    """A connection to one server, for one thread.

    `transport` and `sleep` can be replaced in tests. Errors of every request: Problem, Unreachable, BadAnswer.
    """

    def __init__(
        self,
        base_url: str,
        language: str = "en",
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = checked_address(base_url)
        self._sleep = sleep
        self._client = httpx2.Client(
            base_url=self.base_url,
            transport=transport,
            timeout=httpx2.Timeout(60, connect=10),
            # Nothing that tells one user of this program from another.
            headers={"Accept-Language": language, "Accept-Encoding": "identity", "User-Agent": "adal"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None, **params: str) -> Answer:
        """Read something."""
        return self.send(Call("GET", path, headers=headers or {}, params=params))

    def post(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None, progress: Progress | None = None
    ) -> Answer:
        """Send JSON; repeated on a broken connection only if `headers` hold an `Idempotency-Key`."""
        return self.send(Call("POST", path, body, headers or {}, progress=progress))

    def send(self, call: Call) -> Answer:
        """Send a request, again if that is safe and may help."""
        content = _content(call.body)
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                return self._once(call, content)
            except httpx2.TransportError as exc:
                # A connection that was never made cannot have done anything.
                if last or not (call.repeatable or isinstance(exc, httpx2.ConnectError)):
                    raise Unreachable() from None
            except Problem as exc:
                if last or exc.status not in _BUSY or not call.repeatable:
                    raise
            self.wait(attempt)
        raise Unreachable()

    def attempt(self, call: Call) -> Answer:
        """Send a request once, whatever happens; for callers that know how to go on."""
        try:
            return self._once(call, _content(call.body))
        except httpx2.TransportError:
            raise Unreachable() from None

    def wait(self, attempt: int, least: float = 0) -> None:
        """Wait before the repeat after `attempt` (from 0) failures: longer each time, never in step with others."""
        self._sleep(max(_wait(attempt), least))

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str] | None = None, limit: int | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The body of a read, piece by piece, at most `limit` bytes (MAX_ANSWER); not repeated."""
        try:
            with self._client.stream("GET", path, headers=headers) as response:
                if response.status_code >= 400:
                    raise _problem(response, _bounded(response.iter_bytes()))
                yield _limited(response.iter_bytes(_PIECE), limit)
        except httpx2.TransportError:
            raise Unreachable() from None

    def _once(self, call: Call, content: bytes | None) -> Answer:
        headers = dict(call.headers)
        if content is not None:
            headers = {"Content-Type": "application/json", **headers, "Content-Length": str(len(content))}
        pieces = None if content is None else _pieces(content, call.progress)
        params = call.params or None
        try:
            with self._client.stream(
                call.method, call.path, content=pieces, headers=headers, params=params
            ) as response:
                body = _bounded(response.iter_bytes())
                if response.status_code >= 400:
                    raise _problem(response, body)
                if not 200 <= response.status_code < 300:
                    raise BadAnswer()
                return Answer(response.status_code, response.headers, body)
        except (httpx2.InvalidURL, httpx2.DecodingError):
            raise BadAnswer() from None


def checked_address(base_url: str) -> str:
    """The base address without a slash at its end. Error: BadAddress."""
    try:
        url = httpx2.URL(base_url)
    except (httpx2.InvalidURL, TypeError):
        raise BadAddress() from None
    # Without TLS a receipt would cross the network in clear; Tor encrypts by itself.
    open_ok = url.host in _HERE or url.host.endswith(".onion")
    if (
        not _HOST.fullmatch(url.host)
        or url.scheme not in ("https", "http")
        or (url.scheme == "http" and not open_ok)
    ):
        raise BadAddress()
    if url.userinfo or url.query or url.fragment:
        raise BadAddress()
    return base_url.rstrip("/")


def _wait(attempt: int) -> float:
    return float(min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt) * (0.5 + random.random()))


def _content(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body, ensure_ascii=False).encode()


def _pieces(content: bytes, progress: Progress | None) -> Iterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]
        if progress is not None:
            progress(min(start + _PIECE, len(content)), len(content))


def _limited(chunks: Iterator[bytes], limit: int | None = None) -> Iterator[bytes]:
    total, limit = 0, MAX_ANSWER if limit is None else limit
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise BadAnswer()
        yield chunk


def _bounded(chunks: Iterator[bytes]) -> bytes:
    return b"".join(_limited(chunks))


def _problem(response: httpx2.Response, body: bytes) -> Problem:
    """The problem document of an answer, or a bare one when a proxy answered instead of the service."""
    status = response.status_code
    found: Any = None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        found = {}
    after = response.headers.get("retry-after", "")
    return Problem(
        type=str(found.get("type") or "about:blank"),
        title=str(found.get("title") or response.reason_phrase),
        status=status,
        detail=str(found.get("detail") or ""),
        errors=_field_errors(found.get("errors")),
        retry_after=int(after) if after.isascii() and after.isdigit() else None,
    )


def _field_errors(value: Any) -> tuple[tuple[str, str], ...]:
    lines = value if isinstance(value, list) else []
    return tuple(
        (str(line.get("pointer", "")), str(line.get("detail", "")))
        for line in lines
        if isinstance(line, dict)
    )
