"""`adal case bulk`: one action on many cases, found by a filter or named on standard input."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Annotated
from uuid import UUID

import typer

from services.cli.case import LoginOption, SecretsOption, app, id_of
from services.cli.failures import Trouble, Wrong
from services.cli.given import filters_of
from services.cli.here import SignIn, here_of
from services.cli.language import Command, _
from services.cli.screen import ask_yes, say, shown
from services.client import folder
from services.client.staff import StaffSession
from services.kit.i18n import N_

ACTIONS = ("to-main", "to-quarantine", "label", "duplicate", "register")


@app.command(
    "bulk",
    cls=Command,
    help=N_("Do one thing to many cases: by a filter, or to those named on standard input."),
)
def bulk(
    ctx: typer.Context,
    action: Annotated[
        str,
        typer.Argument(metavar="ACTION", help=N_("to-main, to-quarantine, label, duplicate or register.")),
    ],
    put: Annotated[
        str | None, typer.Option("--put", metavar="CODE", help=N_("For label: the label to put on."))
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(metavar="CASE", help=N_("For duplicate: the case that the others duplicate.")),
    ] = None,
    lane: Annotated[
        str | None, typer.Option(help=N_("main, or quarantine: filed above the budget of the pages."))
    ] = None,
    state: Annotated[str | None, typer.Option(help=N_("Only this state."))] = None,
    category: Annotated[str | None, typer.Option(help=N_("Only this category (code)."))] = None,
    region: Annotated[str | None, typer.Option(help=N_("Only this region (code)."))] = None,
    label: Annotated[str | None, typer.Option(help=N_("Only with this label (code)."))] = None,
    ids: Annotated[
        bool, typer.Option("--ids", help=N_("Read ids or references from standard input, one a line."))
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help=N_("At most so many."))] = 1000,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Do not ask before it is done."))] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Each case by itself; nothing is deleted or answered."""
    filters = filters_of(
        {"lane": lane, "state": state, "category": category, "region": region, "label": label}
    )
    _check(action, put, of, filters, ids)
    with SignIn(here_of(ctx), login, secrets).session() as session:
        more = {"label": put} if put else {"of": id_of(session, of)} if of else {}
        found = dict(islice(_named(session) if ids else _filtered(session, filters), limit))
        if more.get("of"):
            found.pop(more["of"], None)
        if not yes and not ask_yes(_("Cases: {count}. Go on?", count=len(found))):
            raise Wrong(_("Nothing was done."))
        left = _report(folder.triage(session, action, found, **more), found)
    say(_("Done: {done}. Not done: {left}.", done=len(found) - left, left=left))
    if left:
        raise Trouble(_("Some cases are left. Number: {count}.", count=left))


def _check(action: str, put: str | None, of: str | None, filters: dict[str, str], ids: bool) -> None:
    if action not in ACTIONS:
        raise Wrong(_("The action must be one of: {codes}.", codes=", ".join(ACTIONS)))
    if (put is not None) != (action == "label") or (of is not None) != (action == "duplicate"):
        raise Wrong(_("The action label needs --put, the action duplicate needs --of, the others neither."))
    # Every case there is, by a forgotten option, is no triage.
    if ids == bool(filters):
        raise Wrong(_("Give a filter, or --ids with the cases on standard input, and not both."))


def _filtered(session: StaffSession, filters: dict[str, str]) -> Iterator[tuple[str, str]]:
    for line in session.cases(**filters):
        yield line.id, line.reference


def _named(session: StaffSession) -> Iterator[tuple[str, str]]:
    """Id and reference of the cases on standard input. Error: LookupError for one that there is not."""
    wanted = [word for line in sys.stdin if (word := line.strip())]
    known: dict[str, str] = {}
    if not all(map(_is_id, wanted)):
        known = {line.reference.upper(): line.id for line in session.cases()}
    for word in wanted:
        yield (word.lower(), word) if _is_id(word) else (known[word.upper()], word)


def _is_id(word: str) -> bool:
    try:
        return str(UUID(word)) == word.lower()
    except ValueError:
        return False


def _report(results: Iterator[folder.Triaged], names: dict[str, str]) -> int:
    """Say what was not done, and why; how many."""
    left = 0
    for one in results:
        if not one.done:
            left += 1
            say(f"{shown(names.get(one.case, one.case))}: {shown(one.reason or '')}", error=True)
    return left
