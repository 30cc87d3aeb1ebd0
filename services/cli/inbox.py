"""`adal inbox`: read the answers, write back, add who you are, replace the receipt code, check the promise."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from services.cli.failures import Trouble, Wrong
from services.cli.form import Form
from services.cli.given import words_of
from services.cli.here import here_of, read_json, read_receipt
from services.cli.language import Command, _, language, new_group
from services.cli.limits import print_deadlines
from services.cli.outcomes import print_outcome
from services.cli.report import AttachOption, read_attachments, read_saved
from services.cli.rights import print_protection, print_rights
from services.cli.screen import ask, ask_yes, bar, one_line, pairs, say, shown
from services.client.chain import Message, Rejected
from services.client.inbox import Inbox, Opening, View
from services.client.log import Included, Standing
from services.client.operator import code_known_to_others
from services.client.protection import rights
from services.client.reporter import Reporter
from services.crypto.receipts import ReceiptError, format_receipt, parse_receipt
from services.kit.i18n import N_, date_text

app = new_group(N_("Read answers with the receipt code, and write back."))
PROMISED = timedelta(hours=48)

ReceiptOption = Annotated[
    str | None,
    typer.Option("--receipt", metavar="-", help=N_("Only `-`: read the receipt code from standard input.")),
]
TextOption = Annotated[
    Path | None,
    typer.Option("--text", help=N_("File with the text, or `-` for standard input; otherwise asked.")),
]


@app.command("show", cls=Command, help=N_("Show state and answers."))
def show(
    ctx: typer.Context,
    receipt: ReceiptOption = None,
    download: Annotated[
        Path | None, typer.Option(help=N_("Save attachments of the answers in this folder."))
    ] = None,
) -> None:
    """Open, check and print."""
    digits = read_receipt(receipt)
    with here_of(ctx).reporter() as reporter:
        inbox = reporter.inbox(digits)
        _print(inbox)
        for message in inbox.replies if download else ():
            for index in range(len(message.envelopes)):
                assert download is not None  # noqa: S101
                say(_("Saved: {name}", name=shown(inbox.download(message, index, download).name)))


@app.command("send", cls=Command, help=N_("Write to the desk."))
def send(
    ctx: typer.Context, receipt: ReceiptOption = None, text: TextOption = None, attach: AttachOption = None
) -> None:
    """Seal a message here and send it."""
    digits = read_receipt(receipt)
    words = words_of(text, _("Your message"))
    files = read_attachments(attach or [])
    with here_of(ctx).reporter() as reporter:
        inbox = reporter.inbox(digits)
        accepted = _accept(inbox)
        with bar(_("Sending")) as progress:
            inbox.send(words, files, unproven=accepted, progress=progress)
    say(_("The message is stored."))


@app.command(
    "retaliation",
    cls=Command,
    help=N_(
        "Tell the desk that somebody strikes back at you; shows your rights and since when they protect you."
    ),
)
def retaliation(
    ctx: typer.Context, receipt: ReceiptOption = None, text: TextOption = None, attach: AttachOption = None
) -> None:
    """Seal the words like a message; the case is flagged, and protection runs from today."""
    digits = read_receipt(receipt)
    words = words_of(text, _("What is done to you, by whom, since when"))
    files = read_attachments(attach or [])
    with here_of(ctx).reporter() as reporter:
        inbox = reporter.inbox(digits)
        accepted = _accept(inbox)
        with bar(_("Sending")) as progress:
            protection = inbox.report_retaliation(words, files, unproven=accepted, progress=progress)
        say(_("The desk is asked to act."))
        print_protection(protection)
        print_rights(rights(reporter.http, language()))


@app.command(
    "add-identity", cls=Command, help=N_("Say who you are; only several custodians together can read it.")
)
def add_identity(
    ctx: typer.Context,
    receipt: ReceiptOption = None,
    file: Annotated[
        Path | None, typer.Option(help=N_("JSON file with name and contacts; otherwise you are asked."))
    ] = None,
) -> None:
    """Seal name and contacts to the identity key."""
    digits = read_receipt(receipt)
    with here_of(ctx).reporter() as reporter:
        identity = _ask_identity(Form(reporter.form())) if file is None else _identity(read_json(file))
        inbox = reporter.inbox(digits)
        inbox.add_identity(identity, unproven=_accept(inbox))
    say(_("Your name and contacts are stored, sealed."))


@app.command("replace-code", cls=Command, help=N_("Get a new receipt code; the old one stops working."))
def replace_code(ctx: typer.Context, receipt: ReceiptOption = None) -> None:
    """Offer a new code, let it be typed back, put it in force."""
    digits = read_receipt(receipt)
    with here_of(ctx).reporter() as reporter:
        inbox = reporter.inbox(digits)
        new = inbox.replace_code(unproven=_accept(inbox))
        say(_("Your new receipt code. Write it down:"))
        say(format_receipt(new), bold=True)
        _typed_back(new)
        reporter.confirm_code(new)
    say(_("The new code is in force. The old one is dead."))


@app.command("check", cls=Command, help=N_("Check that the report stands in the public log."))
def check(
    ctx: typer.Context,
    receipt: ReceiptOption = None,
    saved: Annotated[
        Path | None,
        typer.Option(help=N_("The promise saved by `report file --save`; no receipt code is needed.")),
    ] = None,
) -> None:
    """Check the promise, or the leaf that the inbox shows, against the signed log."""
    with here_of(ctx).reporter() as reporter:
        if saved is not None:
            filed = read_saved(saved)
            found, day = reporter.check_log_inclusion(filed), filed.day
        else:
            view = reporter.inbox(read_receipt(receipt)).view
            found, day = reporter.find_leaf(view.leaf, view.filed_on), view.filed_on
        _print_check(reporter, found, day)


def _print_check(reporter: Reporter, found: Included | None, day: date) -> None:
    if found is not None:
        say(_("In the log: entry {index} of {size}.", index=found.index, size=found.size))
        say(standing_words(found.standing))
        return
    # The day of filing may have lasted until midnight in any time zone.
    if reporter.directories.clock().date() > day + PROMISED + timedelta(days=1):
        raise Trouble(_("Not in the log, although 48 hours have passed: the signed promise was broken."))
    say(_("Not in the log yet. It was promised within 48 hours of filing."))


def _log_words(view: View) -> str:
    """What the server says of the log; `inbox check` believes only proofs."""
    if not view.published:
        return _("promised within 48 hours of filing")
    return (
        _("the report stands in it, and independent witnesses signed it")
        if view.witnessed
        else _("the report stands in it, signed by the authority, not witnessed")
    )


def _print(inbox: Inbox) -> None:
    view, replies, rejected = inbox.view, inbox.replies, inbox.rejected
    rows = [(_("Reference"), shown(view.reference)), (_("State"), state_name(view.state))]
    rows += [("", f"{date_text(day, language())}: {state_name(state)}") for state, day in view.states]
    if view.code_replaced_on is not None:
        rows.append((_("Receipt code replaced on"), date_text(view.code_replaced_on, language())))
    rows.append((_("Public log"), _log_words(view)))
    pairs(rows)
    print_protection(view.protection)
    print_deadlines(view.deadlines)
    if view.code_replaced_on is not None:
        say(_("If it was not you who replaced the code, call 1424."))
    if view.code_suspect_on is not None:
        say(code_doubt(view.code_suspect_on, view.code_suspect), bold=True)
    elif code_known_to_others(view.manifest.fields, view.code_replaced_on):
        say(
            _("Whoever took your report knows this code and could read the answers. Replace it: {command}",
              command="adal inbox replace-code"),
            bold=True,
        )  # fmt: skip
    for opening in view.openings:
        say(opening_words(opening), bold=True)
    if not inbox.proven:
        say(
            _("The receipt code was replaced, and no answer yet proves that the report key is the right one.")
        )
    if not replies and not rejected and not inbox.outcomes:
        say(_("No answer yet."))
    print_thread(replies, rejected)
    print_outcome(view.outcome, inbox.outcomes, inbox.outcome_differs)


def code_doubt(day: date, still: bool) -> str:
    """That somebody else used the code: since when, and whether it is still in force."""
    said = _(
        "On {day} 1424 was told that somebody else used this receipt code.", day=date_text(day, language())
    )
    if not still:
        return said + " " + _("It was replaced since.")
    return said + " " + _("The desk writes nothing until it is replaced.")


def opening_words(opening: Opening) -> str:
    """That the identity was opened: when, and on what ground."""
    return _(
        "On {day} custodians opened who you are. The ground: {ground}.",
        day=date_text(opening.day, language()),
        ground=one_line(opening.labels.get(language()) or opening.ground),
    )


def print_thread(messages: tuple[Message, ...], rejected: tuple[Rejected, ...]) -> None:
    """Messages in order, then what does not count and why."""
    for message in messages:
        say()
        told = " " + _("(retaliation)") if message.role == "retaliation" else ""
        say(f"{date_text(message.day, language())} - {author_name(message.by)}{told}", bold=True)
        say(shown(message.text))
        for envelope in message.envelopes:
            say(f"  [{one_line(envelope.safe_name)}, {envelope.size}]")
    for line in rejected:
        say()
        say(
            _("Part {number} of {day} is not shown: {reason}",
              number=line.number, day=line.day.isoformat(), reason=reason_name(line.reason)),
            error=True,
        )  # fmt: skip


def standing_words(standing: Standing) -> str:
    """Who vouches for a head of the log."""
    words = {
        Standing.WITNESSED: N_(
            "The head of the log is signed by the authority and by independent witnesses."
        ),
        Standing.NOT_YET: N_(
            "The head of the log is signed by the authority, not yet witnessed: its witnesses have 48 hours."
        ),
        Standing.NO_WITNESSES: N_("The head of the log is signed by the authority, not witnessed."),
    }
    return _(words[standing])


def state_name(state: str) -> str:
    """The name of a state."""
    names = {
        "received": N_("received"),
        "registered": N_("registered"),
        "in_review": N_("in review"),
        "forwarded": N_("forwarded to the body in charge"),
        "returned": N_("returned"),
        "investigation": N_("pre-trial investigation"),
        "closed": N_("closed"),
    }
    return _(names[state]) if state in names else shown(state)


def author_name(by: str) -> str:
    """Who wrote a message."""
    names = {"reporter": N_("reporter"), "desk": N_("desk"), "staff": N_("investigator")}
    return _(names.get(by, "reporter"))


def reason_name(reason: str) -> str:
    """Why a part does not count."""
    names = {
        "key": N_("it is sealed to a code that was replaced"),
        "signature": N_("it is not signed by anybody the key directory names"),
        "place": N_("it was moved, repeated or changed"),
        "form": N_("it is malformed"),
    }
    return _(names.get(reason, names["form"]))


def _accept(inbox: Inbox) -> bool:
    """Whether the reporter goes on although nothing proves the report key yet."""
    if inbox.proven:
        return False
    say(_("The receipt code was replaced, and no answer yet proves that the report key is the right one."))
    if not ask_yes(_("Go on all the same?")):
        raise Wrong(_("Nothing was sent."))
    return True


def _typed_back(new: str) -> None:
    for _try in range(3):
        try:
            if parse_receipt(ask(_("Type the new code back"))) == new:
                return
        except ReceiptError:
            pass
        say(_("That is not the new code."), error=True)
    raise Wrong(_("The new code was not typed back. The old one stays in force."))


def _ask_identity(form: Form) -> dict[str, str]:
    from services.cli.language import label_of

    asked = {
        field["code"]: ask(label_of(field)) for field in form.fields("identity") if not field.get("list")
    }
    return _identity({code: text for code, text in asked.items() if text})


def _identity(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not value or not all(isinstance(text, str) for text in value.values()):
        raise Wrong(_("Give at least a name."))
    return dict(value)
