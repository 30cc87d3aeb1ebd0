"""One PostgreSQL 18 cluster in one folder, for development and small installations.

Promise: `ensure_cluster(folder)` gives a running server on 127.0.0.1, whatever happened before: nothing yet,
a start cut off in the middle, `kill -9` of the server or of everything. The server dies with us, and nothing
that is stored or searched reaches its log.

The process that holds the lock in the folder runs the server; others that ask for the same folder use that
server and do not stop it.
"""

import atexit
import os
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo

from services.kit import postgres_processes
from services.kit.locks import FileLock, take_lock
from services.kit.ports import HOST, free_port, is_free
from services.kit.postgres_cluster import (
    SUPERUSER,
    Cluster,
    ClusterError,
    entry,
    give_to,
    log_file,
    make_cluster,
)
from services.kit.postgres_programs import Programs, choose_user, find_programs

__all__ = ["Cluster", "ClusterError", "RunningCluster", "ensure_cluster"]

_POLL = 0.01  # seconds

# Given on the command line, where they win over postgresql.conf and ALTER SYSTEM.
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # What may be logged: that the server started, stopped, crashed. An ERROR quotes its input ("invalid input
    # syntax for type integer: ..."), so errors stay out altogether; a crash report would quote the statement
    # in its DETAIL, which `terse` drops.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_duration": "off",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_line_prefix": "%m [%p] ",
    "log_connections": "",
    "log_disconnections": "off",
    "log_hostname": "off",
    "log_lock_waits": "off",
    "log_temp_files": "-1",
    "log_autovacuum_min_duration": "-1",
    "log_checkpoints": "off",
    "log_replication_commands": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class RunningCluster:
    """A server that answers. A context manager: leaving it stops the server if this process started it."""

    def __init__(self, cluster: Cluster, port: int, server: "_Server | None") -> None:
        self.folder = cluster.folder
        self.host = HOST
        self.port = port
        self._cluster = cluster
        self._server = server
        if server is not None:
            atexit.register(self.stop)

    @property
    def owned(self) -> bool:
        """Whether this object started the server and will stop it."""
        return self._server is not None

    @property
    def alive(self) -> bool:
        """Whether the server runs and answers now."""
        return _answers(self._cluster, self.port)

    @property
    def pid(self) -> int | None:
        """Process number of the server if owned."""
        return self._server.process.pid if self._server else None

    def dsn(self, user: str, password: str, database: str) -> str:
        """URL for SQLAlchemy, `postgresql+psycopg://...`; it holds the password, so it must not be logged."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql+psycopg://{login}@{self.host}:{self.port}/{quote(database, safe='')}"

    def superuser_conninfo(self, database: str = SUPERUSER) -> str:
        """Connection string for psycopg as the superuser, for making roles and databases."""
        return _superuser_conninfo(self._cluster, self.port, database)

    def stop(self) -> None:
        """Fast shutdown, harder if that does not help. Safe to call twice; does nothing if not owned."""
        server, self._server = self._server, None
        if server is not None:
            atexit.unregister(self.stop)
            server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ensure_cluster(folder: Path, *, durable: bool = True, timeout: float = 120) -> RunningCluster:
    """Make the cluster in `folder` if needed, start it if it does not run, and wait until it answers.

    `durable=False` gives up safety against power cuts for speed, for tests. `timeout` in seconds bounds the
    wait for a server that recovers or that another process is starting. Raises ClusterError, ProgramsError,
    StillRunningError, OSError.
    """
    folder = folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = Cluster(folder.resolve())
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        lock = take_lock(cluster.lock)
        if lock is not None:
            return _start(cluster, lock, durable, deadline)
        port = cluster.port()
        if port is not None and _answers(cluster, port):
            return RunningCluster(cluster, port, None)
        time.sleep(0.1)
    raise ClusterError("another process holds this cluster, and its server does not answer")


def _start(cluster: Cluster, lock: FileLock, durable: bool, deadline: float) -> RunningCluster:
    try:
        postgres_processes.stop_leftovers(cluster.data)
        programs = _prepare(cluster, durable)
        return _launch(cluster, programs, lock, durable, deadline)
    except BaseException:
        lock.release()
        raise


def _prepare(cluster: Cluster, durable: bool) -> Programs:
    """Whatever must be there before the server can start."""
    if cluster.port() is not None:
        programs = find_programs(choose_user(cluster.server.stat()))
        give_to(cluster, programs.user)
    else:
        programs = find_programs(choose_user(None))
        make_cluster(cluster, programs, durable)
        cluster.save_port(free_port())
    return programs


def _launch(
    cluster: Cluster, programs: Programs, lock: FileLock, durable: bool, deadline: float
) -> RunningCluster:
    for _ in range(5):
        port = cluster.port()
        if port is None or not is_free(port):  # somebody else took it while we were down
            port = free_port()
            cluster.save_port(port)
        server = _Server(cluster, programs, lock, port, durable)
        if server.wait(deadline):
            return RunningCluster(cluster, port, server)
        if is_free(port):  # then the port was not the trouble
            break
    raise ClusterError(f"PostgreSQL did not start; see {cluster.log}")


class _Server:
    """The postmaster, our child."""

    def __init__(
        self, cluster: Cluster, programs: Programs, lock: FileLock, port: int, durable: bool
    ) -> None:
        self._cluster = cluster
        self._port = port
        self._lock = lock
        self._starter = os.getpid()
        self._started = threading.Event()
        self._serving = threading.Event()
        self._ended = threading.Event()
        settings = _SETTINGS | {"port": str(port)} | ({} if durable else _NOT_DURABLE)
        self._arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._programs = programs
        self.process: subprocess.Popen[bytes]
        self._failure: BaseException | None = None
        # The kernel ties the child to the thread that made it: this thread lives as long as the process does,
        # the caller's may not.
        threading.Thread(target=self._run, name="postgres", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with log_file(self._cluster) as log, entry(self._cluster, self._programs) as (root, keep):
                arguments = ("-D", f"{root}/data", *self._arguments)
                self.process = self._programs.spawn("postgres", *arguments, output=log, keep=keep)
        except BaseException as error:  # raised again in the caller's thread
            self._failure = error
            return
        finally:
            self._started.set()
        self.process.wait()
        self._ended.set()
        if self._serving.is_set():  # killed by somebody: whoever asks next may start it again
            self._lock.release()

    def wait(self, deadline: float) -> bool:
        """True when the server answers, False when it ended first or time ran out (then it is stopped)."""
        try:
            while time.monotonic() < deadline and not self._ended.wait(_POLL):
                if _says_ready(self._cluster.data, self.process.pid) and _answers(self._cluster, self._port):
                    self._serving.set()
                    return True
        finally:
            if not self._serving.is_set():
                self._halt()
        return False

    def stop(self) -> None:
        if os.getpid() != self._starter:  # a forked copy of us does not own the server
            return
        self._halt()
        self._lock.release()

    def _halt(self) -> None:
        postgres_processes.stop_server(self.process.pid, self._ended.wait)


def _says_ready(data: Path, pid: int) -> bool:
    """Whether the lock file of the server is that of `pid` and its last line says ready."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _answers(cluster: Cluster, port: int) -> bool:
    """Whether *our* server listens there: it takes the superuser's password, which no other has."""
    try:
        with psycopg.connect(_superuser_conninfo(cluster, port, SUPERUSER), connect_timeout=5):
            return True
    except (psycopg.OperationalError, FileNotFoundError):
        return False


def _superuser_conninfo(cluster: Cluster, port: int, database: str) -> str:
    password = cluster.key.read_text()
    return make_conninfo(
        host=HOST, port=port, user=SUPERUSER, password=password, dbname=database, sslmode="disable"
    )
