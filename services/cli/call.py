"""`adal call`: the seat of a 1424 operator, and of the desk for letters and walk-ins.

A report is asked question by question and sealed here; nothing of it is written to a disk, and once the call is over
nobody at this seat can open it again. What is said to the caller is shown in the caller's language.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli import form as forms
from services.cli import report as filing
from services.cli.case import LoginOption, SecretsOption
from services.cli.failures import Wrong
from services.cli.form import Filled, Form
from services.cli.here import SignIn, here_of, read_json
from services.cli.language import Command, _, language, new_group
from services.cli.report import AttachOption
from services.cli.screen import ask, ask_yes, bar, pairs, say, shown
from services.client import operator
from services.client.filing import FileAttachment, Filed, NewReport
from services.client.operator import LETTER, PHONE, WALK_IN, NewCall
from services.client.reporter import Reporter
from services.crypto.receipts import ReceiptError, format_receipt, parse_receipt
from services.kit.i18n import LANGUAGES, N_, translator

app = new_group(
    N_("Take calls to 1424: file a report for a caller, leave a note for the desk, look up a state.")
)

_TRIES = 3

BEFORE = (
    N_(
        "You need not say who you are. If you do, I hear it; later only several custodians together can open it."
    ),
    N_("Please do not call from a telephone at your work."),
)
"""Said before the first question."""
RECEIPT = (
    N_("Please write down a code of 24 digits, in six groups of four. Nobody can give it to you again."),
    N_("Please read the code back to me."),
)
"""Said before and after the code is read out."""
AFTER = (
    N_("I know this code too. At your first visit to the inbox, replace it by a new one that only you know."),
    N_(
        "Until then the one who took this call could read the answers, so the desk asks nothing that shows who you are."
    ),
    N_("If you find that somebody else has used the code, call 1424 and give the reference of your report."),
)
"""Said when the caller has the code."""

AnswersOption = Annotated[
    Path | None,
    typer.Option(help=N_("JSON file with mode, fields, answers and identity; otherwise you are asked.")),
]
YesOption = Annotated[bool, typer.Option("--yes", help=N_("Do not ask before sending."))]


@app.command("report", cls=Command, help=N_("File a report for a caller and read the receipt code out."))
def report(
    ctx: typer.Context, answers: AnswersOption = None, yes: YesOption = False,
    login: LoginOption = None, secrets: SecretsOption = None,
) -> None:  # fmt: skip
    """A report of committed or prepared corruption."""
    _by_phone(ctx, SignIn(here_of(ctx), login, secrets), "report", {}, answers, yes)


@app.command("pressure", cls=Command, help=N_("The same for pressure on a business."))
def pressure(
    ctx: typer.Context, answers: AnswersOption = None, yes: YesOption = False,
    login: LoginOption = None, secrets: SecretsOption = None,
) -> None:  # fmt: skip
    """A report whose category is known."""
    known = {"category": "business-pressure"}
    _by_phone(ctx, SignIn(here_of(ctx), login, secrets), "business-pressure", known, answers, yes)


@app.command("complaint", cls=Command, help=N_("The same for a complaint about the service or its staff."))
def complaint(
    ctx: typer.Context, answers: AnswersOption = None, yes: YesOption = False,
    login: LoginOption = None, secrets: SecretsOption = None,
) -> None:  # fmt: skip
    """A complaint is a report too: it gets a receipt and an answer."""
    known = {"category": "service-complaint"}
    _by_phone(ctx, SignIn(here_of(ctx), login, secrets), "complaint", known, answers, yes)


@app.command("letter", cls=Command, help=N_("Desk: enter a letter; its scans can be attached."))
def letter(
    ctx: typer.Context, answers: AnswersOption = None, attach: AttachOption = None, yes: YesOption = False,
    login: LoginOption = None, secrets: SecretsOption = None,
) -> None:  # fmt: skip
    """The receipt goes back with the answer by post, if there is an address."""
    _at_the_desk(ctx, SignIn(here_of(ctx), login, secrets), LETTER, answers, attach, yes)


@app.command("walk-in", cls=Command, help=N_("Desk: enter what somebody tells in person."))
def walk_in(
    ctx: typer.Context, answers: AnswersOption = None, attach: AttachOption = None, yes: YesOption = False,
    login: LoginOption = None, secrets: SecretsOption = None,
) -> None:  # fmt: skip
    """The receipt is handed over and typed back."""
    _at_the_desk(ctx, SignIn(here_of(ctx), login, secrets), WALK_IN, answers, attach, yes)


def _by_phone(
    ctx: typer.Context, who: SignIn, kind: str, known: dict[str, str], answers: Path | None, yes: bool
) -> None:
    with who.session() as session, here_of(ctx).reporter(session.bearer) as reporter:
        form = Form(reporter.form())
        say_to_caller(language(), BEFORE)
        filled = _filled(form, {**known, "channel": PHONE}, answers)
        filed = _file(reporter, form, filled, [], yes)
        spoken = str(filled.fields["language"])
        repeated = _read_out(filed, spoken)
        wrap_up = "report-filed" if repeated else "code-not-repeated"
        region = str(filled.fields["region"])
        operator.register(session, NewCall(kind, spoken, filled.mode != "anonymous", wrap_up, region))
    say(_("The call is recorded. Which report it was is not written down anywhere."))
    _forget_screen()


def _at_the_desk(
    ctx: typer.Context, who: SignIn, channel: str, answers: Path | None, attach: list[Path] | None, yes: bool
) -> None:
    files = filing.attached_files(attach or [])
    with who.session() as session, here_of(ctx).reporter(session.bearer) as reporter:
        form = Form(reporter.form())
        filled = _filled(form, {"channel": channel}, answers)
        filed = _file(reporter, form, filled, files, yes)
    if channel == WALK_IN:
        _read_out(filed, str(filled.fields["language"]))
        _forget_screen()
        return
    _show_receipt(filed)
    say(_("Send the code in a closed envelope, or hand it over, and say that the desk has seen it."))


def _filled(form: Form, known: dict[str, str], answers: Path | None) -> Filled:
    """The filled form, `known` clear fields as they are."""
    if answers is None:
        return forms.fill(form, known)
    found = forms.from_json(form, read_json(answers))
    return replace(found, fields={**found.fields, **known})


def _file(
    reporter: Reporter, form: Form, filled: Filled, files: Sequence[FileAttachment], yes: bool
) -> Filed:
    filing.show_clear(form, filled, list(files), False)
    if not yes and not ask_yes(_("Send it?")):
        raise Wrong(_("Nothing was sent."))
    report = NewReport(filled.fields, filled.answers, filled.mode, filled.identity, files)
    with bar(_("Sending")) as progress:
        return reporter.file_sealed(report, form=form.version, progress=progress)


def _show_receipt(filed: Filed) -> None:
    say()
    say(_("The report is stored."), bold=True)
    pairs([(_("Receipt code"), format_receipt(filed.receipt)), (_("Reference"), shown(filed.reference))])


def _read_out(filed: Filed, spoken: str) -> bool:
    """Show the code, have it repeated, say what must be said; whether it was repeated rightly."""
    say_to_caller(spoken, RECEIPT[:1])
    _show_receipt(filed)
    say_to_caller(spoken, RECEIPT[1:])
    repeated = _repeated(filed.receipt)
    if not repeated:
        say(_("The code was not repeated. Read it out once more if the caller is still there."), error=True)
    say_to_caller(spoken, AFTER)
    return repeated


def _repeated(receipt: str) -> bool:
    for _try in range(_TRIES):
        typed = ask(_("Type the code as the caller repeats it (empty if the caller is gone)"))
        if not typed:
            return False
        try:
            if parse_receipt(typed) == receipt:
                return True
        except ReceiptError:
            pass
        say(_("That is not the code. Read it out again."), error=True)
    return False


def say_to_caller(spoken: str, sentences: Sequence[str]) -> None:
    """Sentences to be said, in the caller's language."""
    speak = translator(spoken if spoken in LANGUAGES else language()).gettext
    say()
    say(_("Say:"), bold=True)
    for sentence in sentences:
        say(f"  \N{EM DASH} {speak(sentence)}")


def _forget_screen() -> None:
    """At a terminal, take code and answers off the screen before the next call."""
    console = Console()
    if console.is_terminal:
        ask(_("Press Enter to clear the screen"))
        console.clear()
