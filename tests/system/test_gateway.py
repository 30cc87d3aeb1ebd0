"""The real gateway files in front of four separate processes: the journey, the headers, and what must not get through."""

import asyncio
import json
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx2
import pytest

from services import dev
from services.cli.here import Here
from services.first_run import Folder
from tests.system.gateway import FILES, Gateway, running
from tests.system.office import Office, dialogue, files_of, new_report, nothing_readable, opened_office
from tests.system.test_markers import files_under, marker

SECURITY = {
    "strict-transport-security",
    "content-security-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
    "permissions-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
}


async def _prepare(gateway: Gateway) -> None:
    """What an operator does once: put the directory in force and make the first administrator."""
    folder = Folder(gateway.var)
    apps = dev.make_apps()
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        await dev.publish_directory(apps["intake"], folder)
        await dev.bootstrap_administrator(apps["accounts"], folder)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    home = tmp_path_factory.mktemp("gateway")
    with running(home, {"ADAL_INTAKE_CHALLENGE_COST": "10"}) as made, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ADAL_")]:
            patch.delenv(name)
        patch.setenv("SSL_CERT_FILE", str(home / "gateway" / "tls.crt"))
        for name, value in made.environment.items():
            patch.setenv(name, value)
        asyncio.run(_prepare(made))
        for name in made.environment:
            patch.delenv(name)
        yield made


@pytest.fixture(scope="module")
def office(gateway: Gateway) -> Iterator[Office]:
    citizens, staff = (Here(url, gateway.var, None) for url in (gateway.url, gateway.staff_url))
    with opened_office(gateway.home, citizens, staff) as made:
        yield made


def test_the_journey_through_the_gateway(office: Office) -> None:
    mark = marker()
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
        filed = reporter.file_sealed(report)
        files = files_of(report)
        new = dialogue(office, filed.reference, filed.receipt, mark, files)
        plain = reporter.file_plain(new_report(reporter, mark, "anonymous"))
    nothing_readable(office, [mark, filed.receipt, new, plain.receipt])


@pytest.mark.parametrize(
    "path",
    [
        "/api/intake/v1/form",
        "/api/intake/v1/nothing",
        "/api/rewards/v1/mci",
        "/api/accounts/v1/sessions",
        "/",
    ],
)
def test_every_answer_carries_each_security_header_once(gateway: Gateway, path: str) -> None:
    for base in (gateway.url, gateway.staff_url):
        answer = httpx2.get(base + path, verify=gateway.trust)
        names = [name.lower() for name, _ in answer.headers.multi_items()]
        assert {name for name in SECURITY if names.count(name) == 1} == SECURITY
        assert answer.headers.get("server", "nginx") == "nginx"


@pytest.mark.parametrize(
    "path",
    [
        "/api/intake/v1/staff/cases",
        "/api/intake/v1/staff",
        "/api//intake/v1/staff/cases",
        "/api/intake/v1/x/../staff/cases",
        "/api/intake/v1/%73taff/cases",
        "/api/accounts/v1/me",
        "/api/accounts/v1/sessions",
        "/internal/events",
        "/healthz",
        "/readyz",
        "/api/other/",
    ],
)
def test_citizens_reach_no_staff_and_no_internal_route(gateway: Gateway, path: str) -> None:
    answer = raw(
        gateway, gateway.citizens, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert answer.split(b" ", 2)[1] == b"404", answer[:200]
    assert b"unauthorised" not in answer


@pytest.mark.parametrize(
    "path", ["/", "/kk/report", "/api/intake/v1/reports", "/api/intake/v1/inbox/plain", "/healthz"]
)
def test_the_staff_origin_serves_staff_only(gateway: Gateway, path: str) -> None:
    assert httpx2.get(gateway.staff_url + path, verify=gateway.trust).status_code == 404


def test_prefixes_are_those_of_the_development_gateway() -> None:
    text = (FILES / "nginx.conf").read_text()
    routed = set(re.findall(r"location \^~ (/api/[a-z]+/) \{ proxy_pass", text))
    assert routed == set(dev.PREFIXES)


def test_body_limit_is_that_of_the_service(gateway: Gateway) -> None:
    from services.intake.app import MAX_BODY

    limit = int(re.findall(r"client_max_body_size (\d+)m;", (FILES / "nginx.conf").read_text())[0]) << 20
    assert 0 <= limit - MAX_BODY < 2 << 20
    body = b'{"x": "' + b"a" * limit + b'"}'
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k" * 30}
    answer = httpx2.post(
        f"{gateway.url}/api/intake/v1/reports",
        content=body,
        headers=headers,
        verify=gateway.trust,
        timeout=60,
    )
    assert answer.status_code == 413


def test_nothing_of_a_connection_is_written(gateway: Gateway) -> None:
    """A body far beyond every memory buffer, wrong requests and broken handshakes leave no address and no file."""
    agent, before = marker(), set(files_under(gateway.home / "gateway"))
    body = json.dumps({"x": "a" * (8 << 20)}).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k" * 30, "User-Agent": agent}
    with httpx2.Client(verify=gateway.trust, headers=headers, timeout=60) as client:
        assert client.post(f"{gateway.url}/api/intake/v1/reports", content=body).status_code == 422
        client.get(f"{gateway.url}/{agent}")
    for garbage in (b"\x16\x03\x01garbage" * 50, b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 400):
        with socket.create_connection(("127.0.0.1", gateway.citizens), timeout=5) as plain:
            plain.sendall(garbage)
    after = set(files_under(gateway.home / "gateway"))
    assert {path.name for path in after - before} <= {"nginx.pid"}
    for path in gateway.home.glob("*.output"):
        text = path.read_bytes()
        assert agent.encode() not in text
        assert b"127.0.0.1" not in text
        assert b"client:" not in text


def test_http_2_is_spoken(gateway: Gateway) -> None:
    context = gateway.trust
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("localhost", gateway.citizens), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == "h2"
        assert wrapped.version() == "TLSv1.3"


def raw(gateway: Gateway, port: int, request: str) -> bytes:
    """An answer to bytes that no client library would send."""
    with (
        socket.create_connection(("localhost", port), timeout=10) as plain,
        gateway.trust.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        wrapped.sendall(request.encode())
        answer = b""
        while chunk := _more(wrapped):
            answer += chunk
        return answer


def _more(wrapped: ssl.SSLSocket) -> bytes:
    try:
        return wrapped.recv(65536)
    except ssl.SSLEOFError:
        return b""


def test_files_of_first_run_are_not_served(gateway: Gateway) -> None:
    for path in ("/nginx.conf", "/tls.key", "/../tls.key", "/var/dev/roots.json"):
        assert b"PRIVATE KEY" not in raw(
            gateway, gateway.citizens, f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"
        )
