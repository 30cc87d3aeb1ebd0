"""`adal keys`: make key files, and sign a key directory with two root keys on a machine without a network."""

import json
import secrets as random
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import ceremony, certify, directory, seats
from services.cli.case import SecretsOption
from services.cli.failures import Wrong
from services.cli.given import not_there
from services.cli.here import here_of, read_json
from services.cli.language import Command, _, new_group
from services.cli.screen import pairs, say
from services.cli.staff import administrator, signing_key
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64u
from services.crypto.directories import WITH_KEYS, check_directory, parse_directory, service_json
from services.crypto.rules import instant, instant_text
from services.crypto.servicekeys import new_service_key
from services.crypto.signatures import Signed, SigningKey, sign_document
from services.kit.files import write_private
from services.kit.i18n import N_

app = new_group(N_("Make keys, vouch for them, hand them on, and sign the key directory."))
app.add_typer(directory.app, name="directory")
certify.add_to(app)
seats.add_to(app)
ceremony.add_to(app)
KINDS = ("signing", "secret", "desk", "seat", "service")


@app.command("make", cls=Command, help=N_("Make a new key in a file of mode 0600; the public half is shown."))
def make(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=N_("Where the key goes; never replaced."))],
    kind: Annotated[
        str,
        typer.Option(
            help=N_("signing (root, certifier, log), secret (32 random bytes), desk, seat or service.")
        ),
    ] = "signing",
    id: Annotated[
        str | None,
        typer.Option(
            help=N_("Id of a desk or seat key, such as central/2026-11; or rewards, registry, notifier.")
        ),
    ] = None,
    line: Annotated[
        Path | None, typer.Option(help=N_("Of a service's key: where its line for the directory goes."))
    ] = None,
) -> None:
    """Write a key and print what may be known of it."""
    if kind not in KINDS:
        raise Wrong(_("Unknown kind. There are: {kinds}", kinds=", ".join(KINDS)))
    if kind in ("desk", "seat") and not id:
        raise Wrong(_("A desk or seat key needs --id."))
    if (kind == "service") != (line is not None) or (kind == "service" and id not in WITH_KEYS):
        raise Wrong(
            _("A service's key, and no other, needs --line FILE; its --id is rewards, registry or notifier.")
        )
    not_there(file)
    content, public = _service_key(line, id or "") if line else _new_key(kind, id or "")
    write_private(file, content)
    pairs(public)


@app.command("sign-directory", cls=Command, help=N_("Sign a key directory with at least two root keys."))
def sign_directory(
    ctx: typer.Context,
    body: Annotated[
        Path, typer.Argument(metavar="BODY", help=N_("JSON file with the body of the directory."))
    ],
    key: Annotated[list[Path], typer.Option("--key", help=N_("File of a root key; give two or three."))],
    out: Annotated[Path | None, typer.Option(help=N_("Save the signed document here."))] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help=N_("Send it to the server as administrator."))
    ] = False,
    secrets: SecretsOption = None,
) -> None:
    """Check, sign, check again as a client will, save or publish."""
    here = here_of(ctx)
    signed = sign_body(read_json(body), [signing_key(path) for path in key], here.roots())
    found = parse_directory(signed)
    if out is not None:
        not_there(out)
        write_private(out, json.dumps(signed.to_json(), indent=1).encode())
    pairs(
        [
            (_("Sequence"), str(found.sequence)),
            (_("Digest"), b64u(found.digest)),
            (_("Valid from"), instant_text(found.valid_from)),
            (_("Valid until"), instant_text(found.valid_until)),
        ]
    )
    if publish:
        with administrator(here, secrets) as session:
            session.publish_directory(signed)
        say(_("Published."))


@app.command("publish", cls=Command, help=N_("Send a signed key directory to the server as administrator."))
def publish_signed(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=N_("The signed document."))],
    secrets: SecretsOption = None,
) -> None:
    """Check as a client will, then send; the root keys stay where they are."""
    here = here_of(ctx)
    signed = Signed.from_json(read_json(file))
    found = check_directory(signed, here.roots(), parse_directory(signed).valid_from)
    with administrator(here, secrets) as session:
        session.publish_directory(signed)
    pairs([(_("Sequence"), str(found.sequence)), (_("Digest"), b64u(found.digest))])
    say(_("Published."))


def sign_body(body: Any, keys: list[SigningKey], roots: list[bytes]) -> Signed:
    """The directory, signed, as every client with these pinned roots will accept it. Errors: Wrong, CryptoError."""
    if not isinstance(body, dict):
        raise Wrong(_("The file does not hold the body of a directory."))
    if len({one.verify_key for one in keys} & set(roots)) < 2:
        raise Wrong(_("Two different root keys are needed, and they must be pinned ones."))
    signed = sign_document("directory", body, keys)
    check_directory(signed, roots, instant(body.get("valid_from")))
    return signed


def _service_key(line: Path, id: str) -> tuple[bytes, list[tuple[str, str]]]:
    content, service = new_service_key(id)
    directory.write_line(line, service_json(service))
    return content, [(_("Recipient"), str(service.recipient))]


def _new_key(kind: str, id: str) -> tuple[bytes, list[tuple[str, str]]]:
    if kind == "secret":
        return b64u(random.token_bytes(32)).encode() + b"\n", []
    signing = SigningKey.generate()
    verify_key = (_("Verify key"), b64u(signing.verify_key))
    if kind == "signing":
        return b64u(signing.seed).encode() + b"\n", [verify_key]
    identity = HybridIdentity.generate()
    text = f"# adal/v1/group-key\n# id: {id}\n# sign: {b64u(signing.seed)}\n{identity}\n"
    return text.encode(), [(_("Recipient"), str(identity.recipient)), verify_key]
