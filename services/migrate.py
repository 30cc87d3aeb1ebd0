"""The migration job of a server: logins with their passwords, schemas, grants; then it ends. It may run any number
of times, and runs before the services at every start and update.

`python -m services.migrate` reads URLs from the files that `ADAL_ADMINISTRATOR_DATABASE_URL_FILE`,
`ADAL_<SERVICE>_DATABASE_URL_FILE` and `ADAL_<SERVICE>_OWNER_DATABASE_URL_FILE` name: nobody else needs them all.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import structlog
from sqlalchemy import make_url

from services import first_run
from services.first_run import SERVICES
from services.kit import logs
from services.kit.settings import SettingsError, read_url

ADMINISTRATOR = "ADAL_ADMINISTRATOR_DATABASE_URL"
#: The variable that migrations and services know -> the login whose URL it holds.
LOGINS = {
    f"ADAL_{service.upper()}_{kind}DATABASE_URL": f"adal_{service}{suffix}"
    for service in SERVICES
    for kind, suffix in (("", ""), ("OWNER_", "_owner"))
}


def read_urls(environment: Mapping[str, str]) -> dict[str, str]:
    """Variable -> URL for the administrator and every login. Errors: SettingsError, also for a wrong login."""
    found = {}
    for name in (ADMINISTRATOR, *LOGINS):
        path = environment.get(f"{name}_FILE")
        if not path:
            raise SettingsError(f"{name}_FILE is not set")
        found[name] = read_url(Path(path), f"{name}_FILE")
    for name, login in LOGINS.items():
        url = make_url(found[name])
        if url.username != login or not url.password:
            raise SettingsError(f"the URL of {name}_FILE needs the login {login} and a password")
    return found


def prepare(urls: Mapping[str, str]) -> None:
    """Bring the database to what this version of the services expects."""
    passwords = {login: str(make_url(urls[name]).password) for name, login in LOGINS.items()}
    address = urls[ADMINISTRATOR].replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(address, autocommit=True) as conn:
        first_run.apply(conn, passwords, {name: urls[name] for name in LOGINS})


def main() -> None:
    logs.configure()
    try:
        prepare(read_urls(os.environ))
    except SettingsError as exc:
        sys.exit(str(exc))  # names a setting, never its value
    except Exception as exc:
        logs.failure("migration-failed", exc)
        sys.exit(1)
    structlog.get_logger().info("migrated")


if __name__ == "__main__":
    main()
