"""Where a command works: server, pinned roots, the folder of a development installation, secrets of the caller."""

import json
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import typer

from services.cli.failures import Trouble, Wrong, receipt_text
from services.cli.language import _, language
from services.cli.screen import ask, say
from services.client.codes import totp_code
from services.client.door import Credential
from services.client.errors import Problem
from services.client.memory import Memory
from services.client.reporter import Reporter
from services.client.session import Prove
from services.client.staff import StaffSession
from services.crypto.canonical import unb64u
from services.crypto.errors import CryptoError
from services.crypto.receipts import ReceiptError, parse_receipt
from services.kit.files import write_private

_TRIES = 3


@dataclass(frozen=True)
class Here:
    """The global options."""

    url: str
    var: Path
    roots_file: Path | None

    @property
    def dev(self) -> Path:
        """The folder of development keys."""
        return self.var / "dev"

    def roots(self) -> list[bytes]:
        """The pinned root keys. Error: Wrong."""
        path = self.roots_file or self.dev / "roots.json"
        try:
            return [unb64u(root, 32) for root in read_json(path)["roots"]]
        except (OSError, KeyError, TypeError, CryptoError):
            raise Wrong(
                _("The pinned root keys are missing. Give their file: --roots FILE, or --var FOLDER.")
            ) from None

    def memory(self, roots: list[bytes]) -> Memory:
        """What was seen of this server before; kept in the development folder only, if there is one."""
        if not self.dev.is_dir():
            return Memory(roots)
        name = sha256(self.url.encode()).hexdigest()[:16]
        return Memory(roots, self.var / "client" / f"{name}.json")

    @contextmanager
    def reporter(self, credential: Credential | None = None) -> Iterator[Reporter]:
        """A client of the public API; with a `credential` one that files for others."""
        roots = self.roots()
        memory = self.memory(roots)
        with Reporter(self.url, roots, None, memory, language(), credential=credential) as reporter:
            yield reporter

    @contextmanager
    def staff(self) -> Iterator[StaffSession]:
        """A staff client that is not signed in yet."""
        roots = self.roots()
        session = StaffSession(self.url, roots, memory=self.memory(roots), language=language())
        try:
            yield session
        finally:
            session.close()


@dataclass(frozen=True)
class Secrets:
    """How somebody signs in. Never on the command line, never shown."""

    login: str
    password: str
    totp_secret: str | None
    passphrase: str | None

    def __repr__(self) -> str:
        return "Secrets(...)"


@dataclass(frozen=True)
class SignIn:
    """The options of staff commands: a login, or a file of secrets."""

    here: Here
    login: str | None
    file: Path | None

    @contextmanager
    def session(self, unlock: bool = False) -> Iterator[StaffSession]:
        """Sign in, and open the staff key if `unlock`."""
        with self.here.staff() as session:
            if self.file is None:
                self._by_hand(session, unlock)
            else:
                secrets = read_secrets(self.file)
                self._by_file(session, secrets)
                if unlock:
                    session.unlock(secrets.passphrase or ask(_("Passphrase"), secret=True))
            yield session

    def _by_hand(self, session: StaffSession, unlock: bool) -> None:
        login = self.login or ask(_("Login"))
        password = ask(_("Password"), secret=True)
        code = ask(_("Code of the second factor (empty if there is none)"))
        session.sign_in(login, password, code or None)
        session.prove = asked_proof(password if not code else None)
        if unlock:
            session.unlock(ask(_("Passphrase"), secret=True))

    def _by_file(self, session: StaffSession, secrets: Secrets) -> None:
        session.prove = kept_proof(secrets)
        if secrets.totp_secret is None:
            session.sign_in(secrets.login, secrets.password)
            return
        # A code works once, so the session is kept beside the file that could make the next one anyway.
        assert self.file is not None  # noqa: S101
        kept = self.file.with_name(self.file.name + ".session")
        if kept.exists():
            with suppress(Problem):
                session.resume(kept.read_text().strip())
                return
        sign_in_with_code(session, secrets)
        write_private(kept, session.secret.encode())


def asked_proof(password: str | None) -> Prove:
    """A code typed when it is needed; where no second factor was asked at sign-in, the password again."""

    def prove(_attempt: int) -> dict[str, str]:
        if password is not None:
            return {"password": password}
        return {"totp": ask(_("Code of the second factor, to prove that it is still you"))}

    return prove


def kept_proof(secrets: Secrets) -> Prove:
    """A code from a file of secrets: of this half minute, and of the next one if that was used."""

    def prove(attempt: int) -> dict[str, str]:
        if secrets.totp_secret is None:
            return {"password": secrets.password}
        return {"totp": totp_code(secrets.totp_secret, time.time() + 30 * attempt)}

    return prove


def sign_in_with_code(session: StaffSession, secrets: Secrets) -> None:
    """Sign in with a code of this half minute, or of the next one if that was used."""
    now = time.time()
    try:
        session.sign_in(secrets.login, secrets.password, totp_code(secrets.totp_secret or "", now))
    except Problem as exc:
        if exc.status != 401:
            raise
        session.sign_in(secrets.login, secrets.password, totp_code(secrets.totp_secret or "", now + 30))


def read_json(path: Path) -> Any:
    """The JSON value in a file. Errors: OSError, Wrong."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise Wrong(_("The file is not JSON: {name}", name=path.name)) from None


def read_secrets(path: Path) -> Secrets:
    """A file of secrets {login, password, totp_secret?, passphrase?}, readable by its owner only. Error: Wrong."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Wrong(_("Others can read the file of secrets. Allow only yourself: chmod 600 FILE"))
    found = read_json(path)
    try:
        totp, passphrase = found.get("totp_secret"), found.get("passphrase")
        return Secrets(str(found["login"]), str(found["password"]), totp, passphrase)
    except (AttributeError, KeyError):
        raise Wrong(_("The file of secrets must hold login and password, as JSON.")) from None


def read_receipt(source: str | None) -> str:
    """The receipt, asked for or from the first line of standard input (`-`). Errors: Wrong, ReceiptError."""
    if source == "-":
        return parse_receipt(sys.stdin.readline())
    if source is not None:
        raise Wrong(
            _(
                "A receipt code on the command line would stay in the history. Type it when asked, or use: --receipt -"
            )
        )
    for _try in range(_TRIES):
        try:
            return parse_receipt(ask(_("Receipt code")))
        except ReceiptError as exc:
            say(receipt_text(exc), error=True)
    raise Wrong(_("That was not a receipt code."))


def dev_file(here: Here, name: str) -> Path:
    """A file of the development installation. Error: Trouble if it is not there."""
    path = here.dev / name
    if not path.exists():
        raise Trouble(
            _("There is no development installation in this folder. Start one, or give --var FOLDER.")
        )
    return path


def here_of(ctx: typer.Context) -> Here:
    """The global options of a command."""
    found = ctx.find_object(Here)
    assert found is not None  # noqa: S101 - the root command sets it
    return found
