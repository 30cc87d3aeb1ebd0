"""`adal identity`: ask the custodians who a reporter is, decide, release, open. Checks and keys stay on this machine."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.case import LoginOption, SecretsOption
from services.cli.failures import Wrong
from services.cli.given import day_of, words_of
from services.cli.here import SignIn, here_of
from services.cli.language import Command, _, label_of, language, new_group
from services.cli.screen import ask_yes, one_line, pairs, say, shown, table
from services.client.custody import Custody, OpenedIdentity, Request, RequestLine
from services.client.staff import StaffSession
from services.kit.clock import KAZAKHSTAN
from services.kit.i18n import N_, date_text

app = new_group(N_("Open who a reporter is: k of n custodians, for a stated ground, shown to the reporter."))
STATES = {
    "open": N_("open"),
    "approved": N_("approved"),
    "refused": N_("refused"),
    "expired": N_("expired"),
    "released": N_("released"),
    "opened": N_("opened"),
}

RequestArgument = Annotated[
    str, typer.Argument(metavar="REQUEST", help=N_("Id of the request, or its beginning."))
]
#: Enough of an id to name one request, and short enough for a line of a terminal.
_SHORT = 8
SeatOption = Annotated[int | None, typer.Option(min=1, help=N_("Your seat, if you hold several."))]


@app.command("grounds", cls=Command, help=N_("List the grounds, and what is not confirmed of them."))
def list_grounds(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Print the codes with their texts."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = Custody(session).reference()["grounds"]
    rows = [[one["code"], label_of(one), str(one["status"])] for one in found["grounds"]]
    table([_("Ground"), _("Text"), _("Status")], rows)
    say(_("The list is ours: no law that lists such grounds was seen."))


@app.command("ask", cls=Command, help=N_("Ask the custodians to open who reported a case."))
def ask(
    ctx: typer.Context,
    case: Annotated[str, typer.Argument(metavar="CASE", help=N_("Reference or id of the case."))],
    ground: Annotated[str, typer.Option(help=N_("Code of the ground: adal identity grounds"))],
    reason: Annotated[
        Path | None,
        typer.Option(help=N_("File with the reason, or `-`; otherwise asked. Only custodians can read it.")),
    ] = None,
    deferral: Annotated[
        str | None, typer.Option(help=N_("Show the opening in the inbox only from this day (YYYY-MM-DD)."))
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=14, help=N_("How long the request stays open."))] = 7,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Seal the reason to the seats, sign, send."""
    until = None if deferral is None else day_of(deferral)
    words = words_of(reason, _("The reason, for the custodians only"))
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        line = Custody(session).ask(session.case(session.find(case).id), ground, words, until, days)
    say(_("The custodians are asked. The request: {id}", id=line.id))


@app.command("list", cls=Command, help=N_("List identity requests, newest first."))
def list_requests(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Print the coded values of requests."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        rows = [
            [one.id[:_SHORT], _(STATES.get(one.state, one.state)), one.ground, one.expires.date().isoformat(),
             f"{one.approvals}/{one.k}", str(one.refusals), f"{one.releases}/{one.k}", one.reference or "-"]
            for one in Custody(session).requests()
        ]  # fmt: skip
    heads = [_("Request"), _("State"), _("Ground"), _("Open until"), _("Approved"), _("Refused"), _("Released"),
             _("Reference")]  # fmt: skip
    table(heads, rows)


