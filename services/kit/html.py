"""Pages made on the server: templates with translations, headers that forbid everything a page does not need, and
the check that a form was sent by a page of this site.

No script, no style or font from elsewhere, nothing kept in a cache.
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.kit.i18n import LANGUAGES, date_text, number_text, translator

_HERE = Path(__file__).parent
TEMPLATES = _HERE / "templates"

#: Style sheets and pictures by name; read once, since they are few and small.
STATIC = {path.name: path.read_bytes() for path in sorted((_HERE / "static").iterdir()) if path.is_file()}

#: `no-transform` also keeps proxies from compressing pages, whose length would then tell of a secret in them.
HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    # Not `no-referrer`: browsers would then send `Origin: null` with the site's own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_PORTS = {"http": 80, "https": 443}


@cache
def environment(language: str, folder: Path) -> Environment:
    """The templates of a service, then those of the kit, in one language. Errors: ValueError for another language."""
    env = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_translations(translator(language), newstyle=True)  # type: ignore[attr-defined]
    env.globals.update(language=language, languages=LANGUAGES, static=static_url)
    env.filters["day"] = lambda day: date_text(day, language)
    env.filters["number"] = lambda number: number_text(Decimal(str(number)), language)
    return env


@cache
def static_url(name: str) -> str:
    """The address of a static file; it changes with its content, so that browsers may keep it. Errors: KeyError."""
    return f"/static/{name}?v={hashlib.sha256(STATIC[name]).hexdigest()[:12]}"


def _site(url: str, scheme: str) -> tuple[str, int] | None:
    """Host and port of a URL or of a bare `host:port`; None when it cannot be read."""
    try:
        parts = urlsplit(url if "//" in url else f"{scheme}://{url}")
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.hostname, port) if parts.hostname else None


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a page of this site sent the request.

    `Sec-Fetch-Site` decides where a browser sends it (`none` is a person's own reload); otherwise `Origin`, otherwise
    `Referer`, compared with `Host`. A request that says nothing of where it comes from is refused.
    """
    if (fetch_site := headers.get("sec-fetch-site")) is not None:
        return fetch_site in {"same-origin", "none"}
    source = headers.get("origin") or headers.get("referer")
    if not source:
        return False
    found = _site(source, "")
    return found is not None and found == _site(headers.get("host", ""), urlsplit(source).scheme)
