"""Every error is a problem document with a stable kind and a translated detail, and never repeats the input."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Query
from pydantic import Field
from starlette.exceptions import HTTPException

from services.kit import problems
from services.kit.i18n import LANGUAGES, translator
from services.kit.problems import FieldError, Problem
from services.kit.service import JsonRoute
from services.kit.wire import Model

KINDS = [
    (problems.NotFound, 404, "not-found"),
    (problems.Unauthorised, 401, "unauthorised"),
    (problems.Forbidden, 403, "forbidden"),
    (problems.Invalid, 422, "invalid"),
    (problems.Malformed, 400, "malformed"),
    (problems.Conflict, 409, "conflict"),
    (problems.TooLarge, 413, "too-large"),
    (problems.Unavailable, 503, "unavailable"),
    (Problem, 500, "internal"),
]
SECRET = "words-of-a-reporter"


class Inner(Model):
    word: str = Field(max_length=5)


class Body(Model):
    word: str = Field(min_length=2, max_length=5)
    numbers: list[int] = Field([], max_length=2)
    inner: Inner | None = None
    free: dict[Annotated[str, Field(pattern="^[a-z]+$")], int] | None = None


router = APIRouter(route_class=JsonRoute)


@router.get("/kind/{number}")
async def raise_kind(number: int) -> None:
    raise KINDS[number][0]()


@router.get("/status/{code}")
async def raise_status(code: int) -> None:
    raise HTTPException(code, detail=SECRET)


@router.get("/broken")
async def raise_other() -> None:
    raise RuntimeError(SECRET)


@router.get("/full")
async def raise_full() -> None:
    raise problems.Conflict("A detail.", [FieldError("/a", "Another.")], {"Retry-After": "5"})


@router.post("/body")
async def take(body: Body, limit: Annotated[int, Query(ge=1)] = 1) -> int:
    return len(body.word) * limit


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.state.max_body_size = 1 << 16
    problems.install(app)
    app.include_router(router, prefix="/x")
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost/x") as client:
        yield client


def document(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    return found


@pytest.mark.parametrize("number", range(len(KINDS)))
async def test_each_kind_has_its_status_type_title_and_detail(http: httpx2.AsyncClient, number: int) -> None:
    kind, status, slug = KINDS[number]
    found = document(await http.get(f"kind/{number}"))
    assert found == {
        "type": f"urn:adal:problem:{slug}",
        "title": kind.title,
        "status": status,
        "detail": kind.detail,
    }


@pytest.mark.parametrize("kind", [kind for kind, _, _ in KINDS])
def test_each_detail_is_translated(kind: type[Problem]) -> None:
    texts = {translator(language).gettext(kind.detail) for language in LANGUAGES}
    assert len(texts) == len(LANGUAGES)


async def test_the_detail_is_in_the_callers_language_and_the_title_is_not(http: httpx2.AsyncClient) -> None:
    answers = [
        document(await http.get("kind/0", headers={"Accept-Language": language})) for language in LANGUAGES
    ]
    assert len({found["detail"] for found in answers}) == 3
    assert {found["title"] for found in answers} == {"Not found"}


async def test_a_problem_may_carry_its_own_detail_fields_and_headers(http: httpx2.AsyncClient) -> None:
    answer = await http.get("full")
    found = document(answer)
    assert (found["detail"], found["errors"]) == ("A detail.", [{"pointer": "/a", "detail": "Another."}])
    assert answer.headers["retry-after"] == "5"


async def test_an_unexpected_error_tells_nothing(
    http: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await http.get("broken")
    assert document(answer)["type"] == "urn:adal:problem:internal"
    assert SECRET not in answer.text
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("code", "slug"),
    [(404, "not-found"), (401, "unauthorised"), (413, "too-large"), (418, "http"), (451, "http")],
)
async def test_errors_of_the_framework_are_problems_too(
    http: httpx2.AsyncClient, code: int, slug: str
) -> None:
    answer = await http.get(f"status/{code}")
    assert document(answer)["type"] == f"urn:adal:problem:{slug}"
    assert SECRET not in answer.text


async def test_unknown_addresses_and_methods_are_problems(http: httpx2.AsyncClient) -> None:
    assert document(await http.get(SECRET))["type"] == "urn:adal:problem:not-found"
    refused = await http.put("body")
    assert (document(refused)["type"], refused.status_code) == ("urn:adal:problem:http", 405)
    again = document(await http.get("kind/8"))
    assert again["type"] == "urn:adal:problem:internal", "one answer does not change the kind of another"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/word"),
        ({"word": "x"}, "/word"),
        ({"word": SECRET}, "/word"),
        ({"word": 5}, "/word"),
        ({"word": "abc", "numbers": [1, SECRET]}, "/numbers/1"),
        ({"word": "abc", "numbers": [1, 2, 3]}, "/numbers"),
        ({"word": "abc", "inner": {"word": SECRET}}, "/inner/word"),
        ({"word": "abc", "inner": {"word": "a", SECRET: 1}}, "/inner"),
        ({"word": "abc", SECRET: SECRET}, ""),
        ({"word": "abc", "free": {f"{SECRET} {SECRET}": 1}}, "/free"),
        ({"word": "abc", "free": {f"{SECRET} {SECRET}": SECRET}}, "/free"),
        ([], ""),
        (SECRET, ""),
        (None, ""),
    ],
)
async def test_validation_says_where_and_what_and_repeats_nothing(
    http: httpx2.AsyncClient, body: Any, pointer: str
) -> None:
    answer = await http.post("body", json=body)
    found = document(answer)
    assert (found["status"], found["type"]) == (422, "urn:adal:problem:invalid")
    assert {error["pointer"] for error in found["errors"]} == {pointer}
    assert SECRET not in answer.text


async def test_query_parameters_are_named_too(http: httpx2.AsyncClient) -> None:
    answer = await http.post(f"body?limit={SECRET}", json={"word": "abc"})
    assert [error["pointer"] for error in document(answer)["errors"]] == ["/limit"]
    assert SECRET not in answer.text


async def test_the_number_of_findings_is_bounded(http: httpx2.AsyncClient) -> None:
    many = {chr(97 + i % 26) * (1 + i // 26): "x" for i in range(300)}
    answer = await http.post("body", json={"word": "abc", "free": many})
    assert len(document(answer)["errors"]) == 20


def test_the_text_of_a_problem_is_its_kind_only() -> None:
    assert str(problems.Invalid(SECRET, [FieldError("/a", SECRET)])) == "invalid"


def test_only_refusals_that_say_so_commit() -> None:
    assert [kind for kind, _, _ in KINDS if kind.commits] == []
