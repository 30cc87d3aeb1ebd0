"""What was given with a command: words, a day, a filter, a file to write. What cannot be used ends the command."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from services.cli.failures import Wrong
from services.cli.language import _
from services.cli.screen import read_text


def words_of(path: Path | None, question: str) -> str:
    """Text from a file, from standard input (`-`), or asked for. Error: Wrong for none."""
    words = read_text(path, question)
    if not words:
        raise Wrong(_("There is no text."))
    return words


def day_of(text: str) -> date:
    """A day written YYYY-MM-DD. Error: Wrong."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Wrong(_("A day is written YYYY-MM-DD.")) from None


def not_there(path: Path | None) -> None:
    """Return if a file that is to be written, if any, is not there yet. Error: Wrong."""
    if path is not None and path.exists():
        raise Wrong(_("This file is there already: {name}", name=path.name))


def filters_of(asked: Mapping[str, str | None]) -> dict[str, str]:
    """The filters of a list that were asked for."""
    return {name: value for name, value in asked.items() if value is not None}
