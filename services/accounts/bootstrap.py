"""`python -m services.accounts.bootstrap --login NAME`: the account of the first administrator.

Prints a one-time enrolment secret, good for 72 hours, on standard output and nowhere else; `adal staff enrol NAME`
uses it. Refuses once an administrator has enrolled: further ones are made by that one.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from services.accounts import store
from services.accounts.schemas import Login, Name
from services.accounts.settings import Settings
from services.kit import logs
from services.kit.clock import utc_now
from services.kit.db import make_engine
from services.kit.settings import SettingsError
from services.kit.wire import Model

REFUSED = "Refused: an administrator has enrolled already, or this login is taken."


class Given(Model):
    """The arguments, under the rules of every other account."""

    login: Login
    name: Name


async def first_administrator(database: str, login: str, name: str, now: datetime) -> str | None:
    """The enrolment secret; None when refused. The same login before its enrolment gets a fresh one."""
    engine = make_engine(database, 1)
    try:
        async with engine.begin() as conn:
            return await store.bootstrap_administrator(conn, login=login, name=name, now=now)
    finally:
        await engine.dispose()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m services.accounts.bootstrap",
        description="Make the account of the first administrator.",
    )
    parser.add_argument("--login", required=True, help="letters, digits and . _ @ -")
    parser.add_argument("--name", help="name of the person; the login if not given")
    given = parser.parse_args(arguments)
    logs.configure()
    try:
        who = Given(login=given.login, name=given.name or given.login)
        enrolment = asyncio.run(first_administrator(Settings().database(), who.login, who.name, utc_now()))
    except ValidationError as exc:
        wrong = {
            ".".join(map(str, error["loc"])) or error["msg"] for error in exc.errors(include_input=False)
        }
        sys.exit(f"Wrong or missing: {', '.join(sorted(wrong))}")
    except SettingsError as exc:
        sys.exit(str(exc))
    except Exception as exc:
        logs.failure("bootstrap-failed", exc)
        sys.exit(1)
    if enrolment is None:
        sys.exit(REFUSED)
    print(enrolment)  # noqa: T201 - the one place where it is ever shown


if __name__ == "__main__":
    main()
