"""`adal case show`, notes, labels, links, `reassign`: the folder of a case, and who has had it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated

import typer

from services.cli.case import (
    CaseArgument,
    LoginOption,
    SecretsOption,
    app,
    id_of,
    lane_name,
    open_here,
)
from services.cli.failures import Trouble, Wrong
from services.cli.given import words_of
from services.cli.here import SignIn, here_of
from services.cli.inbox import TextOption, state_name
from services.cli.language import Command, _, language
from services.cli.people import person_of
from services.cli.screen import pairs, say, shown, table
from services.client import folder, steps
from services.client.errors import Problem
from services.client.folder import Folder
from services.client.staff import StaffSession
from services.client.steps import Reference
from services.kit.i18n import N_, date_text

OtherArgument = Annotated[str, typer.Argument(metavar="OTHER", help=N_("Reference or id of the other case."))]


@app.command(
    "show", cls=Command, help=N_("Show what stands in clear with a case: state, history, labels, links.")
)
def show(
    ctx: typer.Context, case: CaseArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """Nothing is opened, so no key is asked for."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = folder.folder(session, id_of(session, case))
        names, labels = _names(session), folder.label_names(session, language())
        words = steps.reference(session, language())
    _print(found, names, labels, words)


def _names(session: StaffSession) -> Mapping[str, str]:
    """Id -> name of colleagues, for those who may read the list."""
    with suppress(Problem):
        return {one.id: one.name for one in (*session.staff(), *session.staff(closed=True))}
    return {}


def _print(found: Folder, names: Mapping[str, str], labels: Mapping[str, str], words: Reference) -> None:
    line = found.line
    pairs(
        [
            (_("Reference"), shown(line.reference)),
            (_("State"), state_name(line.state)),
            (_("Day"), date_text(line.filed_on, language())),
            (_("Lane"), lane_name(line.lane)),
            (_("Class"), words.name("classifications", found.classification or "-")),
            (_("Body"), words.name("bodies", found.body or "-")),
            (_("Labels"), ", ".join(labels.get(one, shown(one)) for one in found.labels) or "-"),
        ]
    )
    say()
    say(_("Who has had the case"), bold=True)
    table([_("Person"), _("Role"), _("Since"), _("Until"), _("Assigned by")], list(_history(found, names)))
    say()
    say(_("Steps"), bold=True)
    for step in found.steps:
        by = "" if step.person is None else names.get(step.person, step.person)
        codes = [("grounds", step.ground), ("bodies", step.body), ("outcomes", step.outcome)]
        more = "".join(f" ({shown(words.name(name, code))})" for name, code in codes if code)
        say(f"  {step.day.isoformat()}  {state_name(step.state)}{more}  {shown(by)}".rstrip())
    for link in found.links:
        say(f"  {_kind_name(link.kind)}: {shown(link.reference)}")
    for made in found.packages:
        say(
            _("Package made for {body} on {day}, SHA-256 {hash}", body=shown(made.body),
              day=made.day.isoformat(), hash=made.sha256.hex())
        )  # fmt: skip


def _history(found: Folder, names: Mapping[str, str]) -> Iterator[list[str]]:
    for one in found.assignments:
        until = "" if one.ended is None else one.ended.isoformat()
        yield [
            names.get(one.person, one.person), one.role, one.day.isoformat(), until, names.get(one.by, one.by)
        ]  # fmt: skip


def _kind_name(kind: str) -> str:
    return {
        "linked": _("linked with"), "duplicate_of": _("duplicate of"), "has_duplicate": _("has a duplicate"),
    }.get(kind, kind)  # fmt: skip


# --- notes


@app.command("note", cls=Command, help=N_("Write a note into a case, sealed to those who hold its key."))
def note(
    ctx: typer.Context,
    case: CaseArgument,
    text: TextOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """The reporter never sees a note."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        opened = open_here(session, case)
        folder.add_note(session, opened, words_of(text, _("Your note")))
    say(_("The note is stored."))


@app.command("notes", cls=Command, help=N_("Open the notes of a case on this computer and show them."))
def notes(
    ctx: typer.Context, case: CaseArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """Notes that do not hold are named, and not shown."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        found, names = folder.notes(session, open_here(session, case)), _names(session)
    for one in found:
        say(f"{one.day.isoformat()}  {shown(names.get(one.author, one.author))}", bold=True)
        if one.text is None:
            say(_("This note does not hold, or is sealed to a key you do not have."), error=True)
        else:
            say(shown(one.text))
    if not found:
        say(_("No notes yet."))
    if any(one.text is None for one in found):
        raise Trouble(_("Some notes could not be shown."))


# --- labels and links


@app.command(
    "labels", cls=Command, help=N_("Put labels on a case or take them off; without options, list them.")
)
def labels(
    ctx: typer.Context,
    case: CaseArgument,
    add: Annotated[list[str] | None, typer.Option(metavar="CODE", help=N_("Put this label on."))] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="CODE", help=N_("Take this label off."))] = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Show the labels that the case has then, among all there are."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        id_, known = id_of(session, case), folder.label_names(session, language())
        if {*(add or ()), *(remove or ())} - set(known):
            raise Wrong(_("This label is not in the list. Labels: {codes}", codes=", ".join(sorted(known))))
        has = set(folder.folder(session, id_).labels)
        wanted = (has | set(add or ())) - set(remove or ())
        if wanted != has:
            has = set(folder.set_labels(session, id_, wanted))
    table(
        ["", _("Code"), _("Label")],
        [["x" if code in has else "", code, name] for code, name in known.items()],
    )


@app.command("link", cls=Command, help=N_("Link two cases; both show it."))
def link(
    ctx: typer.Context,
    case: CaseArgument,
    other: OtherArgument,
    duplicate: Annotated[
        bool,
        typer.Option(
            "--duplicate", help=N_("The first tells what the other tells. It keeps its inbox and its clocks.")
        ),
    ] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """A duplicate is not closed: its reporter waits for an answer too."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        kind = "duplicate_of" if duplicate else "linked"
        folder.link(session, id_of(session, case), id_of(session, other), kind)
    say(_("The cases are linked."))
    if duplicate:
        say(
            _("The duplicate stays a case of its own: its reporter is answered there, and its clocks run on.")
        )


@app.command("unlink", cls=Command, help=N_("Take away the link between two cases."))
def unlink(
    ctx: typer.Context,
    case: CaseArgument,
    other: OtherArgument,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Whichever of the two was named first."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        folder.unlink(session, id_of(session, case), id_of(session, other))
    say(_("The link is gone."))


# --- another person


@app.command(
    "reassign",
    cls=Command,
    help=N_("Hand a case from one person to another: the new one first, then a new key."),
)
def reassign(
    ctx: typer.Context,
    case: CaseArgument,
    leaver: Annotated[
        str, typer.Argument(metavar="FROM", help=N_("Who has the case now: id or exact name."))
    ],
    successor: Annotated[str, typer.Argument(metavar="TO", help=N_("Who gets it: id or exact name."))],
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Done again after an interruption, it does what is missing."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        old, new = person_of(session, leaver), person_of(session, successor)
        if old == new:
            raise Wrong(_("These are the same person."))
        role = session.hand_over(id_of(session, case), old, new)
    say(_("The case was handed over. Role: {role}", role=role))
    say(_("What was read before is known; what follows is sealed to a new key."))
