"""What a page of another site can make a browser send changes nothing, and reading changes nothing either.

No service gives a cookie, so a browser adds no proof of who somebody is by itself; still, no form of another site may
reach a route, and a request that only reads never writes.
"""

import json
import secrets

import pytest

from tests.matrix.cells import call
from tests.matrix.objects import NOTHING, address, body, objects
from tests.matrix.routes import Operation, operations
from tests.matrix.rules import rule_of
from tests.matrix.world import Headers, World

pytestmark = pytest.mark.anyio

READING = [o for o in operations() if not o.changes]
FORMS = [o for o in operations() if o.changes and o.page]
CALLS = [o for o in operations() if o.changes and not o.page]

ELSEWHERE: dict[str, Headers] = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"},
    "a neighbour": {"Sec-Fetch-Site": "same-site", "Origin": "http://other.localhost"},
    "an old browser": {"Origin": "https://elsewhere.example"},
    "a sandbox": {"Origin": "null"},
    "another port": {"Origin": "http://localhost:81"},
    "only a referrer": {"Referer": "https://elsewhere.example/http://localhost/"},
    "a contradiction": {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    "nothing said": {},
}
#: The types that a form can have, and one that a script of another site may send unasked.
SIMPLE = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/plain",
    "text/plain;charset=UTF-8",
    "",
)

#: Single sign-on is off here; tests/accounts/test_sign_on.py sends its routes forms while it is on.
SWITCHED_OFF = {"begin_sign_on", "challenge_sign_on", "finish_sign_on"}


def proof(world: World, operation: Operation) -> Headers:
    """What the most powerful caller of an operation sends."""
    kind = rule_of(operation.id).kind
    return world.powerful() if kind in {"staff", "public", "page"} else world.secrets[kind]


def relation_of(operation: Operation) -> str:
    """A relation in which that caller may."""
    found = objects(operation)
    return next(relation for relation in ("own", "other", "desk", NOTHING) if relation in found)


@pytest.mark.parametrize("operation", FORMS, ids=str)
async def test_a_form_of_another_site_is_refused(world: World, operation: Operation):
    url = address(operation, NOTHING, world, "nobody")
    for name, headers in ELSEWHERE.items():
        for sent in ({"data": {"token": "x"}}, {"files": [("files", ("a.txt", b"a"))]}):
            answer = await world.clients["intake"].post(url, headers=headers, **sent)
            assert answer.status_code == 403, name
            assert answer.headers["content-type"].startswith("text/html")
    assert world.changed() == []


@pytest.mark.parametrize("operation", CALLS, ids=str)
async def test_no_form_reaches_the_api(world: World, operation: Operation):
    relation = relation_of(operation)
    url = address(operation, relation, world, "powerful")
    sent = json.dumps(body(operation, relation, world, "lead")).encode()
    extra = {"Idempotency-Key": secrets.token_urlsafe(24), **proof(world, operation)}
    # A form sets no header. Where a body is asked for, not even one with every proof gets through.
    for headers in ({}, extra) if operation.takes_body else ({},):
        for kind in SIMPLE:
            typed = {"Content-Type": kind} if kind else {}
            answer = await world.clients[operation.service].request(
                operation.method, url, content=sent, headers=headers | typed
            )
            assert 400 <= answer.status_code < 500, (kind, answer.status_code)
            if operation.takes_body and headers:
                expected = {404} if operation.name in SWITCHED_OFF else {415, 422}
                assert answer.status_code in expected, (kind, answer.status_code)
    assert world.changed() == []


def test_what_has_no_body_asks_for_a_header():
    """A form could call a public operation without a body: there must be none that changes anything."""
    assert [o for o in CALLS if not o.takes_body and rule_of(o.id).kind == "public"] == []


@pytest.mark.parametrize("operation", READING, ids=str)
async def test_reading_changes_nothing(world: World, operation: Operation):
    for relation in objects(operation):
        answer = await call(world, operation, relation, "powerful", proof(world, operation))
        assert answer.status_code < 500
    assert world.changed() == []
