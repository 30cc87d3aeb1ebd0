"""Pages without script, in Kazakh, Russian and English: the front page, filing a report, and the inbox.

They are plain mode: the service sees what was typed, in memory, once. Each page says so.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.intake import pages_inbox, pages_report, pages_retaliation
from services.intake.pages_shell import DEFAULT_LANGUAGE, Language, PageRoute, render
from services.kit.html import STATIC
from services.kit.i18n import LANGUAGES, negotiate
from services.kit.problems import NotFound

root = APIRouter(route_class=PageRoute, include_in_schema=False)
front = APIRouter(route_class=PageRoute, include_in_schema=False)

_TYPES = {"css": "text/css; charset=utf-8"}


@root.get("/")
async def choose_language(request: Request) -> Response:
    """To the language that the browser asks for, otherwise to Kazakh."""
    language = negotiate(request.headers.get("accept-language"), default=DEFAULT_LANGUAGE)
    return RedirectResponse(f"/{language}/", 303, headers={"Vary": "Accept-Language"})


@root.get("/static/{name}")
async def read_static(name: str) -> Response:
    """The style sheet; its address changes with its content."""
    if name not in STATIC:
        raise NotFound()
    media_type = _TYPES[name.rpartition(".")[2]]
    return Response(
        STATIC[name], media_type=media_type, headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


@front.get("")
async def add_slash(language: Language) -> Response:
    return RedirectResponse(f"/{language}/", 303)


@front.get("/")
async def show_front(request: Request) -> Response:
    """What Adal is, and where to go."""
    return render(request, "front.html")


@front.get("/channels")
async def show_channels(request: Request) -> Response:
    """The ways to report, and what each shows to whom."""
    return render(request, "channels.html")


@front.get("/{path:path}")
async def show_nothing(path: str) -> Response:
    """An address that leads nowhere, as a page."""
    raise NotFound()


def routers() -> list[APIRouter]:
    """One set of pages for each language; the fallback comes last."""
    found = [root]
    for language in LANGUAGES:
        under = APIRouter()
        for part in (pages_report.router, pages_inbox.router, pages_retaliation.router, front):
            under.include_router(part, prefix=f"/{language}")
        found.append(under)
    return found
