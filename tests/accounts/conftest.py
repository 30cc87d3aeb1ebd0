"""The accounts service alone on real PostgreSQL, with both factors on and a clock that tests move."""

import base64
import hashlib
import hmac
import itertools
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from services.accounts import store
from services.accounts.app import create_app
from services.contracts.accounts import TokenClaims
from services.crypto import tokens
from services.crypto.signatures import SigningKey
from services.first_run import Folder
from tests.conftest import Database

BASE = "/api/accounts/v1"
PASSWORD = "correct horse battery staple"
NOBODY = UUID(int=0)
START = datetime(2026, 11, 24, 9, 0, 7, tzinfo=UTC)


def code_at(secret: str, moment: datetime) -> str:
    """The six digits an authenticator app shows (RFC 4226 and 6238), made without our own code."""
    digest = hmac.digest(
        base64.b32decode(secret), struct.pack(">Q", int(moment.timestamp()) // 30), hashlib.sha1
    )
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


@dataclass
class Clock:
    """Time of the service under test."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass(frozen=True)
class Colleague:
    """Somebody with an account; `enrolment` until used, `totp` (base32) after it."""

    id: UUID
    login: str
    roles: tuple[str, ...]
    enrolment: str
    totp: str = ""


@dataclass
class Office:
    """The service, a client of it, and its staff."""

    app: FastAPI
    client: httpx2.AsyncClient
    database: Database
    token_key: SigningKey
    clock: Clock
    numbers: Iterator[int] = field(default_factory=itertools.count)
    administrator: UUID = NOBODY

    def bearer(self, person: UUID, roles: Iterable[str], stepped: int = 0) -> dict[str, str]:
        """Headers with a token such as a sign-in gives, or one whose last full proof is `stepped` seconds old."""
        now = int(self.clock().timestamp())
        claims = TokenClaims(person, tuple(roles), now, now + 300, now - stepped).to_json()
        return {"Authorization": f"Bearer {tokens.issue(claims, self.token_key)}"}

    def as_administrator(self) -> dict[str, str]:
        return self.bearer(self.administrator, ["administrator"])

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        return await self.client.request(method, BASE + path, json=body, headers=headers)

    async def add(self, *roles: str, login: str = "") -> Colleague:
        """A colleague who has not enrolled yet."""
        login = login or f"colleague{next(self.numbers)}"
        body = {"login": login, "name": f"Invented {login}", "roles": list(roles)}
        answer = await self.call("POST", "/staff", body, self.as_administrator())
        assert answer.status_code == 201, answer.text
        found = answer.json()
        return Colleague(UUID(found["id"]), login, roles, found["enrolment"])

    async def enrolled(self, *roles: str, login: str = "") -> Colleague:
        """A colleague with PASSWORD and a second factor."""
        new = await self.add(*roles, login=login)
        body = {"login": new.login, "enrolment": new.enrolment, "password": PASSWORD}
        answer = await self.call("POST", "/enrolments", body)
        assert answer.status_code == 201, answer.text
        return Colleague(new.id, new.login, roles, new.enrolment, answer.json()["totp_secret"])

    async def session(self, who: Colleague) -> dict[str, str]:
        """The header of a new session; half a minute passes, so that the next code is another one."""
        answer = await self.sign_in(who)
        assert answer.status_code == 201, answer.text
        self.clock.forward(seconds=30)
        return {"Authorization": f"Session {answer.json()['session']}"}

    async def sign_in(
        self, who: Colleague, password: str = PASSWORD, code: str | None = None
    ) -> httpx2.Response:
        code = code_at(who.totp, self.clock()) if code is None else code
        body = {"login": who.login, "password": password, "totp": code}
        return await self.call("POST", "/sessions", body)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database's administrator sees."""
        with self.database.superuser() as conn:
            return conn.execute(query.encode()).fetchall()

    def change(self, statement: str, *values: object) -> None:
        with self.database.superuser() as conn:
            conn.execute(statement.encode(), values)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def office(
    environment: dict[str, str],
    database: Database,
    folder: Folder,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Office]:
    """A running accounts service with one administrator, who has not enrolled."""
    monkeypatch.setenv("ADAL_ACCOUNTS_SECOND_FACTOR", "true")
    app = create_app()
    app.state.clock = clock
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        made = Office(app, client, database, folder.signing("accounts-token"), clock)
        async with app.state.engine.begin() as conn:
            await store.bootstrap_administrator(conn, login="administrator", name="First", now=clock())
        made.administrator = made.rows("SELECT id FROM accounts.people")[0][0]
        yield made


@pytest.fixture
def service_login(database: Database) -> psycopg.Connection:
    """The database as the service's own login sees it."""
    url = database.url("accounts").replace("postgresql+psycopg", "postgresql")
    return psycopg.connect(url, autocommit=True)
