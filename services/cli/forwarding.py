"""`adal case package`: a case for another body, sealed to that body, as one file."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.case import CaseArgument, LoginOption, SecretsOption, app, open_here
from services.cli.failures import Wrong
from services.cli.given import not_there
from services.cli.here import SignIn, here_of
from services.cli.language import Command, _
from services.cli.screen import pairs, say, shown
from services.client.forwarding import Wanted, make_package, recipient_of
from services.crypto.age import Passphrase, Recipient
from services.crypto.errors import FormatError
from services.crypto.staffkeys import new_passphrase
from services.kit.i18n import N_


@app.command(
    "package", cls=Command, help=N_("Make a sealed package of a case for another body, and record it.")
)
def package(
    ctx: typer.Context,
    case: CaseArgument,
    body: Annotated[str, typer.Option(metavar="CODE", help=N_("Code of the body that it is for."))],
    out: Annotated[Path, typer.Option(metavar="FILE", help=N_("File to write; it must not be there yet."))],
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help=N_("age key of the body (age1...); may be repeated.")),
    ] = None,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help=N_("Seal it to a new passphrase, which is shown once."))
    ] = False,
    messages: Annotated[
        str, typer.Option(help=N_("all, none, or numbers of messages with commas between."))
    ] = "all",
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Open, pack, seal, record; who the reporter is never goes in."""
    not_there(out)
    if bool(to) == passphrase:
        raise Wrong(_("Give --to KEY or --passphrase, and not both."))
    words = new_passphrase() if passphrase else ""
    wanted = Wanted(body, _recipients(to or [], words), _numbers(messages))
    here = here_of(ctx)
    with SignIn(here, login, secrets).session(unlock=True) as session, here.reporter() as reporter:
        form = reporter.form()
        if body not in {item["code"] for item in form["lists"]["bodies"]["items"]}:
            raise Wrong(_("There is no body with this code: adal case steps"))
        opened = open_here(session, case)
        if (wanted.messages or frozenset()) - {one.number for one in opened.messages}:
            raise Wrong(_("There is no message with this number."))
        made = make_package(session, opened, form, wanted, out)
    pairs(
        [
            (_("File"), shown(out.name)),
            (_("Bytes"), str(made.size)),
            ("SHA-256", made.sha256.hex()),
            (_("Messages"), str(made.messages)),
            (_("Files"), str(made.attachments)),
            *([(_("Passphrase"), words)] if words else []),
        ]
    )
    if words:
        say(_("The passphrase is shown once. Give it to the body by another way than the file."))
    say(_("Who the reporter is does not stand in it. The files in it were not scanned."))


def _recipients(to: list[str], words: str) -> list[Recipient]:
    try:
        return [recipient_of(key) for key in to] or [Passphrase(words)]
    except FormatError:
        raise Wrong(_("This is no age key. It begins with age1.")) from None


def _numbers(text: str) -> frozenset[int] | None:
    if text == "all":
        return None
    numbers = [] if text == "none" else text.split(",")
    if not all(one.strip().isascii() and one.strip().isdigit() for one in numbers):
        raise Wrong(_("Messages: all, none, or numbers with commas between."))
    return frozenset(int(one) for one in numbers)
