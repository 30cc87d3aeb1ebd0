"""Headers of every operation, and of every kind of error: what the services answer for, without the gateway."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx2
import pytest

from services.first_run import SERVICES
from services.kit import html
from tests.matrix.cells import OURS, UPLOAD, call
from tests.matrix.objects import address, objects
from tests.matrix.routes import Operation, operations
from tests.matrix.rules import Rule, rule_of
from tests.matrix.test_foreign import proof, relation_of
from tests.matrix.world import World

pytestmark = pytest.mark.anyio

MARK = "zhasyryn-soz-5281"
FORBIDDEN = {"server", "x-powered-by", "set-cookie", "access-control-allow-origin", "date"}
PROBLEM = {"type", "title", "status", "detail", "errors"}


def faults(answer: httpx2.Response, page: bool, cache: str = "no-store") -> list[str]:
    """What is wrong with the headers of an answer."""
    found = [name for name in FORBIDDEN if name in answer.headers]
    kept = answer.headers.get("cache-control", "")
    wanted = cache if answer.status_code < 400 else "no-store"
    if not kept.startswith(wanted) or (wanted == "no-store" and "public" in kept):
        found.append(f"{answer.status_code}: Cache-Control: {kept!r}")
    if answer.content and "content-type" not in answer.headers:
        found.append("no Content-Type")
    if answer.content and answer.status_code >= 400 and not page:
        found += _problem(answer)
    if page:
        found += [name for name in html.HEADERS if name not in answer.headers]
    if re.search(r"Traceback|File \"|/services/", answer.text):
        found.append("a stack trace")
    if MARK in answer.text:
        found.append("repeats the input")
    return found


def _problem(answer: httpx2.Response) -> list[str]:
    if answer.headers["content-type"] != "application/problem+json":
        return [f"{answer.status_code}: {answer.headers['content-type']}"]
    document = answer.json()
    right = set(document) <= PROBLEM and document["status"] == answer.status_code
    return [] if right else [f"not a problem document: {sorted(document)}"]


async def answers(world: World, operation: Operation, rule: Rule) -> AsyncIterator[httpx2.Response]:
    """A good answer where an empty body gives one, and errors of every kind that the operation has."""
    client, relation = world.clients[operation.service], relation_of(operation)
    url, right = address(operation, relation, world, "powerful"), proof(world, operation)
    yield await call(world, operation, relation, "powerful", right)
    for other in objects(operation):
        yield await call(world, operation, other, "powerful", right)
    marked = re.sub(r"\{[^}]*\}", MARK, operation.path)
    for target, headers, content in (
        (url, {}, b""),
        (url, {"Authorization": f"Bearer {MARK}"}, b""),
        (url, right, b"{"),
        (url, right, json.dumps({MARK: MARK}).encode()),
        (url, right, b"[" * 300 + b"]" * 300),
        (url, right, b"\xff\xfe\x00"),
        (f"{url}?{MARK}={MARK}&cursor={MARK}&limit={MARK}", right, b"{}"),
        (marked, right, b"{}"),
    ):
        sent: Mapping[str, str] = {"Content-Type": "application/json", **UPLOAD, **headers}
        yield await client.request(operation.method, target, content=content, headers=OURS | dict(sent))


@pytest.mark.parametrize("operation", operations(), ids=str)
async def test_headers_of_every_answer(world: World, operation: Operation):
    rule, found = rule_of(operation.id), []
    async for answer in answers(world, operation, rule):
        found += faults(answer, operation.page, rule.cache)
        assert answer.status_code < 500, answer.text
        if operation.changes and answer.status_code < 400:
            world.restore()
    assert not found, "\n".join([str(operation), *found])


async def test_other_methods_are_refused_with_the_same_headers(world: World):
    for operation in operations():
        url = address(operation, next(iter(objects(operation))), world, "powerful")
        for method in ("TRACE", "PROPFIND"):
            answer = await world.clients[operation.service].request(method, url, headers=world.powerful())
            assert (answer.status_code, faults(answer, page=False)) == (405, []), operation
    assert world.changed() == []


@pytest.mark.parametrize("service", SERVICES)
async def test_what_is_no_address(world: World, service: str):
    for path in (
        f"/api/{service}/v1/{MARK}",
        f"/{MARK}",
        "/docs",
        "/redoc",
        f"/api/{service}/v2/openapi.json",
    ):
        answer = await world.clients[service].get(path)
        assert (answer.status_code, faults(answer, page=False)) == (404, [])


async def test_too_much_is_refused_before_it_is_read(world: World):
    for operation in operations():
        if not operation.takes_body or rule_of(operation.id).kind not in {"public", "staff"}:
            continue
        headers = {"Content-Type": "application/json", "Content-Length": str(1 << 40), **world.powerful()}
        url = address(operation, relation_of(operation), world, "powerful")
        answer = await world.clients[operation.service].request(
            operation.method, url, content=b"{}", headers=headers | UPLOAD
        )
        assert answer.status_code == 413, operation
        assert faults(answer, page=False) == [], operation


@pytest.mark.parametrize("service", SERVICES)
async def test_a_failure_inside_tells_nothing(world: World, service: str):
    """Every operation while the database is out of reach: a problem document, and no word of what went wrong."""
    state = world.apps[service].state
    engine, state.engine = state.engine, None
    try:
        for operation in (o for o in operations() if o.service == service and not o.page):
            if operation.name in {"healthz", "readyz"}:
                continue
            answer = await call(world, operation, relation_of(operation), "powerful", proof(world, operation))
            assert faults(answer, page=False, cache=rule_of(operation.id).cache) == [], operation
            assert answer.status_code < 500 or "NoneType" not in answer.text
    finally:
        state.engine = engine


def test_the_gateway_adds_the_rest_to_every_address(repository: Path):
    """nginx drops inherited headers in a block that sets one of its own, so headers stand in servers, in no location."""
    text = (repository / "deploy" / "gateway" / "nginx.conf").read_text()
    inside = re.findall(r"location[^{]*\{([^}]*)\}", text)
    assert inside
    assert [block for block in inside if "add_header" in block or "include" in block] == []
    servers = re.findall(r"^    server \{(.*?)^    \}", text, re.DOTALL | re.MULTILINE)
    serving = [server for server in servers if "location" in server]
    assert len(serving) == 2
    assert all("include headers.conf;" in server for server in serving)
