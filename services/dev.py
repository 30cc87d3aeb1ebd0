"""All four services in one process under the gateway's prefixes, with an embedded PostgreSQL: `make serve`.

Production runs `uvicorn --factory services.<name>.app:create_app` behind nginx instead. The same composition serves
the tests, so that a journey across services is one program.
"""

import argparse
import asyncio
import contextlib
import fcntl
import importlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from services import first_run
from services.first_run import SERVICES, Folder
from services.kit import logs
from services.kit.files import write_private
from services.kit.jobs import Job
from services.kit.ports import HOST
from services.kit.postgres import ensure_cluster

#: The gateway's prefixes; `deploy/gateway/` holds the same list.
PREFIXES = {f"/api/{service}/": service for service in SERVICES}

#: The pages of intake, as in `deploy/gateway/`: these addresses and what lies below them.
PAGES = ("/", "/kk", "/ru", "/en", "/static")


class Gateway:
    """Hands each request to the service whose prefix it carries. Internal routes have no prefix, so none leads there."""

    def __init__(self, apps: Mapping[str, FastAPI]) -> None:
        self.apps = apps

    def _app_for(self, path: str) -> ASGIApp:
        for prefix, service in PREFIXES.items():
            if path.startswith(prefix):
                return self.apps[service]
        if path in PAGES or path.startswith(tuple(f"{page}/" for page in PAGES[1:])):
            return self.apps["intake"]
        return _nothing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._app_for(scope["path"])(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Mounted apps' lifespans do not run on their own: enter each."""
        await receive()
        async with AsyncExitStack() as stack:
            try:
                for app in self.apps.values():
                    await stack.enter_async_context(app.router.lifespan_context(app))
            except Exception as exc:
                logs.failure("start-failed", exc)
                await send({"type": "lifespan.startup.failed", "message": type(exc).__name__})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """What is not a service: the health of the process."""
    answer: Any
    if scope["type"] == "http" and scope["path"] == "/healthz":
        answer = JSONResponse({"status": "ok"})
    else:
        problem = {
            "type": "urn:adal:problem:not-found",
            "title": "Not found",
            "status": 404,
            "detail": "There is nothing at this address.",
        }
        answer = JSONResponse(problem, 404, media_type="application/problem+json")
    await answer(scope, receive, send)


def make_apps() -> dict[str, FastAPI]:
    """The four services, with settings from the environment."""
    return {s: importlib.import_module(f"services.{s}.app").create_app() for s in SERVICES}


@contextmanager
def one_start_at_a_time(var: Path) -> Iterator[None]:
    """Refuse a second start on the same folder."""
    var.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (var / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit("Adal runs in this folder already.")
        yield


@contextmanager
def prepared(var: Path, renew: bool = False) -> Iterator[Folder]:
    """A running database, keys and settings; the environment of this process names them all.

    An `ADAL_<SERVICE>_DATABASE_URL` that was set before switches that service to a real server; when all are set
    (with the owners' URLs for migrations), no embedded PostgreSQL starts. `renew` looks for another internal port if
    the known one is taken: right for a server, wrong beside one.
    """
    folder = Folder(var.absolute())
    folder.prepare()
    folder.feed_port(renew)
    names = [f"ADAL_{s.upper()}_{kind}DATABASE_URL" for s in SERVICES for kind in ("", "OWNER_")]
    with contextlib.ExitStack() as stack:
        given = {name: os.environ[name] for name in names if name in os.environ}
        if len(given) == len(names):
            first_run.migrate(given)
            urls = given
        else:
            cluster = stack.enter_context(ensure_cluster(folder.var / "postgres"))
            urls = first_run.prepare_database(cluster, folder) | given
        first_run.directory(folder, first_run.now())
        for name, value in first_run.environment(folder, urls).items():
            os.environ.setdefault(name, value)
        yield folder


async def publish_directory(intake: FastAPI, folder: Folder) -> None:
    """Put the development directory in force if it is not."""
    from services.intake import store
    from services.intake.staff_routes import add_directory

    document = first_run.directory(folder, first_run.now()).to_json()
    async with intake.state.engine.begin() as conn:
        newest = await store.last_directories(conn, 1)
        if not newest or newest[0].sequence < document["body"]["sequence"]:
            await add_directory(conn, intake.state.context, document, intake.state.clock())


async def bootstrap_administrator(accounts: FastAPI, folder: Folder) -> None:
    """The development administrator, whose sign-in lies in `var/dev/administrator.json`."""
    import json

    from services.accounts import store

    path = folder.file("administrator.json")
    if path.exists():
        return
    async with accounts.state.engine.begin() as conn:
        enrolment = await store.bootstrap_administrator(
            conn, login="administrator", name="Development administrator", now=accounts.state.clock()
        )
    if enrolment is None:
        return
    password = secrets.token_urlsafe(18)
    transport = httpx2.ASGITransport(app=accounts)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.post(
            "/api/accounts/v1/enrolments",
            json={"login": "administrator", "enrolment": enrolment, "password": password},
        )
        answer.raise_for_status()
    secret = answer.json()["totp_secret"]
    signs_in = {"login": "administrator", "password": password, "totp_secret": secret}
    write_private(path, json.dumps(signs_in).encode())


class DevServer(uvicorn.Server):
    """Says where it listens once it does."""

    def __init__(self, config: uvicorn.Config, banner: str) -> None:
        super().__init__(config)
        self.banner = banner
        self.listens = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on Ctrl-C without raising it anew afterwards, so that everything below closes in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.banner:
            print(self.banner, flush=True)  # noqa: T201 - the banner is for the person at the terminal
        self.listens.set()


class InternalServer(DevServer):
    """Leaves signals to the server beside it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        lifespan="off",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=10,
    )


@asynccontextmanager
async def internal_port(folder: Folder) -> AsyncIterator[None]:
    """Serve intake's feed on its loopback port while the context lasts, unless somebody serves it already."""
    from services.intake.internal import create_internal_app

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, folder.feed_port()))
    except OSError:
        listener.close()
        yield
        return
    app = create_internal_app()
    async with app.router.lifespan_context(app):
        server = InternalServer(_config(app, HOST, folder.feed_port()), "")
        serving = asyncio.create_task(server.serve([listener]))
        await server.listens.wait()
        try:
            yield
        finally:
            server.should_exit = True
            await serving


