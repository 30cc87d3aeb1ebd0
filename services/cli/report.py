"""`adal report`: file a report, sealed on this machine unless plain mode is asked for."""

import json
import mimetypes
import stat
from pathlib import Path
from typing import Annotated

import typer

from services.cli import form as forms
from services.cli.failures import Wrong
from services.cli.form import Filled, Form
from services.cli.given import not_there
from services.cli.here import here_of, read_json
from services.cli.language import Command, _, new_group
from services.cli.screen import ask_yes, bar, pairs, say, shown
from services.client.filing import FileAttachment, Filed, NewReport, size_of
from services.client.log import QUORUM
from services.client.reporter import Reporter
from services.crypto.packages import NewAttachment
from services.crypto.receipts import format_receipt
from services.kit.files import write_private
from services.kit.i18n import N_, date_text

app = new_group(N_("File a report."))
MOST = 16 << 20
_UNKNOWN_TYPE = "application/octet-stream"

AttachOption = Annotated[
    list[Path] | None, typer.Option("--attach", help=N_("A file to attach; may be given several times."))
]


@app.command(
    "file", cls=Command, help=N_("File a report: asks every question, or takes the answers from a file.")
)
def file_report(
    ctx: typer.Context,
    answers: Annotated[
        Path | None,
        typer.Option(help=N_("JSON file with mode, fields, answers and identity; otherwise you are asked.")),
    ] = None,
    attach: AttachOption = None,
    plain: Annotated[
        bool, typer.Option("--plain", help=N_("Let the service seal it: it sees the report once, in memory."))
    ] = False,
    save: Annotated[
        Path | None, typer.Option(help=N_("Save the signed promise here (the receipt code is not saved)."))
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Do not ask before sending."))] = False,
) -> None:
    """Read, show what goes in clear, ask, seal, send, show the receipt."""
    files = attached_files(attach or [])
    not_there(save)
    with here_of(ctx).reporter() as reporter:
        form = Form(reporter.form())
        filled = forms.fill(form) if answers is None else forms.from_json(form, read_json(answers))
        show_clear(form, filled, files, plain)
        if not yes and not ask_yes(_("Send it?")):
            raise Wrong(_("Nothing was sent."))
        report = NewReport(filled.fields, filled.answers, filled.mode, filled.identity, files)
        filed = _file(reporter, report, plain, form.version)
        known = reporter.directories.memory.last
    if save is not None:
        write_private(save, json.dumps(filed.to_json(), indent=1).encode())
    _thank(filed, save)
    _say_who_watches(known is not None and len(known.witnesses) >= QUORUM)


def attached_files(paths: list[Path]) -> list[FileAttachment]:
    """The files to attach, of any size, not yet read. Errors: Wrong, OSError."""
    for path in paths:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Wrong(_("Only files can be attached, and this is none: {name}", name=shown(path.name)))
        path.open("rb").close()  # what cannot be read is refused before anything is asked
    return [FileAttachment(path, path.name, _type_of(path)) for path in paths]


def read_attachments(paths: list[Path]) -> list[NewAttachment]:
    """The files to attach to a message, at most 16 MiB together. Errors: Wrong, OSError."""
    if sum(path.stat().st_size for path in paths) > MOST:
        raise Wrong(_("The files are larger than 16 MiB together."))
    return [NewAttachment(path.name, _type_of(path), path.read_bytes()) for path in paths]


def read_saved(path: Path) -> Filed:
    """What `report file --save` wrote. Errors: Wrong, CryptoError."""
    return Filed.from_json(read_json(path))


def _type_of(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or _UNKNOWN_TYPE


def _file(reporter: Reporter, report: NewReport, plain: bool, version: str) -> Filed:
    with bar(_("Sending")) as progress:
        if plain:
            return reporter.file_plain(report, form=version, progress=progress)
        return reporter.file_sealed(report, form=version, progress=progress)


def show_clear(form: Form, filled: Filled, files: list[FileAttachment], plain: bool) -> None:
    """Say what will stand in clear, and what becomes of the rest."""
    say()
    say(_("These answers stay readable for the service, for routing, deadlines and statistics:"), bold=True)
    pairs([form.text_of("fields", code, value) for code, value in filled.fields.items() if value is not None])
    say()
    if plain:
        say(_("Plain mode: the service sees the rest once, in memory, and seals it at once."), bold=True)
    else:
        say(_("Everything else is sealed on this computer; only the desk can open it."), bold=True)
    if filled.identity:
        say(_("Your name and contacts can be opened only by several custodians together."))
    for item in files:
        say(f"  {shown(item.name)} ({size_of(item)})")
    if files:
        say(_("Files go as they are, with all they tell about the device that made them."))


def _say_who_watches(witnesses: bool) -> None:
    say(
        _("Independent witnesses follow that log and sign it too: `adal inbox check` says whether they did.")
        if witnesses
        else _("That log is signed by the authority alone, not witnessed.")
    )


def _thank(filed: Filed, save: Path | None) -> None:
    say()
    say(_("The report is stored."), bold=True)
    from services.cli.language import language

    rows = [
        (_("Receipt code"), format_receipt(filed.receipt)),
        (_("Reference"), shown(filed.reference)),
        (_("Day"), date_text(filed.day, language())),
    ]
    if filed.register_by is not None:
        rows.append((_("To be registered by"), date_text(filed.register_by, language())))
    pairs(rows)
    say(
        _(
            "Write the receipt code down now. It is the only way to the answers, and nobody can give it to you again."
        )
    )
    say(_("The authority has signed that the report will be in its public log within 48 hours."))
    if save is not None:
        say(_("The promise is saved. Check it later with: adal inbox check --saved FILE"))
