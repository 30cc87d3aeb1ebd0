"""A publisher, a receiver of webhooks and a mail server: all real, all on loopback."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from services.contracts.feed import FeedEvent, FeedPage
from services.kit.ports import HOST, free_port

AIGERIM, DANIYAR = (UUID(f"00000000-0000-4000-8000-00000000000{i}") for i in (1, 2))
DAY = date(2026, 11, 24)


def event(position: int, kind: str = "step.registered", person: UUID | None = None) -> FeedEvent:
    return FeedEvent(position, UUID(int=1000 + position, version=4), kind, DAY, person)


@dataclass
class Request:
    """What came in over HTTP."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Http:
    """A server on loopback that answers with the statuses it was given, then 204."""

    port: int
    statuses: list[int] = field(default_factory=list)
    got: list[Request] = field(default_factory=list)
    answer: bytes = b""
    wait: float = 0
    busy: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.busy += 1
        with contextlib.suppress(ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.got.append(Request(head[0], headers, body))
            status = self.statuses.pop(0) if self.statuses else 204
            await asyncio.sleep(self.wait)
            location = b"Location: http://127.0.0.1:1/\r\n" if 300 <= status < 400 else b""
            writer.write(
                b"HTTP/1.1 %d X\r\n%sConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                % (status, location, len(self.answer), self.answer)
            )
            await writer.drain()
        writer.close()
        self.busy -= 1


@contextlib.asynccontextmanager
async def serving(made: Any) -> AsyncIterator[None]:
    server = await asyncio.start_server(made.serve, HOST, made.port)
    try:
        yield
    finally:
        while made.busy:
            await asyncio.sleep(0.01)
        server.close()
        await server.wait_closed()


@pytest.fixture
async def receiver() -> AsyncIterator[Http]:
    made = Http(free_port())
    async with serving(made):
        yield made


@dataclass
class Publisher(Http):
    """Intake's internal port, as far as a consumer sees it: pages of events, and what was acknowledged."""

    events: list[FeedEvent] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    page: int = 2

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        after = int(head.partition("after=")[2].split("&")[0])
        self.tokens.add(head.partition("Bearer ")[2].split("\r\n")[0])
        self.asked.append(after)
        found = [one for one in self.events if one.position > after][: self.page]
        body = json.dumps(FeedPage(0, tuple(found)).to_json()).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
        writer.close()


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    made = Publisher(free_port())
    async with serving(made):
        yield made


@dataclass
class Mailbox:
    """A real SMTP server and what it took."""

    port: int
    recipient: str = "250 OK"
    refuse: list[str] = field(default_factory=list)
    got: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str | None, list[str]]] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def to(self) -> list[str]:
        """Who was written to."""
        return [address for _, addresses in self.envelopes for address in addresses]

    async def handle_RCPT(  # noqa: N802 - the name that the library calls
        self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, _server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse.pop(0)
        made = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(made, EmailMessage)
        self.got.append(made)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        self.names.append(session.host_name)
        return "250 OK"

    def authenticate(self, _s: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == b"right")


@contextlib.contextmanager
def mail_server(**options: Any) -> Iterator[Mailbox]:
    mailbox = Mailbox(free_port())
    if options.pop("login", False):
        options |= {"authenticator": mailbox.authenticate, "auth_required": True, "auth_require_tls": False}
    controller = Controller(mailbox, hostname=HOST, port=mailbox.port, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as made:
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@pytest.fixture
def book(folder: Path) -> Path:
    path = folder / "book.json"
    path.write_text(
        json.dumps(
            {
                str(AIGERIM): {"address": "aigerim@adal.example", "language": "kk"},
                str(DANIYAR): {"address": "daniyar@adal.example", "language": "ru"},
            }
        )
    )
    return path
