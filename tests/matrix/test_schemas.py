"""Schemathesis over every service: whatever is sent, the answer is one that the API document describes.

Each operation is asked without a token, with the best proof there is and a request that does not fit, and with that proof
and a request that fits about things that exist. The requests are the same in every run.
"""

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode, checks
from schemathesis.core.failures import FailureGroup

from services.first_run import SERVICES
from services.openapi import unconnected
from tests.matrix.objects import FIXED, objects
from tests.matrix.routes import Operation, operations
from tests.matrix.test_foreign import proof, relation_of
from tests.matrix.world import World

pytestmark = pytest.mark.anyio

#: Not among them: whether data is accepted that fits the schema, or refused that does not. Most of our bodies hold signed
#: and sealed files, about which a schema can say little, and the routes refuse them for what is inside. `ignored_auth`
#: looks at security schemes; here the matrix does. Methods that do not exist are in `test_headers`.
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
PUBLISHED = [o for o in operations() if o.published]
bounded = settings(
    max_examples=4,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@functools.cache
def _described(service: str) -> Mapping[tuple[str, str], APIOperation]:
    schema = schemathesis.openapi.from_dict(unconnected(service).openapi())
    found = (result.ok() for result in schema.get_all_operations())
    return {(operation.method.upper(), operation.path): operation for operation in found}


def described(operation: Operation) -> APIOperation:
    """The operation as the document has it."""
    path = operation.path.replace(":path}", "}")
    return _described(operation.service)[operation.method, path]


def values(world: World, operation: Operation) -> dict[str, Any]:
    """Parameters of the address that name things that exist."""
    known = objects(operation)[relation_of(operation)]
    return {name: str((known.get(name) or FIXED[name])(world, "powerful")) for name in operation.parameters}


async def send(client: httpx2.AsyncClient, case: Case, headers: Mapping[str, str]) -> httpx2.Response:
    """What the case would send over a network."""
    parts = case.as_transport_kwargs(base_url="http://localhost")
    made = requests.Request(**{**parts, "headers": {**parts["headers"], **headers}}).prepare()
    sent: Any = made.body or b""
    content = sent.encode() if isinstance(sent, str) else sent
    names = {str(name): str(value) for name, value in made.headers.items()}
    return await client.request(str(made.method), str(made.url), headers=names, content=content)


def drawn(operation: APIOperation, known: Mapping[str, Any], fits: GenerationMode) -> list[Case]:
    """Some requests that fit the document, or do not. They are sent later: Hypothesis waits for no coroutine."""
    found: list[Case] = []

    @bounded
    @given(operation.as_strategy(fits, path_parameters=dict(known) or None))
    def collect(case: Case) -> None:
        found.append(case)

    # Where there is nothing, or hardly anything, to get wrong.
    nothing = (pytest.skip.Exception, Unsatisfiable) if fits is GenerationMode.NEGATIVE else ()
    with contextlib.suppress(*nothing):
        collect()
    return found


@pytest.mark.parametrize("operation", PUBLISHED, ids=str)
async def test_answers_are_those_of_the_document(world: World, operation: Operation):
    described_as, best = described(operation), proof(world, operation)
    found: set[str] = set()
    for headers, known, fits in (
        ({}, {}, GenerationMode.POSITIVE),
        (best, {}, GenerationMode.NEGATIVE),
        (best, values(world, operation), GenerationMode.POSITIVE),
    ):
        for case in drawn(described_as, known, fits):
            answer = await send(world.clients[operation.service], case, headers)
            if operation.changes and answer.status_code < 400:
                world.restore()
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as group:  # no Exception: the test runner would not survive it
                found |= {f"{answer.status_code} {each}" for each in group.exceptions}
    assert not found, "\n\n".join([str(operation), *sorted(found)])


def test_every_service_is_described():
    assert {operation.service for operation in PUBLISHED} == set(SERVICES)
    assert all(described(operation) for operation in PUBLISHED)


def test_what_is_true_of_every_route_is_in_the_document():
    for operation in PUBLISHED:
        said = set(described(operation).responses.status_codes)
        wanted = {"422"}
        wanted |= {"401", "403"} if operation.asks_for_staff else set()
        # A line break or a slash in a name leads to no route at all, whatever the route itself says.
        wanted |= {"404"} if operation.parameters else set()
        wanted |= {"413"} if operation.takes_body else set()
        assert wanted <= said, operation
