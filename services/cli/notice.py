"""`adal inbox notice`: be told by e-mail that there is something new, and nothing more."""

from typing import Annotated

import typer

from services.cli.failures import Wrong
from services.cli.here import here_of, read_receipt
from services.cli.inbox import ReceiptOption, app
from services.cli.language import Command, _, language
from services.cli.screen import ask, ask_yes, say
from services.crypto.notices import is_address
from services.kit.i18n import N_


@app.command(
    "notice", cls=Command, help=N_("Be told by e-mail that there is something new, without a word of what.")
)
def notice(
    ctx: typer.Context,
    receipt: ReceiptOption = None,
    off: Annotated[bool, typer.Option("--off", help=N_("Take the address back."))] = False,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Do not ask before sending."))] = False,
) -> None:
    """Seal an address to the notifier, or take it back."""
    digits = read_receipt(receipt)
    with here_of(ctx).reporter() as reporter:
        inbox = reporter.inbox(digits)
        if off:
            inbox.drop_address()
            say(_("The address is deleted. Notices that waited are deleted with it."))
            return
        address = _address(yes)
        inbox.leave_address(address, language())
    say(_("You will be told when there is something new, some hours later."))


def _address(yes: bool) -> str:
    say(_("Only a separate program, the notifier, can open the address. It does not know your report."))
    say(
        _(
            "But your mail provider, and whoever reads your mail, will see our message. Use no address of your work."
        )
    )
    address = ask(_("E-mail address"))
    if not is_address(address):
        raise Wrong(_("This is no e-mail address."))
    if not yes and not ask_yes(_("Send it?")):
        raise Wrong(_("Nothing was sent."))
    return address
