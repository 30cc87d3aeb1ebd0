"""The first run of a development installation: secrets, keys, a signed key directory, logins, schema.

Everything made here says `development`; a production start refuses it. Secrets lie under `var/dev` with
mode 0600, where production has offline ceremonies and secret files of its own. Running it again changes nothing
that is still good.
"""

import hashlib
import importlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from alembic.command import upgrade
from alembic.config import Config
from psycopg import sql

from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64u, unb64u
from services.crypto.directories import (
    WITH_KEYS,
    Certifier,
    Desk,
    Log,
    Service,
    check_directory,
    make_directory_body,
    parse_directory,
    service_json,
)
from services.crypto.errors import CryptoError
from services.crypto.notes import VerifierKey
from services.crypto.servicekeys import new_service_key
from services.crypto.shares import Seat
from services.crypto.signatures import Signed, SigningKey, sign_document
from services.kit.files import write_private
from services.kit.ports import HOST, free_port, is_free
from services.kit.postgres import RunningCluster
from services.kit.service import MIGRATIONS, head_of
from services.kit.settings import read_identity

SERVICES = ("intake", "rewards", "registry", "accounts")
#: Who fetches from intake's feed; the last three get events without content.
CONSUMERS = (*WITH_KEYS, "siem", "webhooks", "mail")
DEPLOY = Path(__file__).parents[1] / "deploy"
DATABASE = "adal"
ORIGIN = "localhost/adal/intake"
DESK = "central"
SEATS, THRESHOLD = 3, 2
VALIDITY = timedelta(days=90)

#: Invented people who hold the development seats.
HOLDERS = ("Aigerim Sample", "Daniyar Sample", "Saule Sample")


@dataclass(frozen=True)
class Folder:
    """`var/dev` of an installation."""

    var: Path

    @property
    def keys(self) -> Path:
        return self.var / "dev" / "keys"

    def file(self, name: str) -> Path:
        return self.var / "dev" / name

    def prepare(self) -> None:
        self.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file("").chmod(0o700)

    def secret(self, name: str) -> bytes:
        """32 random bytes that are made once."""
        path = self.keys / f"{name}.key"
        if not path.exists():
            write_private(path, b64u(secrets.token_bytes(32)).encode() + b"\n")
        return unb64u(path.read_text().strip(), 32)

    def signing(self, name: str) -> SigningKey:
        return SigningKey.from_seed(self.secret(name))

    def group(self, name: str, key_id: str) -> tuple[HybridIdentity, SigningKey]:
        """A group key as the plaintext of sealing format section 11, made once."""
        path = self.keys / f"{name}.key"
        if not path.exists():
            sign = f"# sign: {b64u(SigningKey.generate().seed)}"
            text = f"# adal/v1/group-key\n# id: {key_id}\n{sign}\n{HybridIdentity.generate()}\n"
            write_private(path, text.encode())
        lines = path.read_text().splitlines()
        return HybridIdentity.parse(lines[-1]), SigningKey.from_seed(
            unb64u(lines[2].removeprefix("# sign: "), 32)
        )

    def identity(self, service: str) -> Path:
        """The key file of a service that outcomes are sealed to, made once."""
        path = self.keys / f"{service}-identity.key"
        if not path.exists():
            write_private(path, new_service_key(service)[0])
        return path

    def feed_token(self, consumer: str) -> str:
        """The token with which a consumer fetches what intake tells it; its file holds just that text."""
        return b64u(self.secret(f"feed-{consumer}"))

    def feed_port(self, renew: bool = False) -> int:
        """The loopback port of intake's feed, drawn once; `renew` draws another when somebody else has it now."""
        path = self.file("feed-port")
        known = int(path.read_text()) if path.exists() else 0
        if not known or (renew and not is_free(known)):
            known = free_port()
            write_private(path, str(known).encode())
        return known


def roots(folder: Folder) -> list[SigningKey]:
    return [folder.signing(f"root-{i}") for i in (1, 2, 3)]


