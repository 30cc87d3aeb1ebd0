"""`adal staff`: accounts, enrolment, and in a development installation everything a new colleague needs at once."""

import json
import secrets as random
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from services.cli.case import LoginOption, SecretsOption
from services.cli.failures import Wrong
from services.cli.given import not_there
from services.cli.here import Here, Secrets, SignIn, dev_file, here_of, sign_in_with_code
from services.cli.language import Command, _, new_group
from services.cli.screen import ask, pairs, say, shown, table
from services.client.directory import utc_now
from services.client.staff import DESK, StaffSession
from services.contracts.accounts import Role
from services.crypto import age
from services.crypto.age import HybridIdentity
from services.crypto.canonical import unb64u
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.signatures import SigningKey
from services.crypto.staffkeys import GroupKey, StaffKey, new_passphrase, unwrap_group_key
from services.kit.files import write_private
from services.kit.i18n import N_

app = new_group(N_("Accounts of the staff."))
ROLES = tuple(role.value for role in Role)
CERTIFIED_FOR = timedelta(days=365)


@dataclass(frozen=True)
class NewColleague:
    """Somebody who was just enrolled; shown once, then forgotten."""

    id: str
    login: str
    password: str
    totp_secret: str
    passphrase: str
    key: StaffKey

    def __repr__(self) -> str:
        return "NewColleague(...)"


@app.command(
    "add", cls=Command, help=N_("Make an account; with --enrol also keys and certificate (development).")
)
def add(
    ctx: typer.Context,
    login: Annotated[str, typer.Argument(metavar="LOGIN", help=N_("Login of the new account."))],
    name: Annotated[str, typer.Option(help=N_("Name of the person."))],
    role: Annotated[list[str], typer.Option(help=N_("A role; may be given several times."))],
    enrol: Annotated[bool, typer.Option("--enrol", help=N_("Enrol at once with development keys."))] = False,
    seat: Annotated[
        int | None, typer.Option(min=1, help=N_("With --enrol: the development seat that a custodian holds."))
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help=N_("Save the sign-in in this file, for --secrets (mode 0600)."))
    ] = None,
    secrets: SecretsOption = None,
) -> None:
    """Make an account as administrator; the development one unless --secrets names another."""
    if unknown := set(role) - set(ROLES):
        raise Wrong(_("Unknown role. There are: {roles}", roles=", ".join(ROLES)) + f" ({len(unknown)})")
    not_there(save)
    here = here_of(ctx)
    with administrator(here, secrets) as session:
        person, enrolment = session.add_staff(login, name, role)
        if not enrol:
            pairs(
                [(_("Id"), person), (_("Login"), shown(login)), (_("One-time enrolment secret"), enrolment)]
            )
            say(_("It is good for 72 hours, once: adal staff enrol LOGIN"))
            return
        colleague = enrol_with_keys(here, login, enrolment)
        certify(here, session, colleague, role, seat)
    _show(colleague, save)


@app.command(
    "enrol", cls=Command, help=N_("Set your password and make your keys with a one-time enrolment secret.")
)
def enrol_oneself(
    ctx: typer.Context,
    login: Annotated[str, typer.Argument(metavar="LOGIN", help=N_("Your login."))],
    save: Annotated[
        Path | None, typer.Option(help=N_("Save the sign-in in this file, for --secrets (mode 0600)."))
    ] = None,
) -> None:
    """Enrol with a generated password, and a generated passphrase if there are no keys yet."""
    not_there(save)
    enrolment = ask(_("One-time enrolment secret"), secret=True)
    with here_of(ctx).staff() as session:
        found = _signed_in(session, login, enrolment)
        if session.me().wrapped is not None:
            _print(session.me().person.id, found, save)
            say(
                _(
                    "Your keys are the ones of before, under the passphrase you have. If it is lost: adal keys renew"
                )
            )
            return
        _show(_with_new_keys(session, found), save)
    say(_("Now read your fingerprint to both certifiers: adal keys fingerprint"))


