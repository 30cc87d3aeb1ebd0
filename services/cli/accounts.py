"""More of `adal staff`: roles, closing, renewing, leaving, sessions, recovery codes, step-up, API clients."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.case import LoginOption, SecretsOption
from services.cli.failures import Wrong
from services.cli.here import SignIn, here_of
from services.cli.language import Command, _, new_group
from services.cli.people import person_of
from services.cli.screen import pairs, say, shown, table
from services.cli.staff import ROLES, administrator, app
from services.client import accounts
from services.contracts.accounts import Scope
from services.kit.i18n import N_

client = new_group(N_("API clients: systems that call with scopes of their own."))
app.add_typer(client, name="client")
__all__ = ["app", "client"]
SCOPES = tuple(scope.value for scope in Scope)

PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help=N_("Id or exact name of the person."))]
ClientArgument = Annotated[
    str, typer.Argument(metavar="ID", help=N_("Id of the client: adal staff client list"))
]


@app.command("roles", cls=Command, help=N_("Give somebody other roles."))
def roles(
    ctx: typer.Context,
    person: PersonArgument,
    role: Annotated[list[str], typer.Option(help=N_("A role; may be given several times."))],
    secrets: SecretsOption = None,
) -> None:
    """Replace the roles of a colleague."""
    if set(role) - set(ROLES):
        raise Wrong(_("Unknown role. There are: {roles}", roles=", ".join(ROLES)))
    with administrator(here_of(ctx), secrets) as session:
        accounts.change_roles(session, person_of(session, person), role)
    say(_("Done. It is in force within five minutes; the certificate must be signed anew."))


@app.command("disable", cls=Command, help=N_("Close an account; --enable opens it again."))
def disable(
    ctx: typer.Context,
    person: PersonArgument,
    enable: Annotated[bool, typer.Option("--enable", help=N_("Open the account again."))] = False,
    secrets: SecretsOption = None,
) -> None:
    """Close or open an account."""
    with administrator(here_of(ctx), secrets) as session:
        accounts.set_active(session, person_of(session, person, True), enable)
    say(
        _("Done. The account is open.")
        if enable
        else _("Done. The account is closed, its sessions have ended.")
    )


@app.command(
    "renew", cls=Command, help=N_("A new one-time enrolment secret for somebody who lost their factors.")
)
def renew(ctx: typer.Context, person: PersonArgument, secrets: SecretsOption = None) -> None:
    """Void all factors and sessions; show the secret."""
    with administrator(here_of(ctx), secrets) as session:
        enrolment = accounts.renew_enrolment(session, person_of(session, person, True))
    pairs([(_("One-time enrolment secret"), enrolment)])
    say(_("It is good for 72 hours, once: adal staff enrol LOGIN"))


@app.command(
    "leave", cls=Command, help=N_("Somebody leaves for good: no way in, no group keys; history stays.")
)
def leave(ctx: typer.Context, person: PersonArgument, secrets: SecretsOption = None) -> None:
    """Refused while the person alone holds a seat."""
    with administrator(here_of(ctx), secrets) as session:
        accounts.leave(session, person_of(session, person, True))
    say(_("Done. The person has left."))


@app.command("link", cls=Command, help=N_("Link somebody to their account at the identity provider."))
def link(
    ctx: typer.Context,
    person: PersonArgument,
    issuer: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help=N_("Address of the identity provider, as in its ID tokens.")),
    ],
    subject: Annotated[
        str, typer.Option(metavar="TEXT", help=N_("Who the person is there: sub of its ID tokens."))
    ],
    secrets: SecretsOption = None,
) -> None:
    """In place of an earlier link; it gives no role and no key."""
    with administrator(here_of(ctx), secrets) as session:
        accounts.link_subject(session, person_of(session, person), issuer, subject)
    say(_("Done. The person may sign on there; the second factor is asked for as before."))


@app.command("unlink", cls=Command, help=N_("End the link of somebody to the identity provider."))
def unlink(ctx: typer.Context, person: PersonArgument, secrets: SecretsOption = None) -> None:
    """Password and second factor go on."""
    with administrator(here_of(ctx), secrets) as session:
        accounts.unlink_subject(session, person_of(session, person))
    say(_("Done. The person signs in with a password again."))


@app.command(
    "sessions", cls=Command, help=N_("List your sessions, or end them; an administrator those of others.")
)
def sessions(
    ctx: typer.Context,
    end: Annotated[str | None, typer.Option(metavar="ID", help=N_("End this session of yours."))] = None,
    end_others: Annotated[
        bool, typer.Option("--end-others", help=N_("End all your other sessions."))
    ] = False,
    of: Annotated[
        str | None, typer.Option(metavar="ID", help=N_("End all sessions of this person (administrator)."))
    ] = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Days of sign-ins only: nothing tells from where."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        if of is not None:
            accounts.end_sessions_of(session, person_of(session, of))
        if end is not None or end_others:
            accounts.end_own(session, end)
        rows = [[one.id, one.created, _this(one.current)] for one in accounts.own_sessions(session)]
    table([_("Id"), _("Signed in on"), ""], rows)


def _this(current: bool) -> str:
    return _("this one") if current else ""


@app.command("recovery", cls=Command, help=N_("Ten new recovery codes, for when your second factor is lost."))
def recovery(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Show them once."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        codes = accounts.new_recovery_codes(session)
    say(_("Shown once; write it down:"), bold=True)
    for code in codes:
        say(code)
    say(_("Each works once in place of the second factor and ends your other sessions."))


@app.command(
    "step-up", cls=Command, help=N_("Prove anew who you are, for what asks for it in the next five minutes.")
)
def step_up(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """For a session that is kept beside a file of secrets; by hand each sign-in is a proof already."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        if not session.proved:
            session.prove_anew()
    say(_("Done. The proof is good for five minutes."))


