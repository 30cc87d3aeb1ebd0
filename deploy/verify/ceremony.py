"""What an operator does before and after the first start, with the commands an operator has."""

# ruff: noqa: S101
import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from uuid import uuid4

from deploy.verify.stack import CITIZENS, REPOSITORY, STAFF, Stack, run
from services.cli.here import Here, Secrets, sign_in_with_code
from services.cli.staff import NewColleague, enrol_with_keys, read_group_key, signing_key
from services.client.staff import StaffSession
from services.crypto.canonical import b64u
from services.crypto.directories import (
    WITH_KEYS,
    Certifier,
    Desk,
    Log,
    make_directory_body,
    service_from_json,
)
from services.crypto.notes import VerifierKey
from services.crypto.shares import Seat
from services.kit.files import write_private
from tests.system.office import Office, opened_office

ORIGIN = f"{CITIZENS}/intake"
#: What an operator writes by hand, for programs whose receivers are not there.
BY_HAND = {
    "sender_smtp_password": token_hex(16),
    "notifier_smtp_password": token_hex(16),
    "sender_address_book": json.dumps({str(uuid4()): {"address": f"invented@{CITIZENS}", "language": "kk"}}),
}
FILLED = {"MAIL-FROM": f"adal@{CITIZENS}", "HOOK-ADDRESS": f"https://hooks.{CITIZENS}/"}


class Production(Office):
    """The office of the tests, where a second factor is asked for."""

    def signed_in(self, colleague: NewColleague) -> StaffSession:
        roots = self.staff_here.roots()
        session = StaffSession(self.staff_here.url, roots, memory=self.staff_here.memory(roots))
        self.sessions.append(session)
        secrets = Secrets(colleague.login, colleague.password, colleague.totp_secret, colleague.passphrase)
        sign_in_with_code(session, secrets)
        session.unlock(colleague.passphrase)
        return session


def adal(*words: str | Path) -> str:
    return run(sys.executable, "-m", "services.cli.main", *words, cwd=REPOSITORY)


def here(made: Stack, name: str) -> Here:
    return Here(f"https://{name}", made.home / "client", None)


def settings(made: Stack) -> None:
    """Certificate, keys, secret files, env files, in the copy of `deploy/`."""
    secrets, keys = made.server / "deploy" / "secrets", made.home / "client" / "dev" / "keys"
    keys.mkdir(parents=True)
    run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", f"/CN={CITIZENS}", "-addext", f"subjectAltName=DNS:{CITIZENS},DNS:{STAFF}",
        "-keyout", secrets / "tls_key", "-out", secrets / "tls_certificate",
    )  # fmt: skip
    (made.home / "trust.pem").write_bytes((secrets / "tls_certificate").read_bytes())
    os.environ["SSL_CERT_FILE"] = str(made.home / "trust.pem")
    for path in (secrets / "intake_log", secrets / "accounts_token"):
        adal("keys", "make", path, "--kind", "signing")
    for name in ("root-1", "root-2", "root-3", "certifier-1", "certifier-2"):
        adal("keys", "make", keys / f"{name}.key", "--kind", "signing")
    for name in WITH_KEYS:
        words = ("--kind", "service", "--id", name, "--line", keys / f"{name}.json")
        adal("keys", "make", secrets / f"{name}_identity", *words)
    roots = [b64u(signing_key(keys / f"root-{number}.key").verify_key) for number in (1, 2, 3)]
    (keys.parent / "roots.json").write_text(json.dumps({"roots": roots}))
    token = b64u(signing_key(secrets / "accounts_token").verify_key)
    filled = FILLED | {"TOKEN-KEY": token} | {f"ROOT-{number}": root for number, root in enumerate(roots, 1)}
    for name, value in BY_HAND.items():
        (secrets / name).write_text(value)
    for example in (made.server / "deploy" / "env").glob("*.example"):
        text = example.read_text()
        for placeholder, value in filled.items():
            text = text.replace(placeholder, value)
        example.with_suffix("").write_text(text)
    run(made.server / "deploy" / "secrets.sh", "")
    said = run(made.server / "deploy" / "secrets.sh", "")
    callers = re.findall(r"^for intake-feed.env: (ADAL_INTAKE_FEED_CALLERS=.*)$", said, re.MULTILINE)
    feed = made.server / "deploy" / "env" / "intake-feed.env"
    feed.write_text(re.sub(r"(?m)^ADAL_INTAKE_FEED_CALLERS=.*$", callers[0], feed.read_text()))


@contextlib.contextmanager
def opened(made: Stack) -> Iterator[Production]:
    """First administrator, first directory, three colleagues."""
    citizens, staff = here(made, CITIZENS), here(made, STAFF)
    bootstrap = ("python", "-m", "services.accounts.bootstrap", "--login", "operator")
    first = enrol_with_keys(staff, "operator", made.inside("accounts", *bootstrap).strip())
    names = ("login", "password", "totp_secret", "passphrase")
    sign_in = json.dumps({name: getattr(first, name) for name in names})
    write_private(staff.dev / "administrator.json", sign_in.encode())
    with contextlib.suppress(SystemExit):
        made.inside("accounts", *bootstrap)
        raise AssertionError("a second first administrator was made")
    publish_directory(made, staff)
    with opened_office(made.data / "volumes", citizens, staff) as office:
        yield Production(**vars(office))


def publish_directory(made: Stack, staff: Here) -> None:
    """Keys of desk and seats, the body, two root keys, sent by the administrator."""
    keys, now = staff.dev / "keys", datetime.now(UTC).replace(microsecond=0)
    month, epoch = f"{now:%Y-%m}", f"{now.year}H{1 if now.month < 7 else 2}"
    adal("keys", "make", keys / "desk-central.key", "--kind", "desk", "--id", f"central/{month}")
    desk = read_group_key(keys / "desk-central.key")
    assert desk.signing is not None
    seats = {
        kind: [_seat(keys, kind, number, epoch) for number in (1, 2, 3)] for kind in ("seat", "payments")
    }
    certifiers = [
        Certifier(f"certifier-{number}", signing_key(keys / f"certifier-{number}.key").verify_key)
        for number in (1, 2)
    ]
    log = signing_key(made.server / "deploy" / "secrets" / "intake_log").verify_key
    body = make_directory_body(
        sequence=1,
        previous=bytes(32),
        environment="production",
        valid_from=now - timedelta(minutes=5),
        valid_until=now + timedelta(days=60),
        desks=[Desk("central", month, desk.identity.recipient, desk.signing.verify_key)],
        seats=seats["seat"],
        k=2,
        certifiers=certifiers,
        payments=seats["payments"],
        logs=[Log(ORIGIN, str(VerifierKey(ORIGIN, log)))],
        services=[service_from_json(json.loads((keys / f"{name}.json").read_text())) for name in WITH_KEYS],
    )
    (made.home / "body.json").write_text(json.dumps(body))
    words = ("--url", staff.url, "--var", staff.var, "keys")
    two = ("--key", keys / "root-1.key", "--key", keys / "root-3.key")
    adal(*words, "sign-directory", made.home / "body.json", *two, "--out", made.home / "directory.json")
    adal(*words, "publish", made.home / "directory.json")


def _seat(keys: Path, kind: str, number: int, epoch: str) -> Seat:
    path = keys / f"{kind}-{number}.key"
    adal("keys", "make", path, "--kind", "seat", "--id", f"{kind}-{number}/{epoch}")
    key = read_group_key(path)
    assert key.signing is not None
    return Seat(number, key.identity.recipient, epoch, key.signing.verify_key)
