"""`adal log`: rebuild the public log from all it serves, and compare it with what was signed."""

import typer

from services.cli.here import here_of
from services.cli.inbox import standing_words
from services.cli.language import Command, _, new_group
from services.cli.screen import bar, pairs, say
from services.client.log import verify_log
from services.crypto.canonical import b64u
from services.kit.i18n import N_

app = new_group(N_("Check the public log."))


@app.command(
    "verify", cls=Command, help=N_("Fetch the whole log, rebuild its root, compare it with the signed one.")
)
def verify(ctx: typer.Context) -> None:
    """Exit code 1 on any difference."""
    with here_of(ctx).reporter() as reporter, bar(_("Reading the log")) as progress:
        found = verify_log(reporter.http, reporter.directories, progress)
    rows = [(_("Log"), found.origin), (_("Entries"), str(found.size)), (_("Root"), b64u(found.root))]
    pairs(rows)
    if found.grown_from is not None:
        say(_("It continues the log of {size} entries that was seen here before.", size=found.grown_from))
    say(_("Every entry and tile is the signed one."))
    say(standing_words(found.standing))


@app.callback()
def _group() -> None:
    """Keeps `verify` a command of a group although it is the only one."""