@client.command("add", cls=Command, help=N_("Make an API client for a system."))
def add_client(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("Name of the system."))],
    scope: Annotated[list[str], typer.Option(help=N_("A scope; may be given several times."))],
    secrets: Annotated[Path | None, typer.Option(help=N_("File of your secrets (mode 0600)."))] = None,
) -> None:
    """Show id and secret, once."""
    if set(scope) - set(SCOPES):
        raise Wrong(_("Unknown scope. There are: {scopes}", scopes=", ".join(SCOPES)))
    with administrator(here_of(ctx), secrets) as session:
        _show(accounts.add_client(session, name, scope))


@client.command("list", cls=Command, help=N_("List the API clients."))
def list_clients(ctx: typer.Context, secrets: SecretsOption = None) -> None:
    """Ids, names, scopes; never a secret."""
    with administrator(here_of(ctx), secrets) as session:
        rows = [
            [one.id, shown(one.name), " ".join(one.scopes), _("yes") if one.active else _("no")]
            for one in accounts.clients(session)
        ]
    table([_("Id"), _("Name"), _("Scopes"), _("Open")], rows)


@client.command("rotate", cls=Command, help=N_("A new secret for an API client; the old one is void."))
def rotate_client(ctx: typer.Context, id: ClientArgument, secrets: SecretsOption = None) -> None:
    """Show the new secret, once."""
    with administrator(here_of(ctx), secrets) as session:
        _show(accounts.renew_client_secret(session, id))


@client.command("disable", cls=Command, help=N_("Close an API client; --enable opens it again."))
def disable_client(
    ctx: typer.Context,
    id: ClientArgument,
    enable: Annotated[bool, typer.Option("--enable", help=N_("Open the client again."))] = False,
    secrets: SecretsOption = None,
) -> None:
    """A token issued before goes on for its five minutes."""
    with administrator(here_of(ctx), secrets) as session:
        accounts.set_client_active(session, id, enable)
    say(_("Done. The client is open.") if enable else _("Done. The client is closed."))


def _show(made: accounts.ClientSecret) -> None:
    say(_("Shown once; write it down:"), bold=True)
    pairs([(_("Id"), made.id), (_("Secret"), made.secret)])
