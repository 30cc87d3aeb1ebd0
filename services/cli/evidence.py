"""`adal case evidence` and `evidence-verify`: hashes of everything in a case, signed, for a court, checked offline."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from services.cli.case import CaseArgument, LoginOption, SecretsOption, app, open_here
from services.cli.failures import Trouble
from services.cli.given import not_there
from services.cli.here import SignIn, here_of
from services.cli.language import Command, _, language
from services.cli.screen import pairs, say, shown, table
from services.client.downloads import write_new
from services.client.evidence import FileFound, find_files, make_evidence, read_evidence
from services.client.log import QUORUM
from services.crypto import canonical
from services.crypto.evidence import CheckedEvidence, EvidencePart, Inclusion, check_evidence
from services.kit.i18n import N_, date_text


@app.command(
    "evidence", cls=Command, help=N_("Write a signed list of everything in a case, as hashes, for a court.")
)
def evidence(
    ctx: typer.Context,
    case: CaseArgument,
    out: Annotated[Path, typer.Option(metavar="FILE", help=N_("File to write; it must not be there yet."))],
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Make, check, write, show."""
    not_there(out)
    here = here_of(ctx)
    roots = here.roots()
    with SignIn(here, login, secrets).session(unlock=True) as session:
        document = make_evidence(session, open_here(session, case), roots)
    write_new([canonical.dumps(document.to_json())], out)
    _print(check_evidence(document, roots))
    say(_("Written: {name}", name=shown(out.name)))


@app.command(
    "evidence-verify",
    cls=Command,
    help=N_("Check a list of evidence without any server, and files against it."),
)
def verify(
    ctx: typer.Context,
    document: Annotated[Path, typer.Argument(metavar="FILE", help=N_("The signed list."))],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES]...", help=N_("Files to find in the list, sealed or opened ones.")),
    ] = None,
) -> None:
    """Only the pinned root keys are needed; nothing is asked of a server."""
    checked = read_evidence(document, here_of(ctx).roots())
    _print(checked)
    found = list(find_files(checked.evidence, files or []))
    for one in found:
        say(_file_line(one), error=one.part is None)
    if any(one.part is None for one in found):
        raise Trouble(_("Some files do not stand in the list."))


def _print(checked: CheckedEvidence) -> None:
    found = checked.evidence
    if checked.environment != "production":
        say(_("Signed under development keys: this proves nothing outside a test."), bold=True)
    pairs(
        [
            (_("Reference"), shown(found.reference)),
            (_("Filed on"), date_text(found.filed_on, language())),
            (_("Signed on"), date_text(found.day, language())),
            (_("Signed by"), f"{checked.person} ({', '.join(checked.roles)})"),
            ("rid", found.manifest.rid.hex()),
        ]
    )
    say(_log_line(checked.inclusion))
    signed = len(found.manifest.parts)
    table(
        [_("Number"), _("What"), _("Author"), _("Day"), _("Bytes"), "SHA-256"],
        [row for part in found.parts for row in _rows(part, part.number < signed)],
    )
    say(
        _(
            "* bound by the manifest, whose hash stands in the log. The others rest on the signature of this list."
        )
    )


def _log_line(found: Inclusion | None) -> str:
    if found is None:
        return _("The report did not stand in the published log yet when this list was made.")
    line = _(
        "In the log {origin}: entry {index} of {size}.",
        origin=found.origin,
        index=found.index,
        size=found.size,
    )
    if found.witnesses >= QUORUM:
        return line + " " + _("Seen by witnesses: {count}.", count=found.witnesses)
    return line + " " + _("Signed by the authority alone, not witnessed.")


def _rows(part: EvidencePart, bound: bool) -> Iterable[list[str]]:
    mark = "*" if bound else ""
    yield [
        f"{part.number}{mark}", shown(part.role), _author(part.by), part.day.isoformat(), str(part.file_size),
        part.file_sha256.hex(),
    ]  # fmt: skip
    if part.true is not None:
        what = _("opened, {type}", type=shown(part.true.type))
        yield ["", what, "", "", str(part.true.size), part.true.sha256.hex()]


def _author(by: str) -> str:
    return {"reporter": _("reporter"), "desk": _("desk"), "staff": _("investigator")}[by]


def _file_line(found: FileFound) -> str:
    name = shown(found.name)
    if found.part is None:
        return _("{name}: not in the list.", name=name)
    if found.sealed:
        return _("{name}: the sealed file of part {number}.", name=name, number=found.part.number)
    return _("{name}: the opened bytes of part {number}.", name=name, number=found.part.number)