@app.command("list", cls=Command, help=N_("List the staff."))
def list_staff(
    ctx: typer.Context,
    closed: Annotated[
        bool, typer.Option("--closed", help=N_("Those whose account is closed, instead of the others."))
    ] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Print ids, names, roles."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        rows = [
            [one.id, one.name, " ".join(sorted(one.roles)), _("yes") if one.certificate else _("no")]
            for one in session.staff(closed)
        ]
    table([_("Id"), _("Name"), _("Roles"), _("Certificate")], rows)


def administrator(here: Here, secrets: Path | None) -> AbstractContextManager[StaffSession]:
    """A session of the administrator whose secrets are given, by default that of the development installation."""
    return SignIn(here, None, secrets or dev_file(here, "administrator.json")).session()


def enrol_with_keys(here: Here, login: str, enrolment: str) -> NewColleague:
    """Set a generated password, sign in, make a staff key under a generated passphrase and store it wrapped."""
    with here.staff() as session:
        return _with_new_keys(session, _signed_in(session, login, enrolment))


def _signed_in(session: StaffSession, login: str, enrolment: str) -> Secrets:
    """Use the enrolment secret up and sign in with what came of it."""
    password = random.token_urlsafe(18)
    _uri, totp = session.enrol(login, enrolment, password)
    found = Secrets(login, password, totp, None)
    sign_in_with_code(session, found)
    return found


def _with_new_keys(session: StaffSession, found: Secrets) -> NewColleague:
    key, passphrase = StaffKey.generate(), new_passphrase()
    session.put_key(key, passphrase)
    totp = found.totp_secret or ""
    return NewColleague(session.me().person.id, found.login, found.password, totp, passphrase, key)


def certify(
    here: Here, admin: StaffSession, colleague: NewColleague, roles: list[str], seat: int | None = None
) -> None:
    """Sign the certificate with the development certifiers; give desk members the desk's keys, a custodian a seat."""
    today, key = utc_now().date(), colleague.key
    certificate = Certificate(
        colleague.id, tuple(sorted(set(roles))), key.identity.recipient, key.signing.verify_key,
        today, today + CERTIFIED_FOR,
    )  # fmt: skip
    certifiers = [signing_key(dev_file(here, f"keys/certifier-{i}.key")) for i in (1, 2)]
    admin.put_certificate(colleague.id, make_certificate(certificate, certifiers))
    if set(roles) & DESK:
        for path in sorted((here.dev / "keys").glob("desk-*.key")):
            admin.put_group_key(certificate, read_group_key(path))
    if seat is not None:
        for path in sorted((here.dev / "keys").glob(f"seat-{seat}-*.key")):
            admin.put_group_key(certificate, read_group_key(path))


def signing_key(path: Path) -> SigningKey:
    """A signing key from a file of its seed as b64u text. Errors: OSError, FormatError."""
    return SigningKey.from_seed(unb64u(path.read_text().strip(), 32))


def read_group_key(path: Path) -> GroupKey:
    """A group key from its plaintext (sealing format, section 11). Errors: OSError, FormatError."""
    # Sealed to a key of the moment, so that the one strict parser reads it.
    reader = HybridIdentity.generate()
    return unwrap_group_key(age.seal(path.read_bytes(), [reader.recipient]), reader)


def _show(colleague: NewColleague, save: Path | None) -> None:
    found = Secrets(colleague.login, colleague.password, colleague.totp_secret, colleague.passphrase)
    _print(colleague.id, found, save)


def _print(id: str, found: Secrets, save: Path | None) -> None:
    """Show what was made, and save it; a passphrase only if it is new."""
    say(_("Shown once; write it down:"), bold=True)
    rows = [
        (_("Id"), id),
        (_("Login"), shown(found.login)),
        (_("Password"), found.password),
        (_("Secret of the second factor"), found.totp_secret),
        (_("Passphrase"), found.passphrase),
    ]
    pairs([(name, text) for name, text in rows if text is not None])
    if save is not None:
        content = {name: text for name, text in vars(found).items() if text is not None}
        write_private(save, json.dumps(content).encode())
