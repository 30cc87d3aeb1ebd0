"""Identity providers for the tests of sign-on: npm's `oidc-provider` as a process, and one that lies as it is told."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx2
import pytest

from tests.accounts.conftest import Clock, Colleague, Office, code_at

NODE = Path(__file__).parent / "node"
REDIRECT = "https://consoles.example.org/signed-on"
CLIENT, SECRET = "adal", "a secret with + and % in it"


def client(name: str, algorithm: str = "RS256", secret: str | None = SECRET) -> dict[str, Any]:
    """A client as `oidc-provider` takes it; without a secret a public one."""
    return {
        "client_id": name,
        "redirect_uris": [REDIRECT],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "id_token_signed_response_alg": algorithm,
        **({"client_secret": secret} if secret else {"token_endpoint_auth_method": "none"}),
    }


CLIENTS = [
    client(CLIENT),
    client("another"),
    *(client(f"public-{name}", name, None) for name in ("RS256", "PS256", "ES256", "EdDSA")),
]


@contextmanager
def real_provider() -> Iterator[str]:
    """The issuer of a running `oidc-provider`."""
    assert (NODE / "node_modules" / "oidc-provider").is_dir(), "run `npm ci` in tests/accounts/node first"
    wheel = Path(sys.executable).with_name("node")
    command = [str(wheel) if wheel.exists() else "node", str(NODE / "provider.mjs"), json.dumps(CLIENTS)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(10)


async def browse(address: str, subject: str) -> dict[str, str]:
    """Sign in at the provider as a browser would; what it sends to the redirect address."""
    async with httpx2.AsyncClient(trust_env=False) as browser:
        for _ in range(10):
            answer = await browser.get(address)
            assert answer.status_code in (302, 303), answer.text
            location = str(answer.url.join(answer.headers["location"]))
            if location.startswith(REDIRECT):
                return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
            address = _signing_in(location, subject)
    raise AssertionError("the provider goes round in circles")


def _signing_in(location: str, subject: str) -> str:
    parts = urlsplit(location)
    if not parts.path.startswith("/interaction/"):
        return location
    return urlunsplit(parts._replace(query=f"sub={subject}"))


def use(monkeypatch: pytest.MonkeyPatch, issuer: str, clock: Clock, client_id: str = CLIENT) -> None:
    """Settings for the service that starts next; its clock shows the time of this machine, as the provider's does."""
    clock.now = datetime.now(UTC)
    monkeypatch.setenv("ADAL_ACCOUNTS_OIDC_ISSUER", issuer)
    monkeypatch.setenv("ADAL_ACCOUNTS_OIDC_CLIENT_ID", client_id)
    monkeypatch.setenv("ADAL_ACCOUNTS_OIDC_REDIRECT_URI", REDIRECT)


async def link(office: Office, who: Colleague, issuer: str, subject: str) -> httpx2.Response:
    body = {"issuer": issuer, "subject": subject}
    path = f"/staff/{who.id}/external-subject"
    return await office.call("PUT", path, body, office.as_administrator())


async def begin(office: Office) -> dict[str, str]:
    answer = await office.call("POST", "/oidc/begin", {})
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


async def finish(
    office: Office, begun: dict[str, str], sent: dict[str, str], who: Colleague | None, **more: str
) -> httpx2.Response:
    """The answer to what the provider sent, with the code that `who` reads from the authenticator."""
    factor = {"totp": code_at(who.totp, office.clock())} if who else {}
    body = {"login": begun["login"], "state": sent["state"], "code": sent["code"], **factor, **more}
    return await office.call("POST", "/oidc/finish", body)


@dataclass
class Liar:
    """What a provider under the test's control says; `token` makes the ID token from the nonce."""

    issuer: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    token: str = ""
    #: Path -> status and headers in place of the right answer.
    instead: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if path in self.instead:
            return self.instead[path]
        found = {
            "/.well-known/openid-configuration": self.document,
            "/jwks": {"keys": self.keys},
            "/token": {"id_token": self.token, "access_token": "x", "token_type": "Bearer"},
        }.get(path)
        return (404, {}, b"{}") if found is None else (200, {}, json.dumps(found).encode())


@contextmanager
def lying_provider() -> Iterator[Liar]:
    """A provider that answers what the test says."""
    liar = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = liar.answer(self.path)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        liar.issuer = f"http://localhost:{server.server_port}"
        liar.document = {
            "issuer": liar.issuer,
            "authorization_endpoint": f"{liar.issuer}/auth",
            "token_endpoint": f"{liar.issuer}/token",
            "jwks_uri": f"{liar.issuer}/jwks",
        }
        try:
            yield liar
        finally:
            server.shutdown()
            thread.join()
