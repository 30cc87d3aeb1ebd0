"""`adal doctor` and `adal jobs`: what is asked of a local installation itself, not of its API.

`services.dev` is loaded only here and only when needed: everything else of this command works without a database.
"""

import asyncio
import importlib
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import typer

from services.cli.failures import Trouble, Wrong
from services.cli.here import Here, dev_file, here_of
from services.cli.language import Command, _, new_group
from services.cli.screen import say, table
from services.client.directory import utc_now
from services.client.errors import ClientError
from services.crypto.errors import CryptoError
from services.kit.i18n import N_

jobs = new_group(N_("Scheduled work of a local installation."))
LEAST_FREE = 1 << 30
SOON = timedelta(days=14)
T = TypeVar("T")
_READY = ("intake", "rewards", "registry", "accounts")


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    what: str
    good: bool
    text: str


@jobs.command("list", cls=Command, help=N_("List the jobs and how they ran last."))
def list_jobs(ctx: typer.Context) -> None:
    """Print name, schedule and last run of every job."""
    here = here_of(ctx)
    runs = _locally(here, _last_runs)
    rows = [[name, _schedule(job), *_run_words(runs.get(name))] for name, job in sorted(_all_jobs().items())]
    table([_("Job"), _("Schedule"), _("Last run"), _("Outcome")], rows)


@jobs.command("run", cls=Command, help=N_("Run a job now."))
def run_job(
    ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help=N_("Name of the job."))]
) -> None:
    """Run under the job's lock; the number of things done."""
    job = _all_jobs().get(name)
    if job is None:
        raise Wrong(_("There is no such job. See: adal jobs list"))
    kit = importlib.import_module("services.kit.jobs")

    async def work(states: dict[str, Any]) -> int:
        state = states[name.partition(".")[0]]
        return int(await kit.run_job(state, job, state.clock()))

    try:
        done = _locally(here_of(ctx), work)
    except kit.Busy:
        raise Trouble(_("This job runs now, in another process.")) from None
    say(_("Done: {count}", count=done))


def doctor(ctx: typer.Context) -> None:
    """Print findings; exit code 1 if one is bad."""
    here = here_of(ctx)
    found = [_disk(here), _directory(here), *_local_findings(here)]
    table(["", _("What"), _("Finding")], [["+" if one.good else "!", one.what, one.text] for one in found])
    if not all(one.good for one in found):
        raise Trouble(_("Something needs attention: see the lines with an exclamation mark."))


def _disk(here: Here) -> Finding:
    free = shutil.disk_usage(here.var if here.var.exists() else here.var.absolute().parent).free
    return Finding(_("Disk"), free >= LEAST_FREE, _("{count} MiB free", count=free >> 20))


def _directory(here: Here) -> Finding:
    what = _("Key directory")
    try:
        with here.reporter() as reporter:
            found = reporter.key_directory()
    except (ClientError, CryptoError, Wrong):
        return Finding(what, False, _("not reachable, or not valid for the pinned roots"))
    left = found.valid_until - utc_now()
    return Finding(
        what,
        left > SOON,
        _("number {sequence}, valid for {days} more days", sequence=found.sequence, days=left.days),
    )


def _local_findings(here: Here) -> list[Finding]:
    async def work(states: dict[str, Any]) -> list[Finding]:
        ready = [await _ready(name, states.get(name)) for name in _READY]
        runs = await _last_runs(states)
        told = [await _told(name, states[name]) for name in ("rewards", "registry")]
        return (
            [*ready, await _log_finding(states["intake"])]
            + told
            + [Finding(name, not run.error, _run_words(run)[1]) for name, run in sorted(runs.items())]
        )

    try:
        return _locally(here, work)
    except Wrong as exc:
        return [Finding(_("Services"), False, str(exc))]


async def _ready(name: str, state: Any) -> Finding:
    """The same question as the service's own readiness route: the database answers, at the expected revision."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    if state is None:
        return Finding(name, False, _("not there"))
    try:
        async with state.engine.connect() as conn:
            found = await conn.scalar(text(f"SELECT version_num FROM {state.schema}.alembic_version"))  # noqa: S608
    except (SQLAlchemyError, OSError):
        return Finding(name, False, _("the database cannot be reached"))
    good = found == state.head
    return Finding(name, good, _("ready") if good else _("the database is not at the expected revision"))


async def _log_finding(state: Any) -> Finding:
    """Whether every record of the log leads to its leaf, and every erased one is explained by a deletion."""
    from sqlalchemy.exc import SQLAlchemyError

    what, check = _("Log records"), importlib.import_module("services.intake.log_check")
    try:
        async with state.engine.connect() as conn:
            found = await check.compare(conn)
    except (SQLAlchemyError, OSError):
        return Finding(what, False, _("the database cannot be reached"))
    words = _(
        "{count} compared, {erased} erased with their reports", count=found.records, erased=found.erased
    )
    if found.good:
        return Finding(what, True, words)
    bad = _("{wrong} wrong, {lost} without a deletion", wrong=found.wrong, lost=found.unexplained)
    return Finding(what, False, f"{words}; {bad}")


async def _told(name: str, state: Any) -> Finding:
    """Whether a consumer of outcomes could read everything that intake told it."""
    from sqlalchemy.exc import SQLAlchemyError

    reader = importlib.import_module("services.kit.feed_reader")
    models = importlib.import_module(f"services.{name}.models")
    what = _("Outcomes told to {name}", name=name)
    try:
        async with state.engine.connect() as conn:
            unreadable, missed = await reader.troubles(conn, models.READER)
    except (SQLAlchemyError, OSError):
        return Finding(what, False, _("the database cannot be reached"))
    if unreadable or missed:
        words = _(
            "{unreadable} could not be read, {missed} were missed", unreadable=unreadable, missed=missed
        )
        return Finding(what, False, words)
    return Finding(what, True, _("all were read"))


async def _last_runs(states: dict[str, Any]) -> dict[str, Any]:
    kit = importlib.import_module("services.kit.jobs")
    found: dict[str, Any] = {}
    for state in states.values():
        found |= await kit.last_runs(state)
    return found


def _run_words(run: Any) -> list[str]:
    if run is None:
        return ["-", _("never ran")]
    when = f"{run.started:%Y-%m-%d %H:%M}"
    if run.error:
        return [when, _("failed: {kind}", kind=run.error)]
    if run.finished is None:
        return [when, _("runs, or was interrupted")]
    return [when, _("done: {count}", count=run.done)]


def _schedule(job: Any) -> str:
    return _("every {time}", time=job.every) if job.hour is None else _("daily at {hour}:00", hour=job.hour)


def _all_jobs() -> dict[str, Any]:
    found: dict[str, Any] = importlib.import_module("services.dev").all_jobs()
    return found


def _locally(here: Here, work: Callable[[dict[str, Any]], Coroutine[Any, Any, T]]) -> T:
    """The result of `work` on the state of each service. Error: Trouble without an installation in the folder."""
    dev_file(here, "roots.json")
    dev = importlib.import_module("services.dev")

    async def inside() -> T:
        async with dev.local_states(here.var) as states:
            return await work(states)

    return asyncio.run(inside())