def directory(folder: Folder, now: datetime) -> Signed:
    """The signed development directory, made anew when the last one has expired or its month is over."""
    path = folder.file("directory.json")
    keys = roots(folder)
    write_private(
        folder.file("roots.json"), json.dumps({"roots": [b64u(key.verify_key) for key in keys]}).encode()
    )
    last = Signed.from_json(json.loads(path.read_text())) if path.exists() else None
    told = [service_json(service) for service in services(folder)]
    if (
        last is not None
        and _still_good(last, keys, now)
        and (last.body["witnesses"], last.body.get("services")) == (witnesses(folder), told)
    ):
        return last
    previous = parse_directory(last) if last else None
    sequence, digest = (previous.sequence + 1, previous.digest) if previous else (1, bytes(32))
    signed = sign_document("directory", _body(folder, sequence, digest, now), keys[:2])
    write_private(path, json.dumps(signed.to_json(), indent=1).encode())
    return signed


def witnesses(folder: Folder) -> list[str]:
    """The vkeys of `witnesses.json`, which a developer may write; none without it."""
    path = folder.file("witnesses.json")
    return [str(VerifierKey.parse(vkey)) for vkey in json.loads(path.read_text())] if path.exists() else []


def services(folder: Folder) -> list[Service]:
    """The services that outcomes are sealed to, and the notifier."""
    return [Service(s, read_identity(folder.identity(s), s).recipient) for s in WITH_KEYS]


def _still_good(last: Signed, keys: Iterable[SigningKey], now: datetime) -> bool:
    try:
        found = check_directory(last, [key.verify_key for key in keys], now)
    except CryptoError:
        return False
    return any(desk.month == f"{now:%Y-%m}" for desk in found.desks)


def _body(folder: Folder, sequence: int, previous: bytes, now: datetime) -> dict[str, object]:
    month, epoch = f"{now:%Y-%m}", f"{now.year}H{1 if now.month < 7 else 2}"
    log = folder.signing("intake-log")
    start = now.replace(microsecond=0) - timedelta(minutes=5)  # clocks of clients differ
    return make_directory_body(
        sequence=sequence,
        previous=previous,
        environment="development",
        valid_from=start,
        valid_until=start + VALIDITY,
        desks=_desks(folder, month),
        seats=[_seat(folder, "seat", i, epoch) for i in range(1, SEATS + 1)],
        k=THRESHOLD,
        certifiers=[Certifier(f"certifier-{i}", folder.signing(f"certifier-{i}").verify_key) for i in (1, 2)],
        payments=[_seat(folder, "payments", i, epoch) for i in range(1, SEATS + 1)],
        logs=[Log(ORIGIN, str(VerifierKey(ORIGIN, log.verify_key)))],
        witnesses=witnesses(folder),
        services=services(folder),
    )


def _desks(folder: Folder, month: str) -> list[Desk]:
    """This month's desk key and those of earlier months, with which older answers were signed."""
    name = f"desk-{DESK}-"
    earlier = {path.stem.removeprefix(name) for path in folder.keys.glob(f"{name}*.key")}
    desks = []
    for each in sorted({*earlier, month}):
        identity, signing = folder.group(f"{name}{each}", f"{DESK}/{each}")
        desks.append(Desk(DESK, each, identity.recipient, signing.verify_key))
    return desks


def _seat(folder: Folder, kind: str, number: int, epoch: str) -> Seat:
    identity, signing = folder.group(f"{kind}-{number}-{epoch}", f"{kind}-{number}/{epoch}")
    return Seat(number, identity.recipient, epoch, signing.verify_key)


# --- database


def passwords(folder: Folder) -> dict[str, str]:
    """Login -> password of this installation, made once."""
    path = folder.file("logins.json")
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    wanted = [f"adal_{s}{suffix}" for s in SERVICES for suffix in ("", "_owner")]
    if set(wanted) - set(found):
        found |= {login: secrets.token_urlsafe(24) for login in wanted if login not in found}
        write_private(path, json.dumps(found).encode())
    return found


def prepare_database(cluster: RunningCluster, folder: Folder, database: str = DATABASE) -> dict[str, str]:
    """Logins, schemas, tables and grants; the URLs of all logins, keyed like `ADAL_INTAKE_DATABASE_URL`."""
    known = passwords(folder)
    urls = {
        f"ADAL_{s.upper()}_{kind}DATABASE_URL": cluster.dsn(login, known[login], database)
        for s in SERVICES
        for kind, login in (("", f"adal_{s}"), ("OWNER_", f"adal_{s}_owner"))
    }
    with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as conn:
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    with psycopg.connect(cluster.superuser_conninfo(database), autocommit=True) as conn:
        if _at_head(conn):
            return urls
        apply(conn, known, urls)
        stamp = sql.SQL("COMMENT ON DATABASE {} IS {}")
        conn.execute(stamp.format(sql.Identifier(database), sql.Literal(_stamp())))
    return urls


