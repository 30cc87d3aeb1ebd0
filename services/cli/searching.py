"""`adal case search`: words in one's own cases, opened on this computer; nothing is written to disk."""

from collections.abc import Iterator
from typing import Annotated

import typer

from services.cli.case import LoginOption, SecretsOption, app
from services.cli.failures import Trouble, Wrong, explain
from services.cli.here import SignIn, here_of
from services.cli.language import Command, _
from services.cli.screen import one_line, say, shown
from services.client import folder
from services.client.errors import NotHanded, Problem
from services.client.searching import Hit, Index, texts_of
from services.client.staff import DESK, StaffSession
from services.crypto.errors import CryptoError
from services.kit.i18n import N_


@app.command("search", cls=Command, help=N_("Search for words in your own cases, opened on this computer."))
def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help=N_("What to search for."))],
    every: Annotated[
        bool, typer.Option("--all", help=N_("Desk: every case that you hold a key of, not only your own."))
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help=N_("At most so many."))] = 20,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Open, index in memory, show the best."""
    query = " ".join(words)
    if not query.strip():
        raise Wrong(_("There is no text."))
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        everything = every and bool(session.me().person.roles & DESK)
        index = Index()
        closed = sum(not _add(session, index, id_, ref) for id_, ref in _cases(session, everything))
    for hit in index.search(query, limit):
        _print(hit)
    say(_("Searched: {count}. Could not be opened: {closed}.", count=len(index), closed=closed), error=True)
    if closed and not len(index):
        raise Trouble(_("None of the cases could be opened."))


def _cases(session: StaffSession, everything: bool) -> Iterator[tuple[str, str]]:
    filters = {} if everything else {"assigned": "me"}
    return ((line.id, line.reference) for line in list(session.cases(**filters)))


def _add(session: StaffSession, index: Index, case_id: str, reference: str) -> bool:
    """Open a case and take it in; False for one that cannot be opened."""
    try:
        case = session.case(case_id)
        index.add(case.line.reference, texts_of(case, folder.notes(session, case)))
    except (NotHanded, CryptoError):
        return False
    except Problem as exc:
        say(shown(reference), error=True)
        explain(exc)
        return False
    return True


def _print(hit: Hit) -> None:
    say(shown(hit.reference), bold=True)
    for one in hit.snippets:
        say(f"  {shown(one.where)}: {one_line(one.before + one.found + one.after)}")
