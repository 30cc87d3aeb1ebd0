"""What every page without script has in common: language, headers, same-origin check, and errors as pages."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.intake.context import Context
from services.kit import html, logs
from services.kit.i18n import LANGUAGES, N_
from services.kit.problems import Forbidden, Malformed, NotFound, Problem, TooLarge

TEMPLATES = Path(__file__).parent / "templates"
DEFAULT_LANGUAGE = "kk"
#: The longest form that is read to its end: all files of a draft and some more. Files above their limit are read past
#: and not kept, so that the person gets the page back with what was typed instead of a broken connection.
MAX_FORM = 5 << 30

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Elsewhere(Forbidden):
    """A form that was not sent by a page of this site."""

    slug, title = "elsewhere", "Sent from elsewhere"
    detail = N_(
        "This was not sent by a page of this site, so nothing was done. Open the page here and send the form again."
    )


def language_of(request: Request) -> str:
    """The language in the address, which is its first step."""
    step = request.url.path.strip("/").partition("/")[0]
    return step if step in LANGUAGES else DEFAULT_LANGUAGE


async def _language(request: Request) -> str:
    return language_of(request)


Language = Annotated[str, Depends(_language)]


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page in the language of the address. `here` is where the same page is in other languages."""
    values.setdefault("here", request.url.path.removeprefix(f"/{language_of(request)}"))
    page = html.environment(language_of(request), TEMPLATES).get_template(template)
    return HTMLResponse(page.render(**values), status)


def context_of(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


def now_of(request: Request) -> datetime:
    found: datetime = request.app.state.clock()
    return found


def _kind(exc: Exception, request: Request) -> Problem:
    """The refusal that an exception stands for; what is none is noted by its class alone."""
    if isinstance(exc, Problem):
        return exc
    if isinstance(exc, RequestValidationError):
        return NotFound()
    if isinstance(exc, HTTPException):
        return {404: NotFound(), 413: TooLarge()}.get(exc.status_code) or Malformed()
    logs.failure("request-failed", exc, route=getattr(request.scope.get("route"), "name", None))
    return Problem()


def error_page(request: Request, problem: Problem) -> HTMLResponse:
    text = problem.text(language_of(request))
    return render(request, "problem.html", problem.status, message=text, here="/")


async def _answer(handler: Handler, request: Request) -> Response:
    if request.method == "POST" and not html.same_origin(request.headers):
        return error_page(request, Elsewhere())
    try:
        return await handler(request)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    except Exception as exc:
        return error_page(request, _kind(exc, request))


class PageRoute(APIRoute):
    """Every page passes here, so that none lacks a header or a check."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def page(request: Request) -> Response:
            response = await _answer(handler, request)
            # A static file or a redirect may say itself how long it is kept.
            response.headers.update({k: v for k, v in html.HEADERS.items() if k not in response.headers})
            return response

        return page