@app.command("show", cls=Command, help=N_("Check a request and show it with its reason."))
def show(
    ctx: typer.Context, request: RequestArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """Print what was checked."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        custody = Custody(session)
        _print(custody.read(_id(custody, request)), custody.reference())


@app.command("approve", cls=Command, help=N_("Approve a request; nothing is released by it."))
def approve(
    ctx: typer.Context,
    request: RequestArgument,
    seat: SeatOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Check, sign with the seat's key and one's own."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        _decide(session, request, True, seat)


@app.command("refuse", cls=Command, help=N_("Refuse a request."))
def refuse(
    ctx: typer.Context,
    request: RequestArgument,
    seat: SeatOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Sign a refusal with the seat's key and one's own."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        _decide(session, request, False, seat)


@app.command(
    "release", cls=Command, help=N_("Check log, time and approvals, and seal your share to the asker.")
)
def release(
    ctx: typer.Context,
    request: RequestArgument,
    seat: SeatOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Release only what every check of the protocol allows."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        custody = Custody(session)
        line = custody.release(custody.read(_id(custody, request)), seat)
    say(_("Your share is released to the asker: {count} of {k}.", count=line.releases, k=line.k))


@app.command("open", cls=Command, help=N_("Sign the undertaking and open who the reporter is, here."))
def open_identity(
    ctx: typer.Context,
    request: RequestArgument,
    undertake: Annotated[
        bool, typer.Option("--undertake", help=N_("Sign the undertaking without being asked again."))
    ] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Show the text to be signed, sign it, take the releases, rebuild the key, print."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        custody = Custody(session)
        found = custody.read(_id(custody, request))
        if found.line.state != "opened":
            _undertake(custody, found, undertake)
        opened = custody.open(found)
    _print_identity(opened)


@app.command("undertakings", cls=Command, help=N_("The register: who undertook not to disclose, when."))
def undertakings(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Print the register (lead, auditor)."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        rows = [
            [one.day.isoformat(), one.reference, one.person, one.text]
            for one in Custody(session).undertakings()
        ]
    table([_("Day"), _("Reference"), _("Person"), _("Version of the text")], rows)


def _decide(session: StaffSession, request: str, approves: bool, seat: int | None) -> None:
    custody = Custody(session)
    found = custody.read(_id(custody, request))
    line = custody.decide(found, approves, seat)
    say(
        _("Your decision is stored. The request is now: {state}", state=_(STATES.get(line.state, line.state)))
    )


def _id(custody: Custody, request: str) -> str:
    found = [line.id for line in custody.requests() if line.id.startswith(request.strip().lower())]
    if len(found) > 1:
        raise Wrong(_("Several requests begin like this. Give more of the id."))
    if not found:
        raise Wrong(_("There is no such request."))
    return found[0]


def _when(moment: datetime) -> str:
    return moment.astimezone(KAZAKHSTAN).strftime("%Y-%m-%d %H:%M")


def _undertake(custody: Custody, request: Request, agreed: bool) -> None:
    text = custody.reference()["undertaking"]
    say(_("Before anything is shown you undertake (Criminal Code art. 424):"), bold=True)
    say(shown(text["texts"].get(language()) or text["texts"]["kk"]))
    if not agreed and not ask_yes(_("Do you sign this?")):
        raise Wrong(_("Without the undertaking nothing is shown."))
    custody.undertake(request, str(text["code"]))


def _ground(line: RequestLine, reference: dict[str, Any]) -> str:
    found = next((one for one in reference["grounds"]["grounds"] if one["code"] == line.ground), None)
    return line.ground if found is None else one_line(label_of(found))


def _print(request: Request, reference: dict[str, Any]) -> None:
    line, asked = request.line, request.checked
    rows = [
        (_("Request"), line.id),
        (_("State"), _(STATES.get(line.state, line.state))),
        (_("Ground"), _ground(line, reference)),
        (_("Asked by"), asked.asker.person),
        (_("Day"), date_text(line.day, language())),
        (_("Open until"), _when(asked.request.expires)),
        (_("Valid approvals"), f"{request.approved}/{line.k}"),
    ]
    if asked.request.deferral is not None:
        rows.append((_("Shown to the reporter from"), date_text(asked.request.deferral, language())))
    pairs(rows)
    say()
    pairs([(shown(name), shown(value)) for name, value in request.fields.items() if value is not None])
    say()
    if request.reason is not None:
        say(_("The reason"), bold=True)
        say(shown(request.reason))
    for earlier in request.earlier:
        say(
            _("Another request for this report: {day}, {ground}, {state}", day=earlier.day.isoformat(),
              ground=one_line(earlier.ground), state=_(STATES.get(earlier.state, earlier.state)))
        )  # fmt: skip


def _print_identity(opened: OpenedIdentity) -> None:
    for seat in opened.bad_seats:
        say(_("Seat {seat} released something that is not its share.", seat=seat), error=True)
    if opened.rejected:
        say(_("Identity parts that are not the reporter's: {count}", count=opened.rejected), error=True)
    if opened.identity is None:
        say(_("The reporter gave no name."))
        return
    say(_("Given on {day}", day=date_text(opened.day, language())), bold=True)
    pairs([(shown(name), one_line(value)) for name, value in opened.identity.items()])
