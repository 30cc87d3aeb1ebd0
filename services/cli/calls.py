"""`adal call`, the rest of the seat: notes sealed to the desk, figures of a day, look-ups by reference."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.cli import call
from services.cli.case import LoginOption, SecretsOption
from services.cli.failures import Wrong
from services.cli.here import SignIn, here_of
from services.cli.inbox import TextOption, state_name
from services.cli.language import Command, _, language
from services.cli.limits import print_deadlines
from services.cli.screen import ask, pairs, read_text, say, shown, table
from services.client import operator
from services.client.operator import Counts, NewCall, NewNote
from services.client.staff import StaffSession
from services.kit.i18n import N_, date_text

app = call.app
SPOKEN = ("kk", "ru", "en", "other")

SpeaksOption = Annotated[
    str | None,
    typer.Option("--speaks", help=N_("Language of the caller: kk, ru, en or other; otherwise asked.")),
]
NamedOption = Annotated[bool, typer.Option("--named", help=N_("The caller said who they are."))]
WrapUpOption = Annotated[
    str | None, typer.Option("--wrap-up", help=N_("How the call ended (code); otherwise asked."))
]
RegionOption = Annotated[str | None, typer.Option("--region", help=N_("Region the call is about (code)."))]
NumberOption = Annotated[str | None, typer.Option(help=N_("Number to call; otherwise asked."))]
WishOption = Annotated[
    str | None, typer.Option(help=N_("When, in which language, whom to ask for; otherwise asked."))
]
ReferenceArgument = Annotated[
    str, typer.Argument(metavar="REFERENCE", help=N_("Reference of the report, as the caller reads it."))
]


@app.command(
    "consult", cls=Command, help=N_("Record a consultation; what it was about is sealed to the desk.")
)
def consult(
    ctx: typer.Context, speaks: SpeaksOption = None, named: NamedOption = False, wrap_up: WrapUpOption = None,
    region: RegionOption = None, text: TextOption = None, login: LoginOption = None, secrets: SecretsOption = None,
) -> None:  # fmt: skip
    """A call that asks and reports nothing."""
    ended = _asked("consultation", speaks, named, wrap_up, region)
    _record(ctx, SignIn(here_of(ctx), login, secrets), ended, text)


@app.command(
    "feedback", cls=Command, help=N_("Record feedback on the service; the words are sealed to the desk.")
)
def feedback(
    ctx: typer.Context, speaks: SpeaksOption = None, named: NamedOption = False, wrap_up: WrapUpOption = None,
    region: RegionOption = None, text: TextOption = None, login: LoginOption = None, secrets: SecretsOption = None,
) -> None:  # fmt: skip
    """Praise or blame that wants no answer."""
    ended = _asked("feedback", speaks, named, wrap_up, region)
    _record(ctx, SignIn(here_of(ctx), login, secrets), ended, text)


@app.command("callback", cls=Command, help=N_("Ask the desk to call back; the number is sealed to the desk."))
def callback(
    ctx: typer.Context, speaks: SpeaksOption = None, named: NamedOption = False, region: RegionOption = None,
    number: NumberOption = None, wish: WishOption = None,
    text: TextOption = None, login: LoginOption = None, secrets: SecretsOption = None,
) -> None:  # fmt: skip
    """A number, a wish, what it is about."""
    ended = _asked("consultation", speaks, named, "call-back-asked", region)
    given = number or ask(_("Number to call"))
    if not given:
        raise Wrong(_("There is no number."))
    wanted = wish if wish is not None else ask(_("When and in which language (may stay empty)"))
    _record(ctx, SignIn(here_of(ctx), login, secrets), ended, text, given, wanted or None)


def _asked(kind: str, speaks: str | None, named: bool, wrap_up: str | None, region: str | None) -> NewCall:
    spoken = speaks or ask(_("Language of the caller (kk, ru, en, other)"), language())
    if spoken not in SPOKEN:
        raise Wrong(_("The language must be kk, ru, en or other."))
    return NewCall(kind, spoken, named, wrap_up or "", region)


def _record(
    ctx: typer.Context, who: SignIn, ended: NewCall, text: Path | None, number: str | None = None,
    wish: str | None = None,
) -> None:  # fmt: skip
    with who.session(unlock=True) as session:
        words = read_text(text, _("What it was about"))
        if not words and (number or ended.kind == "feedback"):
            raise Wrong(_("There is no text."))
        note = NewNote(words, number, wish) if words else None
        wrap_up = ended.wrap_up or _wrap_up(session)
        operator.register(session, replace(ended, wrap_up=wrap_up, note=note))
    say(_("The call is recorded. The words are sealed to the desk.") if note else _("The call is recorded."))


def _wrap_up(session: StaffSession) -> str:
    codes = operator.call_reference(session, language())[1]
    for code, name in codes.items():
        say(f"  {code.ljust(20)} {name}")
    return ask(_("How the call ended (code)"))


@app.command("callbacks", cls=Command, help=N_("Desk: who wants to be called back, opened on this computer."))
def callbacks(
    ctx: typer.Context,
    notes: Annotated[bool, typer.Option("--notes", help=N_("Notes without a number instead."))] = False,
    done: Annotated[bool, typer.Option("--done", help=N_("Those that were dealt with."))] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Number, wish and words of each, oldest first."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        kinds = operator.call_reference(session, language())[0]
        for line in operator.notes(session, "note" if notes else "callback", done):
            say()
            kind = kinds.get(line.call_kind, line.call_kind)
            say(f"{line.id}  {date_text(line.day, language())}  {kind}  {line.language}", bold=True)
            _print_note(line)


def _print_note(line: operator.NoteLine) -> None:
    if line.opened is None:
        say(
            _("It does not hold. Nothing of it is shown.")
            if line.refused
            else _("It is sealed to a key that you do not hold."),
            error=True,
        )
        return
    note = line.opened.note
    if note.number:
        pairs([(_("Number"), shown(note.number)), (_("Wish"), shown(note.wish or ""))])
    say(shown(note.text))
    if line.opened.person is None:
        say(_("Not signed: nothing proves which operator wrote it."))


@app.command("done", cls=Command, help=N_("Desk: say that a call back or a note was dealt with."))
def done(
    ctx: typer.Context,
    note: Annotated[str, typer.Argument(metavar="ID", help=N_("Id, as `callbacks` shows it."))],
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Mark it; somebody else cannot mark it again."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        operator.finish(session, note)
    say(_("Done."))


# --- figures and look-ups


@app.command(
    "figures", cls=Command, help=N_("Figures of a day: your own and everybody's; a lead sees each operator.")
)
def figures(
    ctx: typer.Context,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help=N_("Day; today if not given."))
    ] = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Numbers of calls by kind, language and end."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = operator.figures(session, day.date() if day else None)
        kinds, ends = operator.call_reference(session, language())
    say(date_text(found.day, language()), bold=True)
    rows = _figure_rows(found.own, found.everybody, kinds, ends)
    table([_("What"), _("Yours"), _("Everybody's")], rows)
    for person, counts in (found.operators or {}).items():
        say(f"  {person}  {counts.calls}")
    pairs(
        [
            (_("Reports by telephone"), str(found.reports)),
            (_("Call backs and notes that wait for the desk"), str(found.notes_open)),
        ]
    )


def _figure_rows(
    own: Counts, everybody: Counts, kinds: dict[str, str], ends: dict[str, str]
) -> list[list[str]]:
    rows = [
        [_("Calls"), str(own.calls), str(everybody.calls)],
        [_("Named"), str(own.named), str(everybody.named)],
    ]
    for mine, all_, names in (
        (own.kinds, everybody.kinds, kinds),
        (own.languages, everybody.languages, {}),
        (own.wrap_ups, everybody.wrap_ups, ends),
    ):
        rows += [
            [names.get(code, code), str(mine.get(code, 0)), str(number)] for code, number in all_.items()
        ]
    return rows


@app.command(
    "status", cls=Command, help=N_("Where a report stands: its state and days, never what is in it.")
)
def status(
    ctx: typer.Context, reference: ReferenceArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """For a caller who has the reference and not the code."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = operator.status(session, reference)
    rows = [
        (_("Reference"), shown(found.reference)),
        (_("State"), f"{state_name(found.state)} ({_day(found.since)})"),
        (_("Filed on"), _day(found.filed_on)),
    ]
    if found.register_by:
        rows.append((_("To be registered by"), _day(found.register_by)))
    if found.code_replaced_on:
        rows.append((_("Receipt code replaced on"), _day(found.code_replaced_on)))
    if found.code_suspect_on:
        rows.append((_("Said to be used by somebody else on"), _day(found.code_suspect_on)))
    pairs(rows)
    print_deadlines(found.deadlines)


@app.command(
    "code-used",
    cls=Command,
    help=N_("A caller says that somebody else used their code: nothing more is sealed to it."),
)
def code_used(
    ctx: typer.Context, reference: ReferenceArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """Flag the case."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        operator.code_used(session, reference)
    say(_("The case is flagged. The desk writes nothing more until the code is replaced."))
    call.say_to_caller(language(), (N_("Please open your inbox and replace the code, if it still opens."),))


def _day(day: date) -> str:
    return date_text(day, language())