def banner(port: int) -> str:
    at = f"http://localhost:{port}"
    return (
        f"\nAdal (development) runs at {at}\n"
        f"  pages:    {at}/ (Kazakh, Russian, English; no script)\n"
        f"  report:   adal --url {at} report file      read answers: adal --url {at} inbox show\n"
        f"  API:      {at}/api/intake/v1/openapi.json\n"
        f"  staff:    adal --url {at} staff add LOGIN --name NAME --role desk --enrol\n"
        "  `adal` is .venv/bin/adal. All keys here are development keys. Stop with Ctrl-C.\n"
    )


async def fill_with_samples(port: int, folder: Folder) -> None:
    """Invented staff and reports, over HTTP like any client, once the server listens."""
    from services.cli import demo
    from services.cli.here import Here

    here = Here(f"http://localhost:{port}", folder.var, None)
    found = await asyncio.to_thread(demo.fill, here)
    print(demo.text(found, here.dev), flush=True)  # noqa: T201


async def run(port: int, folder: Folder, demo: bool = False) -> bool:
    """Serve until a signal; False when the start failed."""
    apps = make_apps()

    @asynccontextmanager
    async def filled() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in apps.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            await publish_directory(apps["intake"], folder)
            await bootstrap_administrator(apps["accounts"], folder)
            await stack.enter_async_context(internal_port(folder))
            yield

    async with filled():
        server = DevServer(_config(Gateway(apps), "localhost", port), banner(port))
        serving = asyncio.create_task(server.serve())
        await server.listens.wait()
        if demo and server.started:
            await fill_with_samples(port, folder)
        await serving
        return server.started


@asynccontextmanager
async def local_states(var: Path = Path("var")) -> AsyncIterator[dict[str, Any]]:
    """`app.state` of each service of the installation in `var`, for `adal doctor` and `adal jobs`."""
    with prepared(var) as folder:
        async with AsyncExitStack() as stack:
            states = {}
            for name, app in make_apps().items():
                await stack.enter_async_context(app.router.lifespan_context(app))
                states[name] = app.state
            await stack.enter_async_context(internal_port(folder))
            yield states


def all_jobs() -> dict[str, Job]:
    """Every job of every service by name."""
    found: dict[str, Job] = {}
    for service in SERVICES:
        with contextlib.suppress(ModuleNotFoundError):
            found |= {job.name: job for job in importlib.import_module(f"services.{service}.jobs").JOBS}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.dev", description="Adal in one process")
    parser.add_argument("--port", type=int, default=8424)
    parser.add_argument("--var", type=Path, default=Path("var"))
    parser.add_argument("--demo", action="store_true", help="add invented staff and reports")
    arguments = parser.parse_args()
    logs.configure()
    ok = False
    with (
        contextlib.suppress(KeyboardInterrupt),
        one_start_at_a_time(arguments.var),
        prepared(arguments.var, renew=True) as folder,
        asyncio.Runner(loop_factory=_loop) as runner,
    ):
        ok = runner.run(run(arguments.port, folder, arguments.demo))
    sys.exit(0 if ok else 1)


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


if __name__ == "__main__":
    main()
