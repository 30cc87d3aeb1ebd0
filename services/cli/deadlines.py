"""`adal case deadlines`, `extend`, `mark`, `figures`: the time limits of a case, and how punctual the desk is."""

from typing import Annotated

import typer

from services.cli.case import CaseArgument, LoginOption, SecretsOption, app, id_of, open_here, told_words
from services.cli.given import day_of
from services.cli.here import SignIn, here_of
from services.cli.inbox import TextOption
from services.cli.language import Command, _, language
from services.cli.limits import print_deadlines, print_sources
from services.cli.screen import one_line, say, table
from services.client import deadlines
from services.kit.i18n import N_


@app.command("deadlines", cls=Command, help=N_("Show the time limits of a case, with their articles."))
def show(
    ctx: typer.Context, case: CaseArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """Needs no key: nothing of it is sealed."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = deadlines.of_case(session, id_of(session, case))
    print_deadlines(found)
    print_sources(found)


@app.command(
    "extend", cls=Command, help=N_("Extend the time for considering a case, and tell the reporter why.")
)
def extend(
    ctx: typer.Context,
    case: CaseArgument,
    until: Annotated[
        str,
        typer.Option(
            "--until", metavar="YYYY-MM-DD", help=N_("The new last day, two months from today at most.")
        ),
    ],
    text: TextOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Once for each case, by a lead; the reasons go to the reporter, sealed."""
    day = day_of(until)
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        opened = open_here(session, case)
        found = deadlines.extend(session, opened, day, told_words(opened, text))
    say(_("The time limit is extended."))
    print_deadlines(found)


@app.command(
    "mark",
    cls=Command,
    help=N_("Begin or meet a time limit that belongs to no step: gaps of a report, a recusal, a notice."),
)
def mark(
    ctx: typer.Context,
    case: CaseArgument,
    step: Annotated[
        str,
        typer.Argument(
            metavar="STEP",
            help=N_("gaps, gaps_filled, recusal, recusal_decided, recusal_told or end_without_decision."),
        ),
    ],
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="YYYY-MM-DD", help=N_("The last day for filling the gaps.")),
    ] = None,
    text: TextOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Gaps are named to the reporter in the same step."""
    day = None if until is None else day_of(until)
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        opened = open_here(session, case)
        words = told_words(opened, text) if step == "gaps" or text else ""
        found = deadlines.mark(session, opened, step, day, words)
    print_deadlines(found)


@app.command("figures", cls=Command, help=N_("Show how many time limits were met, by month and kind."))
def figures(
    ctx: typer.Context,
    year: Annotated[int | None, typer.Option(help=N_("This year, unless another one is given."))] = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """For leads and auditors: numbers only."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = deadlines.figures(session, year)
    heads = [
        _("Month"),
        _("Time limit"),
        _("in time"),
        _("late"),
        _("running"),
        _("passed"),
        _("extended"),
        _("ended"),
    ]
    rows = [
        [line.month, one_line(line.labels.get(language(), line.kind))]
        + [str(line.counts[state]) for state in deadlines.STATES]
        for line in found
    ]
    table(heads, rows)
