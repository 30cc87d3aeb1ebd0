"""Keeps the catalogues complete: extraction, update and check. A developer's tool; no service imports it.

The check promises that every sentence in the code has a whole translation in every language, with the
placeholders of the original and the plural forms of the language. Files are written without line numbers and
without the hour, so that two updates of the same code give the same bytes.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po

from services.kit.i18n import LANGUAGES, catalogue_path

ROOT = Path(__file__).parents[2]
SOURCE_LANGUAGE = "en"

_HEADER = "# Sentences of Adal. The msgid is the English sentence; see services/kit/i18n.py."
_CREATED = datetime(2026, 11, 24, tzinfo=UTC)
_PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sdrf]|\{\w*(?:![rsa])?(?::[^{}]*)?\}")


def _strings(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """A msgid or msgstr as a tuple: one string, or one per plural form."""
    return (value or "",) if isinstance(value, str | None) else tuple(value)


def placeholders(text: str) -> list[str]:
    """The `%(name)s`, `%d` and `{name}` of a sentence, sorted."""
    return sorted(_PLACEHOLDER.findall(text))


def _empty(language: str | None) -> Catalog:
    """A catalogue without messages; without a language it is the template."""
    return Catalog(
        language,
        header_comment=_HEADER,
        project="adal",
        version="1",
        msgid_bugs_address="-",
        creation_date=_CREATED,
        revision_date=_CREATED,
        last_translator="-",
        language_team="-",
        fuzzy=False,
    )


def _mapping() -> tuple[list[tuple[str, str]], dict[str, dict[str, object]]]:
    """The methods and options of `babel.cfg`."""
    text = (ROOT / "babel.cfg").read_text(encoding="utf-8")
    methods, options = parse_mapping_cfg(StringIO(text))  # type: ignore[no-untyped-call]
    return list(methods), dict(options)


def _holds_source(directory: str) -> bool:
    """Whether to look into a folder: not into hidden ones, caches, data or other people's packages."""
    name = Path(directory).name
    return not name.startswith((".", "_")) and name not in {"node_modules", "var", "locale"}


def extract(directory: Path = ROOT) -> Catalog:
    """The template: every marked sentence below a folder, found by the rules of `babel.cfg`."""
    methods, options = _mapping()
    template = _empty(None)
    found = extract_from_dir(directory, methods, options, directory_filter=_holds_source)
    for name, _line, message, comments, context in found:
        template.add(message, None, [(Path(name).as_posix(), 0)], auto_comments=comments, context=context)
    return template


def load(language: str) -> Catalog:
    """The catalogue of a language as it lies on disk; an empty one when there is no file yet."""
    path = catalogue_path(language)
    if not path.exists():
        return _empty(language)
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def _problem_of_strings(original: Message, texts: tuple[str, ...], language: str) -> str | None:
    """What is wrong with the translated texts of one message."""
    ids = _strings(original.id)
    forms = get_plural(language).num_plurals if original.pluralizable else 1
    if len(texts) != forms:
        return "has a wrong number of plural forms"
    if not all(text.strip() for text in texts):
        return "is not translated"
    for index, text in enumerate(texts):
        allowed = [placeholders(ids[-1])]
        if index == 0 and forms == 2:  # with two forms the first one is for exactly 1, which may go unnamed
            allowed.append(placeholders(ids[0]))
        if placeholders(text) not in allowed:
            return "has other placeholders than the original"
    return None


def problems_of(template: Catalog, catalogue: Catalog, language: str) -> Iterator[str]:
    """One line for each sentence that is missing, left over, fuzzy, untranslated or broken in a catalogue."""
    for message in template:
        if not message.id:
            continue
        found = catalogue.get(message.id, message.context)
        if found is None:
            problem: str | None = "is missing"
        elif found.fuzzy:
            problem = "is fuzzy"
        else:
            problem = _problem_of_strings(message, _strings(found.string), language)
        if problem:
            yield f"{language}: {_strings(message.id)[0]!r} {problem}"
    for message in catalogue:
        if message.id and template.get(message.id, message.context) is None:
            yield f"{language}: {_strings(message.id)[0]!r} is not used any more"


def _fill_source(catalogue: Catalog) -> None:
    """In the source language a sentence stands for itself until somebody words it better."""
    for message in catalogue:
        if message.id and not any(_strings(message.string)):
            message.string = message.id


def update(template: Catalog) -> None:
    """Bring every catalogue to the template: new sentences come in empty, unused ones go."""
    for language in LANGUAGES:
        catalogue = load(language)
        catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.fuzzy = False
        if language == SOURCE_LANGUAGE:
            _fill_source(catalogue)
        path = catalogue_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalogue, width=110, sort_output=True, ignore_obsolete=True, include_lineno=False)


def check(template: Catalog) -> list[str]:
    """All problems of all catalogues; an empty list when they are complete."""
    return [line for language in LANGUAGES for line in problems_of(template, load(language), language)]


def main(arguments: Sequence[str]) -> int:
    """`check` or `update`; returns the exit code."""
    if list(arguments) not in (["check"], ["update"]):
        sys.stderr.write("usage: python -m services.kit.i18n check|update\n")
        return 2
    template = extract()
    if arguments[0] == "update":
        update(template)
    lines = check(template)
    for line in lines:
        sys.stderr.write(line + "\n")
    if lines:
        sys.stderr.write(
            f"{len(lines)} to do; `python -m services.kit.i18n update` adds and drops sentences\n"
        )
    return 1 if lines and arguments[0] == "check" else 0
