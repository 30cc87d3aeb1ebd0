"""`adal keys fingerprint|certify|cosign`: two certifiers compare what a person reads out with what the server shows."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.case import LoginOption, SecretsOption
from services.cli.failures import Wrong
from services.cli.here import SignIn, here_of
from services.cli.language import Command, _
from services.cli.people import person_of
from services.cli.screen import ask, ask_yes, pairs, say, shown
from services.cli.staff import signing_key
from services.client import keys
from services.client.keys import PersonKeys
from services.client.staff import StaffSession
from services.crypto.certificates import Certificate, fingerprint
from services.crypto.staffkeys import StaffKey, new_passphrase
from services.kit.i18n import N_

PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help=N_("Id or exact name of the person."))]
KeyOption = Annotated[Path, typer.Option("--key", help=N_("File of your certifier's key."))]
FingerprintOption = Annotated[
    str | None, typer.Option("--fingerprint", help=N_("What the person read out; otherwise asked."))
]
RoleOption = Annotated[
    list[str] | None,
    typer.Option("--role", help=N_("A role of the written order; otherwise the roles are shown and asked.")),
]


def add_to(app: typer.Typer) -> None:
    """Put the commands into `adal keys`."""
    app.command(
        "fingerprint", cls=Command, help=N_("Show the fingerprint of your own keys, to be read out.")
    )(show_fingerprint)
    app.command("renew", cls=Command, help=N_("Make new keys of your own when the passphrase is lost."))(
        renew
    )
    app.command("certify", cls=Command, help=N_("Sign a person's keys as the first certifier."))(certify)
    app.command("cosign", cls=Command, help=N_("Sign a person's keys as the second certifier."))(cosign)


def show_fingerprint(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Thirty digits made from the secret that is unlocked here, not from what the server says."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        key = session.unlocked.key
        rows = [
            (_("Id"), session.me().person.id),
            (_("Fingerprint"), fingerprint(key.identity.recipient, key.signing.verify_key)),
        ]
    pairs(rows)
    say(_("Read it to both certifiers, face to face or by a telephone number they know already."))


def renew(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Do not ask."))] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Replace one's keys; the certificate ends, and what was sealed to the old keys needs those who keep them."""
    if not yes and not ask_yes(
        _("Your certificate ends, and nothing sealed to your old keys opens until they are rebuilt. Go on?")
    ):
        raise Wrong(_("Nothing was changed."))
    key, passphrase = StaffKey.generate(), new_passphrase()
    with SignIn(here_of(ctx), login, secrets).session() as session:
        session.put_key(key, passphrase, replace=True)
        person = session.me().person.id
    say(_("Shown once; write it down:"), bold=True)
    pairs(
        [
            (_("Id"), person),
            (_("Passphrase"), passphrase),
            (_("Fingerprint"), fingerprint(key.identity.recipient, key.signing.verify_key)),
        ]
    )
    say(_("Read it to both certifiers, face to face or by a telephone number they know already."))
    say(
        _(
            "Then those who keep sub-shares of your old key: adal keys escrow-release, and you: adal keys escrow-recover"
        )
    )


def certify(
    ctx: typer.Context,
    person: PersonArgument,
    key: KeyOption,
    heard: FingerprintOption = None,
    role: RoleOption = None,
    days: Annotated[int, typer.Option(min=1, max=366, help=N_("How long it is valid."))] = 365,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Propose a certificate; it counts for nothing before another certifier has signed it too."""
    from datetime import timedelta

    with SignIn(here_of(ctx), login, secrets).session() as session:
        found, spoken, roles = _looked_at(session, person, heard, role)
        made = keys.propose(session, found, signing_key(key), spoken, roles, timedelta(days=days))
    _show(made)
    say(_("Signed once. It is in force when another certifier has signed it: adal keys cosign PERSON"))


def cosign(
    ctx: typer.Context,
    person: PersonArgument,
    key: KeyOption,
    heard: FingerprintOption = None,
    role: RoleOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Complete a certificate that another certifier proposed."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found, spoken, roles = _looked_at(session, person, heard, role)
        made = keys.complete(session, found, signing_key(key), spoken, roles)
    _show(made)
    say(_("The certificate is in force and waits for the public log."))


def _looked_at(
    session: StaffSession, person: str, heard: str | None, role: list[str] | None
) -> tuple[PersonKeys, str, list[str]]:
    """The person's keys, the fingerprint as it was heard, and the roles of the order."""
    found = keys.person_keys(session, person_of(session, person))
    pairs([(_("Name"), shown(found.name)), (_("Roles"), " ".join(sorted(found.roles)))])
    if role is None and not ask_yes(_("Is this the person, and are these the roles of the written order?")):
        raise Wrong(_("Nothing was signed."))
    spoken = heard if heard is not None else ask(_("Type the 30 digits that the person reads to you"))
    return found, spoken, sorted(found.roles) if role is None else role


def _show(made: Certificate) -> None:
    pairs(
        [
            (_("Id"), made.person),
            (_("Roles"), " ".join(made.roles)),
            (_("Fingerprint"), fingerprint(made.recipient, made.verify_key)),
            (_("Valid until"), made.valid_until.isoformat()),
        ]
    )
