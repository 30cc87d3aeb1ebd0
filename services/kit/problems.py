"""RFC 9457 problem documents: kinds inside, documents only at the edge, and never a word of the input.

`title` stays English and stable; `detail` is translated into the reader's language.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.kit import logs
from services.kit.i18n import N_, negotiate, translator

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with the input: where (JSON pointer) and what (a message of the catalogue)."""

    pointer: str
    message: str


class ProblemDocument(BaseModel):
    """The shape of every error answer (RFC 9457)."""

    type: str = Field(examples=["urn:adal:problem:not-found"])
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = Field(
        None, description="JSON pointer and message of each wrong field"
    )


class Problem(Exception):
    """A refusal that the caller may see. Sub-classes are kinds; `detail` is a msgid of the catalogue."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    detail: ClassVar[str] = N_("Something went wrong on our side. Nothing you sent was kept in a log.")
    #: Whether what was written before the refusal stays written, as a spent proof of work must.
    commits: ClassVar[bool] = False

    def __init__(
        self,
        detail: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(self.slug)
        self.message = detail or self.detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def text(self, language: str) -> str:
        """What a person reads."""
        return translator(language).gettext(self.message)

    def members(self) -> dict[str, Any]:
        """Further members of the document, which a kind may have."""
        return {}


class NotFound(Problem):
    """Nothing here, or nothing that this caller may know of: the two are not told apart."""

    status, slug, title = 404, "not-found", "Not found"
    detail = N_("There is nothing at this address, or you may not see it.")


class Unauthorised(Problem):
    """No valid token."""

    status, slug, title = 401, "unauthorised", "Sign in first"
    detail = N_("Sign in first: the access token is missing, wrong or expired.")


class Forbidden(Problem):
    """A valid token whose role does not allow this."""

    status, slug, title = 403, "forbidden", "Not allowed"
    detail = N_("Your role does not allow this.")


class Invalid(Problem):
    """Well-formed JSON that breaks a rule."""

    status, slug, title = 422, "invalid", "Invalid input"
    detail = N_("Some of what was sent is not valid. Nothing was stored.")

    @classmethod
    def at(cls, pointer: str, message: str) -> "Invalid":
        """One value is wrong: where (a JSON pointer), and why (a sentence of the catalogue)."""
        return cls(errors=[FieldError(pointer, message)])


class Malformed(Problem):
    """Not the expected form at all."""

    status, slug, title = 400, "malformed", "Malformed request"
    detail = N_("The request cannot be read. Nothing was stored.")


class Conflict(Problem):
    """The state of things does not allow this now."""

    status, slug, title = 409, "conflict", "Conflict"
    detail = N_("This was changed in the meantime. Load it again and repeat.")


class TooLarge(Problem):
    """More bytes than the limit."""

    status, slug, title = 413, "too-large", "Too large"
    detail = N_("What was sent is larger than allowed. Nothing was stored.")


class Unavailable(Problem):
    """Cannot be served at present; nothing was stored."""

    status, slug, title = 503, "unavailable", "Unavailable"
    detail = N_("The service cannot take this at the moment. Nothing was stored; try again later.")


#: For `responses=` of a router: every error has this shape.
RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": ProblemDocument, "description": HTTPStatus(code).phrase}
    for code in (400, 401, 403, 404, 409, 413, 422)
}


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The error part of a route's OpenAPI description."""
    return {
        code: {
            "description": HTTPStatus(code).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for code in codes
    }


def render(request: Request, problem: Problem) -> JSONResponse:
    """The document of a problem, in the language the caller asked for."""
    language = negotiate(request.headers.get("accept-language"))
    translate = translator(language).gettext
    body: dict[str, Any] = {
        "type": f"urn:adal:problem:{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.text(language),
        **problem.members(),
    }
    if problem.errors:
        body["errors"] = [{"pointer": e.pointer, "detail": translate(e.message)} for e in problem.errors]
    headers = {"Cache-Control": "no-store", **problem.headers}
    return JSONResponse(body, problem.status, headers=headers, media_type=MEDIA_TYPE)


_VALIDATION_MESSAGES = {
    "missing": N_("This field is required."),
    "extra_forbidden": N_("This field is not known."),
    "string_too_long": N_("This text is too long."),
    "string_too_short": N_("This text is too short."),
    "too_long": N_("There are too many items."),
    "json_invalid": N_("This is not valid JSON."),
}
_NOT_VALID = N_("This value is not valid.")
_STEP = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def field_errors(exc: RequestValidationError) -> list[FieldError]:
    """Pointers and fixed messages of a validation failure. The input itself is never repeated.

    A key that comes from the caller may be anything, so the pointer stops at its parent.
    """
    found = []
    for error in exc.errors():
        loc = (
            error["loc"][1:]
            if error["loc"] and error["loc"][0] in {"body", "query", "path", "header"}
            else error["loc"]
        )
        if error["type"] in {"extra_forbidden", "json_invalid"}:
            loc = loc[:-1]
        known = itertools.takewhile(lambda step: isinstance(step, int) or _STEP.fullmatch(step), loc)
        pointer = "".join(f"/{step}" for step in known)
        found.append(FieldError(pointer, _VALIDATION_MESSAGES.get(error["type"], _NOT_VALID)))
    return found[:20]


def _of_status(status: int) -> Problem:
    """The problem for a status that the framework raised by itself."""
    known = {p.status: p for p in (NotFound, Unauthorised, Forbidden, Malformed, TooLarge)}
    if status in known:
        return known[status]()
    problem = Problem(N_("The request cannot be served in this form."))
    problem.status, problem.slug = status, "http"  # type: ignore[misc]
    problem.title = HTTPStatus(status).phrase  # type: ignore[misc]
    return problem


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""

    async def on_problem(request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, Problem)  # noqa: S101
        return render(request, exc)

    async def on_validation(request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, RequestValidationError)  # noqa: S101
        return render(request, Invalid(errors=field_errors(exc)))

    async def on_http(request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, HTTPException)  # noqa: S101
        return render(request, _of_status(exc.status_code))

    async def on_other(request: Request, exc: Exception) -> JSONResponse:
        # The class and, for databases, the SQLSTATE are all that may be known: texts can carry a reporter's words.
        logs.failure("request-failed", exc, route=getattr(request.scope.get("route"), "name", None))
        return render(request, Problem())

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_other)
