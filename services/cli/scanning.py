"""The scanner that looks at every opened file before it is kept: an option, or ADAL_SCANNER."""

from typing import Annotated

import typer

from services.cli.failures import Wrong
from services.cli.language import _
from services.client.scanning import Scanner
from services.kit.i18n import N_

ScannerOption = Annotated[
    str | None,
    typer.Option(
        envvar="ADAL_SCANNER",
        help=N_(
            "Command that scans a file before it is kept, with the word FILE in braces: exit 0 clean, 1 infected."
        ),
    ),
]


def scanner_of(text: str | None) -> Scanner | None:
    """The scanner of a command line; None for none. Error: Wrong: whoever set one must not go without."""
    if not text:
        return None
    try:
        return Scanner.parse(text)
    except ValueError:
        raise Wrong(
            _("The scanner must be a command with {file} in one of its words.", file="{file}")
        ) from None
