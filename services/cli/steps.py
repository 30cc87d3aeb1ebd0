"""`adal case register`, `review`, `forward`, `return`, `investigate`, `close`, `reopen`, `classify`, `body`, `steps`:
a case goes on by the rules, with its sealed words for the reporter.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.case import CaseArgument, LoginOption, SecretsOption, app, id_of, open_here, told_words
from services.cli.failures import Wrong
from services.cli.given import day_of, words_of
from services.cli.here import SignIn, here_of
from services.cli.inbox import TextOption, state_name
from services.cli.language import Command, _, language
from services.cli.screen import pairs, say, table
from services.client import steps
from services.contracts.outcomes import Person
from services.crypto.errors import FormatError
from services.crypto.outcomes import Act, Facts
from services.kit.i18n import N_

ClassOption = Annotated[
    str | None,
    typer.Option("--as", metavar="CLASS", help=N_("criminal or non_criminal: what the desk found.")),
]
ArticlesOption = Annotated[
    list[str] | None, typer.Option("--article", help=N_("An article of the act, as a code such as cc-366-2."))
]
TengeOption = int | None


def _reached(state: str) -> None:
    say(_("The state is now: {state}", state=state_name(state)))


def _tell(
    ctx: typer.Context,
    case: str,
    step: str,
    text: Path | None,
    login: str | None,
    secrets: Path | None,
    ground: str | None = None,
    body: str | None = None,
) -> None:
    """Open a case, ask what the reporter is told, take the step with its codes."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        opened = open_here(session, case)
        words = told_words(opened, text)
        _reached(steps.tell(session, opened, step, words, ground=ground, body=body))


def _add_move(step: str, text: str) -> None:
    """A command for a step that tells the reporter nothing: no key is asked for."""

    @app.command(step, cls=Command, help=text)
    def move(
        ctx: typer.Context,
        case: CaseArgument,
        found: ClassOption = None,
        login: LoginOption = None,
        secrets: SecretsOption = None,
    ) -> None:
        with SignIn(here_of(ctx), login, secrets).session() as session:
            _reached(steps.move(session, id_of(session, case), step, found))


_add_move("register", N_("Register a report; the law's clocks begin."))
_add_move("review", N_("Begin the review of a case."))
_add_move("investigate", N_("Begin the pre-trial investigation of a criminal case."))


