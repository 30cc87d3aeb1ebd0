"""What goes to the terminal and what is read from it.

Words of strangers are shown without control and direction characters, so that a report cannot drive the terminal of
who reads it. Secrets are prompted for or read from standard input, never taken from the command line.
"""

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from services.cli.language import _
from services.client.http import Progress as Report

_KEPT = frozenset("\n\t")
_ENDLESS = 10_000


def shown(text: object) -> str:
    """Text as it may be shown: without control, direction and other invisible characters."""
    return "".join(char for char in str(text) if char in _KEPT or unicodedata.category(char)[0] != "C")


def one_line(text: object) -> str:
    """The same on one line."""
    return " ".join(shown(text).split())


def say(text: str = "", error: bool = False, bold: bool = False) -> None:
    """Print a line as it is: no markup, no line breaks of ours."""
    console = Console(stderr=error, soft_wrap=True)
    console.print(text, markup=False, highlight=False, style="bold" if bold else None)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads; what is too wide for a terminal is folded, and nothing is in a pipe."""
    console = Console()
    if not console.is_terminal:
        console.width = _ENDLESS
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    kept = _unfolded(widths, console.width - 2 * (len(heads) - 1))
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for place, head in enumerate(heads):
        grid.add_column(head, overflow="fold", no_wrap=place in kept)
    for row in rows:
        grid.add_row(*(_plain(cell) for cell in row))
    console.print(grid, highlight=False)


def _unfolded(widths: Sequence[int], room: int) -> frozenset[int]:
    """The columns that keep their width: the first, and those no wider than an equal share of what is left."""
    kept = [0]
    for place in sorted(range(1, len(widths)), key=widths.__getitem__):
        left = room - sum(widths[one] for one in kept)
        if widths[place] * (len(widths) - len(kept)) > left:
            break
        kept.append(place)
    return frozenset(kept)


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one pair on a line."""
    width = max((len(name) for name, _value in rows), default=0)
    for name, value in rows:
        say(f"  {name.ljust(width)}  {value}")


def ask(question: str, default: str = "", secret: bool = False, suffix: str = ": ") -> str:
    """Ask for a line; the default may be empty."""
    answer: str = typer.prompt(
        question, default=default, hide_input=secret, show_default=bool(default), prompt_suffix=suffix
    )
    return answer.strip()


def ask_yes(question: str) -> bool:
    """Ask for a yes; anything else is a no."""
    yes, no = _("yes"), _("no")
    answer = ask(f"{question} [{yes}/{no}]")
    return answer.casefold() in {yes.casefold(), "yes", "y"}


def ask_long(question: str) -> str:
    """Ask for several lines; an empty line ends them."""
    say(question + " " + _("(end with an empty line)"))
    lines: list[str] = []
    while line := ask(">", suffix=" "):
        lines.append(line)
    return "\n".join(lines)


def read_text(path: Path | None, question: str) -> str:
    """Text from a file, from standard input (`-`), or asked for."""
    if path is None:
        return ask_long(question)
    return sys.stdin.read().strip() if str(path) == "-" else path.read_text(encoding="utf-8").strip()


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """A progress bar on the error output; the value is called with bytes done and bytes in all."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _plain(cell: str) -> str:
    from rich.markup import escape

    return escape(one_line(cell))
