"""The four services as separate processes behind the real gateway files, PostgreSQL fully durable, on loopback."""

import asyncio
import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cpu
from bench.running import NO_CHALLENGE, Served, health, started
from services import dev
from services.first_run import SERVICES, Folder
from services.intake.app import create_app
from services.kit import logs
from services.kit.ports import free_port
from services.kit.postgres import ensure_cluster
from tests.system.gateway import configured, nginx


@dataclass(frozen=True)
class Behind:
    """Ports of the gateway's two sides and of intake itself; the processes; what the gateway's certificate needs.

    `port` is the side of citizens, `staff` the other. `intake` names the service's own port and process, so that it can
    be asked without the gateway.
    """

    port: int
    staff: int
    trust: ssl.SSLContext
    intake: Served
    postgres: int
    nginx: int
    others: tuple[int, ...] = ()

    def service_cpu(self) -> float:
        """CPU seconds of intake and PostgreSQL."""
        return cpu.seconds(self.intake.pid) + cpu.seconds(self.postgres)

    def others_cpu(self) -> float:
        """CPU seconds of the three other services and of intake's own port for them."""
        return sum(map(cpu.seconds, self.others))

    def gateway_cpu(self) -> float:
        """CPU seconds of nginx."""
        return cpu.seconds(self.nginx)


@contextmanager
def behind(home: Path) -> Iterator[Behind]:
    """A fresh installation in `home`. Error: SystemExit when a process does not start."""
    ports = {service: free_port() for service in SERVICES}
    citizens, staff = free_port(), free_port()
    logs.configure()
    with ExitStack() as stack:
        stack.enter_context(_environment())
        cluster = stack.enter_context(ensure_cluster(home / "var" / "postgres"))
        # It finds the database running, and names it and all keys in our environment, which the services inherit.
        folder = stack.enter_context(dev.prepared(home / "var"))
        asyncio.run(_published(folder))
        feed = _uvicorn("intake", folder.feed_port(), "internal:create_internal_app")
        pids = {"feed": stack.enter_context(started(feed, health(folder.feed_port()))).pid}
        pids |= {
            s: stack.enter_context(started(_uvicorn(s, port), health(port))).pid for s, port in ports.items()
        }
        config = configured(home, ports, citizens, staff)
        trust = ssl.create_default_context(cafile=str(config / "tls.crt"))
        command = [nginx(), "-p", str(config), "-c", str(config / "nginx.conf"), "-g", "daemon off;"]
        url = f"https://localhost:{citizens}/api/rewards/v1/mci"
        gateway = stack.enter_context(started(command, url, trust=trust))
        assert cluster.pid is not None
        intake = Served(home / "var", ports["intake"], pids["intake"])
        others = tuple(pid for service, pid in pids.items() if service != "intake")
        yield Behind(citizens, staff, trust, intake, cluster.pid, gateway.pid, others)


@contextmanager
def _environment() -> Iterator[None]:
    """Our environment without settings of other installations; as before afterwards."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith("ADAL_")]:
        del os.environ[name]
    os.environ.update(NO_CHALLENGE)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _published(folder: Folder) -> None:
    app = create_app()
    async with app.router.lifespan_context(app):
        await dev.publish_directory(app, folder)


def _uvicorn(service: str, port: int, app: str = "app:create_app") -> list[str]:
    command = [sys.executable, "-m", "uvicorn", "--factory", f"services.{service}.{app}"]
    return [*command, "--port", str(port), "--no-access-log", "--no-server-header", "--log-level", "critical"]