@app.command("forward", cls=Command, help=N_("Forward a case to the body in charge, and tell the reporter."))
def forward(
    ctx: typer.Context,
    case: CaseArgument,
    to: Annotated[str, typer.Option(metavar="BODY", help=N_("Code of the body; `case steps` lists them."))],
    text: TextOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """The step `forward`."""
    _tell(ctx, case, "forward", text, login, secrets, body=to)


@app.command(
    "return", cls=Command, help=N_("Return a report on a ground of the code, and tell the reporter.")
)
def give_back(
    ctx: typer.Context,
    case: CaseArgument,
    ground: Annotated[str, typer.Option(help=N_("Code of the ground; `case steps` lists them."))],
    text: TextOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """The step `return`."""
    _tell(ctx, case, "return", text, login, secrets, ground=ground)


@app.command("reopen", cls=Command, help=N_("Take up a case that had ended (lead), and tell the reporter."))
def reopen(
    ctx: typer.Context,
    case: CaseArgument,
    text: TextOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """The step `reopen`."""
    _tell(ctx, case, "reopen", text, login, secrets)


@app.command("close", cls=Command, help=N_("Close a case with its outcome, sealed for the reporter."))
def close(
    ctx: typer.Context,
    case: CaseArgument,
    outcome: Annotated[str, typer.Option(help=N_("Kind of the outcome; `case steps` lists them."))],
    text: TextOption = None,
    court: Annotated[str | None, typer.Option(help=N_("Court or body that gave the act."))] = None,
    number: Annotated[str | None, typer.Option(help=N_("Number of the act."))] = None,
    day: Annotated[str | None, typer.Option("--date", help=N_("Day of the act, YYYY-MM-DD."))] = None,
    in_force: Annotated[
        str | None, typer.Option("--in-force", help=N_("Day on which it entered into force, YYYY-MM-DD."))
    ] = None,
    gravity: Annotated[
        str | None, typer.Option(help=N_("administrative, minor, medium, grave or especially_grave."))
    ] = None,
    articles: ArticlesOption = None,
    bribe: Annotated[TengeOption, typer.Option(min=0, help=N_("The bribe, in tenge."))] = None,
    damage: Annotated[TengeOption, typer.Option(min=0, help=N_("The damage, in tenge."))] = None,
    benefits: Annotated[
        TengeOption, typer.Option(min=0, help=N_("Value of benefits granted or services rendered, in tenge."))
    ] = None,
    persons: Annotated[
        Path | None,
        typer.Option(
            help=N_("JSON file of whom the act is about; it goes to the registry and nowhere else.")
        ),
    ] = None,
    unopenable: Annotated[
        bool,
        typer.Option(
            "--unopenable",
            help=N_(
                "Nobody can open the report: its reporter sees the outcome, the words stay with the desk."
            ),
        ),
    ] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """The step `close`."""
    act = _act(court, number, day, in_force)
    facts = _checked(Facts(outcome, act, gravity, tuple(articles or ()), bribe, damage, benefits))
    about = read_persons(persons) if persons else ()
    if unopenable and outcome in steps.FINAL_ACTS:
        raise Wrong(_("A report that nobody can open has no act that it led to."))
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        if unopenable:
            found = id_of(session, case)
            words = words_of(text, _("Why it cannot be opened, for the desk"))
            _reached(steps.close_unopenable(session, found, facts, words))
            return
        opened = open_here(session, case)
        words = words_of(text, _("What the reporter is told"))
        _reached(steps.close(session, opened, facts, words, about))


@app.command("classify", cls=Command, help=N_("Say whether a case is criminal; who said so is kept."))
def classify(
    ctx: typer.Context,
    case: CaseArgument,
    found: Annotated[str, typer.Argument(metavar="CLASS", help=N_("criminal or non_criminal."))],
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Record a classification."""
    if found not in ("criminal", "non_criminal"):
        raise Wrong(_("The class must be criminal or non_criminal."))
    with SignIn(here_of(ctx), login, secrets).session() as session:
        steps.classify(session, id_of(session, case), found)
    say(_("What you found is recorded."))


@app.command("body", cls=Command, help=N_("Record the code of the public body that a report is about."))
def body(
    ctx: typer.Context,
    case: CaseArgument,
    code: Annotated[str, typer.Argument(metavar="BODY", help=N_("Code of the body; `-` takes it back."))],
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Record the body concerned."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        steps.record_body(session, id_of(session, case), None if code == "-" else code)
    say(_("What you found is recorded."))


@app.command("steps", cls=Command, help=N_("List the steps of a case, and the codes that they choose from."))
def list_steps(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Print the table of steps and the lists."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = steps.reference(session, language())
    for rule in found.rules:
        say(f"{rule['code']}  {found.name('steps', rule['code'])}", bold=True)
        pairs(_rule_rows(rule))
    titles = {"grounds": _("Grounds of a return"), "outcomes": _("Outcomes"), "bodies": _("Bodies")}
    for name, title in titles.items():
        say()
        say(title, bold=True)
        table([_("Code"), _("Name")], [[code, text] for code, text in found.words[name].items()])


def _rule_rows(rule: dict[str, Any]) -> list[tuple[str, str]]:
    doubt = " " + _("(not confirmed)") if rule["status"] == "recalled" else ""
    return [
        (_("From"), ", ".join(map(state_name, rule["from_states"]))),
        (_("To"), state_name(rule["to"])),
        (_("Roles"), ", ".join(rule["roles"])),
        (_("Needs"), ", ".join(rule["needs"]) or "-"),
        (_("Source"), f"{rule['source'] or '-'} {rule['article']}".strip() + doubt),
    ]


def read_persons(path: Path) -> Sequence[Person]:
    """Whom an act is about, from a JSON file: a list of persons as `services/contracts/outcomes.py` has them."""
    try:
        return tuple(Person.from_json(line) for line in json.loads(path.read_text(encoding="utf-8")))
    except (FormatError, ValueError, TypeError):
        raise Wrong(_("The file of persons is not as `docs/sealing-format.md` says.")) from None


def _act(court: str | None, number: str | None, day: str | None, in_force: str | None) -> Act | None:
    if not any((court, number, day, in_force)):
        return None
    if not (court and number and day):
        raise Wrong(_("An act has a court or body, a number and a day."))
    return Act(court, number, day_of(day), day_of(in_force) if in_force else None)


def _checked(facts: Facts) -> Facts:
    """The facts, as readers will take them. Error: Wrong."""
    if facts.kind in steps.FINAL_ACTS and facts.act is None:
        raise Wrong(_("This outcome needs its act: --court, --number and --date."))
    try:
        return Facts.from_json(facts.to_json())
    except FormatError:
        raise Wrong(
            _(
                "Gravity, articles or days of the act cannot be used. An article is a code such as cc-366-2, "
                "and an act enters into force on its day or later."
            )
        ) from None