def apply(conn: psycopg.Connection, logins: dict[str, str], urls: dict[str, str]) -> None:
    """Logins with their passwords, migrations by the owners' `urls`, grants. `conn`: the administrator's, autocommit.

    The server gets hashes of the passwords, so that none can reach its log.
    """
    conn.execute((DEPLOY / "postgres" / "roles.sql").read_bytes())
    for login, password in logins.items():
        scram = conn.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
        conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(scram)))
    migrate(urls)
    conn.execute((DEPLOY / "postgres" / "grants.sql").read_bytes())


def _stamp() -> str:
    """Names what the database was prepared with, so that a second start has nothing to do."""
    pages = b"".join((DEPLOY / "postgres" / page).read_bytes() for page in ("roles.sql", "grants.sql"))
    heads = " ".join(head_of(service) for service in SERVICES)
    return f"adal {heads} {hashlib.sha256(pages).hexdigest()[:16]}"


def _at_head(conn: psycopg.Connection) -> bool:
    row = conn.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    return row is not None and row[0] == _stamp()


def migrate(urls: dict[str, str], revision: str = "head") -> None:
    """Bring the schema of every service to a revision, each with its own owner login."""
    before = dict(os.environ)
    os.environ.update(urls)
    try:
        for service in SERVICES:
            importlib.import_module(f"services.{service}.models")
            config = Config(str(MIGRATIONS / "alembic.ini"), ini_section=service)
            upgrade(config, revision)
    finally:
        os.environ.clear()
        os.environ.update(before)


# --- settings


def environment(folder: Folder, urls: dict[str, str]) -> dict[str, str]:
    """The environment variables of the four services of this installation."""
    for name in ("intake-pepper", "intake-service", "accounts-service"):
        folder.secret(name)
    token = b64u(folder.signing("accounts-token").verify_key)
    common = {
        f"ADAL_{s.upper()}_{name}": value
        for s in SERVICES
        for name, value in (("ENVIRONMENT", "development"), ("TOKEN_KEYS", json.dumps([token])))
    }
    return {
        **common,
        **urls,
        "ADAL_INTAKE_ROOTS": json.dumps([b64u(key.verify_key) for key in roots(folder)]),
        "ADAL_INTAKE_PEPPER_FILE": str(folder.keys / "intake-pepper.key"),
        "ADAL_INTAKE_SERVICE_KEY_FILE": str(folder.keys / "intake-service.key"),
        "ADAL_INTAKE_LOG_KEY_FILE": str(folder.keys / "intake-log.key"),
        "ADAL_INTAKE_LOG_ORIGIN": ORIGIN,
        "ADAL_INTAKE_BLOBS_FOLDER": str(folder.var / "blobs"),
        "ADAL_ACCOUNTS_TOKEN_KEY_FILE": str(folder.keys / "accounts-token.key"),
        "ADAL_ACCOUNTS_SERVICE_KEY_FILE": str(folder.keys / "accounts-service.key"),
        "ADAL_ACCOUNTS_SECOND_FACTOR": "false",
        **_feed(folder),
    }


def _feed(folder: Folder) -> dict[str, str]:
    """Who may fetch from intake's internal port, and how those do to whom something is sealed."""
    hashes = {name: b64u(hashlib.sha256(folder.feed_token(name).encode()).digest()) for name in CONSUMERS}
    told = {
        f"ADAL_{s.upper()}_{name}": str(value)
        for s in WITH_KEYS
        for name, value in (
            ("FEED_URL", f"http://{HOST}:{folder.feed_port()}"),
            ("FEED_TOKEN_FILE", folder.keys / f"feed-{s}.key"),
            ("IDENTITY_FILE", folder.identity(s)),
        )
    }
    return {"ADAL_INTAKE_FEED_CALLERS": json.dumps(hashes), **told}


def now() -> datetime:
    return datetime.now(UTC)
