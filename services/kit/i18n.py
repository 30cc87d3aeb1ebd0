"""Sentences that people read, in Kazakh, Russian and English.

The English sentence is the msgid; the catalogues under `locale/` are read as text, so no compiled file can be
older than its source. A sentence without a translation falls back to English and never fails a request.

    python -m services.kit.i18n check     every sentence of the code is in every catalogue, whole
    python -m services.kit.i18n update    new sentences go into the catalogues, unused ones go out
"""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, get_currency_symbol
from babel.support import Translations

LANGUAGES = ("kk", "ru", "en")
DEFAULT = "en"
LOCALE_DIR = Path(__file__).parent / "locale"

_MAX_HEADER = 1000
_RANGE = re.compile(r"([a-z]{1,8}|\*)(?:-[a-z0-9-]*)?(?:;q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?", re.IGNORECASE)


def N_(message: str) -> str:  # noqa: N802 - the name gettext tools look for
    """Mark a sentence for the catalogues where it is defined; it is translated where it is shown."""
    return message


def catalogue_path(language: str) -> Path:
    """The catalogue file of one of `LANGUAGES`. Errors: ValueError for any other text."""
    if language not in LANGUAGES:
        raise ValueError("this language has no catalogue")
    return LOCALE_DIR / language / "LC_MESSAGES" / "messages.po"


@cache
def translator(language: str) -> Translations:
    """The translations of a language: `.gettext(msgid)`, `.ngettext(one, many, n)`. Errors: ValueError."""
    compiled = BytesIO()
    with catalogue_path(language).open("rb") as file:
        write_mo(compiled, read_po(file, locale=language, abort_invalid=True))
    compiled.seek(0)
    return Translations(compiled)


def _preferences(header: str) -> list[tuple[float, str]]:
    """(weight, language) of every range of an Accept-Language header that can be read, best first."""
    found = []
    for text in header[:_MAX_HEADER].split(","):
        match = _RANGE.fullmatch("".join(text.split()))
        if match:
            found.append((float(match[2] or 1), match[1].lower()))
    return sorted(found, key=lambda item: -item[0])  # stable: equal weights keep the header's order


def negotiate(
    accept_language: str | None, supported: Sequence[str] = LANGUAGES, default: str = DEFAULT
) -> str:
    """The supported language that an Accept-Language header (RFC 9110) likes best, otherwise the default.

    Regions are ignored (`kk-KZ` is `kk`), what cannot be read is skipped, and `q=0` excludes a language.
    """
    preferences = _preferences(accept_language or "")
    refused = {language for weight, language in preferences if weight == 0}
    for weight, language in preferences:
        if weight and language in supported:
            return language
        if weight and language == "*":
            break
    return next((language for language in (default, *supported) if language not in refused), default)


def date_text(day: date, language: str, style: str = "long") -> str:
    """A day as the language writes it: `2026 ж. 24 қараша`, `24 ноября 2026 г.`, `November 24, 2026`."""
    return format_date(day, style, locale=Locale(language))


def number_text(number: int | Decimal, language: str) -> str:
    """A number with the language's group and decimal signs."""
    return format_decimal(number, locale=Locale(language))


def money_text(amount: int, currency: str, language: str) -> str:
    """A whole amount and the language's sign or code of the currency (ISO 4217): `17 300 000 ₸`."""
    return f"{number_text(amount, language)}\N{NO-BREAK SPACE}{get_currency_symbol(currency, language)}"


if __name__ == "__main__":
    import sys

    from services.kit.catalogues import main  # here, so that a service never loads the tooling

    raise SystemExit(main(sys.argv[1:]))
