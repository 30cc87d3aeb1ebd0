"""Executes the cells of the matrix: one request for each caller and relation, and what its answer must be."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx2

from tests.matrix.objects import address, body, objects
from tests.matrix.routes import Operation
from tests.matrix.rules import Rule, rule_of
from tests.matrix.world import ROLES, Headers, World

#: A caller who may gets an answer of the work itself, be it that the body is empty or the state of things another.
WORK = frozenset({400, 409, 410, 412, 413, 415, 422})
#: What a browser sends with a form of a page of this site.
OURS = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}

UPLOAD = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Upload-Length": "1"}


@dataclass(frozen=True)
class Cell:
    """One request to be made. `status` is what a refused caller gets; None when the caller may.

    `further` are statuses that count as the work besides.
    """

    caller: str
    relation: str
    headers: Headers
    status: int | None
    kind: str = ""
    further: frozenset[int] = frozenset()

    def fault(self, answer: httpx2.Response) -> str | None:
        """What is wrong with the answer, if anything."""
        status = answer.status_code
        if self.status is None:
            right = status < 400 or status in WORK | self.further
        else:
            right = status == self.status and (not self.kind or kind_of(answer) in (self.kind, None))
        if right:
            return None
        wanted = "the work" if self.status is None else f"{self.status} {self.kind}"
        return f"{self.caller} / {self.relation}: {status} {kind_of(answer)} instead of {wanted}"


def kind_of(answer: httpx2.Response) -> str | None:
    """The kind of a problem document; an answer to HEAD has none."""
    if (
        not answer.headers.get("content-type", "").startswith("application/problem+json")
        or not answer.content
    ):
        return None
    return str(answer.json()["type"]).removeprefix("urn:adal:problem:")


async def call(
    world: World, operation: Operation, relation: str, caller: str, headers: Mapping[str, str]
) -> httpx2.Response:
    """One request with whatever every client must send besides."""
    client, url = world.clients[operation.service], address(operation, relation, world, caller)
    sent = {"Idempotency-Key": secrets.token_urlsafe(24), **UPLOAD, **headers}
    if operation.page:
        data = {"token": ""} if operation.changes else None
        return await client.request(operation.method, url, data=data, headers=OURS | sent)
    if not operation.takes_body:
        kind = {"Content-Type": "application/offset+octet-stream"} if operation.method == "PATCH" else {}
        return await client.request(operation.method, url, headers=sent | kind)
    return await client.request(
        operation.method, url, json=body(operation, relation, world, caller), headers=sent
    )


def cells(world: World, operation: Operation) -> Iterator[Cell]:
    """All cells of an operation."""
    rule = rule_of(operation.id)
    make = {"staff": _staff, "public": _public, "page": _public}.get(rule.kind, _holder)
    for relation in objects(operation):
        yield from make(world, rule, relation)
        if rule.kind == "staff" and operation.service == "accounts":
            yield from _at_the_source(world, rule, relation)


def _public(world: World, rule: Rule, relation: str) -> Iterator[Cell]:
    """Everybody gets the work. A page without a visit asks for the receipt (401), an unknown address is 404."""
    further = frozenset({401, 404} if rule.kind == "page" else {404})
    for caller, headers in (world.strangers() | world.systems() | world.staff()).items():
        yield Cell(caller, relation, headers, None, further=further)


def _holder(world: World, rule: Rule, relation: str) -> Iterator[Cell]:
    """Of an inbox, a draft, a session: the secret, and everything that is not it."""
    allowed = rule.allows(rule.kind, relation)
    yield Cell(rule.kind, relation, world.secrets[rule.kind], None if allowed else rule.refusal(relation))
    others = {name: h for name, h in world.strangers().items() if not name.endswith(rule.kind)}
    old = {name: h for name, h in world.secrets.items() if name == f"old {rule.kind}"}
    for caller, headers in (others | old | world.systems() | world.staff()).items():
        yield Cell(caller, relation, headers, 401, "unauthorised")


def _staff(world: World, rule: Rule, relation: str) -> Iterator[Cell]:
    for caller, headers in (world.strangers() | {"old session": world.secrets["old session"]}).items():
        yield Cell(caller, relation, headers, 401, "unauthorised")
    for caller, headers in world.systems().items():
        yield Cell(caller, relation, headers, 403, "forbidden")
    stale = world.staff(stepped=301)
    for role, headers in world.staff().items():
        if role not in rule.roles:
            yield Cell(role, relation, headers, 403, "forbidden")
            continue
        if rule.step_up:
            yield Cell(role, relation, stale[role], 403, "step-up")
        yield Cell(role, relation, headers, None if rule.allows(role, relation) else rule.refusal(relation))


def _at_the_source(world: World, rule: Rule, relation: str) -> Iterator[Cell]:
    """Accounts knows who left and which roles remain, whatever a token still says."""
    gone = world.token(world.people["left"], *ROLES)
    yield Cell("left", relation, gone, 401, "unauthorised")
    if "desk" not in rule.roles:
        lost = world.token(world.people["other"], *ROLES)
        yield Cell("desk with lost roles", relation, lost, 403, "forbidden")
