"""Where a PostgreSQL cluster lies in its folder, and how it is made.

The superuser's password, the port, the log and the lock belong to whoever calls; `server/data` belongs to the
database user. `cluster.json` is written last: without it the rest is half-done and is made again.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.kit.files import write_private
from services.kit.postgres_programs import MAJOR, Programs, User

SUPERUSER = "postgres"


class ClusterError(RuntimeError):
    """The cluster cannot be made or started; the text names the log file, never its content."""


@dataclass(frozen=True)
class Cluster:
    """Where things are inside the folder."""

    folder: Path

    @property
    def server(self) -> Path:
        return self.folder / "server"

    @property
    def data(self) -> Path:
        return self.server / "data"

    @property
    def key(self) -> Path:
        return self.folder / "superuser.key"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def lock(self) -> Path:
        return self.folder / "runner.lock"

    @property
    def marker(self) -> Path:
        return self.folder / "cluster.json"

    def port(self) -> int | None:
        """The port written down, or None while the cluster is not wholly made."""
        try:
            return int(json.loads(self.marker.read_bytes())["port"])
        except FileNotFoundError:
            return None

    def save_port(self, port: int) -> None:
        write_private(self.marker, json.dumps({"major": MAJOR, "port": port}).encode())


def make_cluster(cluster: Cluster, programs: Programs, durable: bool) -> None:
    """initdb into an empty folder, after removing what an earlier attempt left."""
    shutil.rmtree(cluster.server, ignore_errors=True)
    password = secrets.token_urlsafe(32)
    write_private(cluster.key, password.encode())
    cluster.server.mkdir(mode=0o700)
    cluster.data.mkdir(mode=0o700)
    once = cluster.server / "password"
    write_private(once, password.encode())
    give_to(cluster, programs.user)
    _initdb(cluster, programs, durable)
    once.unlink()


def give_to(cluster: Cluster, user: User) -> None:
    """Let `user` own `server/` and all in it; nothing to do when the programs run as ourselves."""
    if not user.is_other or cluster.server.stat().st_uid == user.uid:
        return
    for path in (*cluster.server.rglob("*"), cluster.server):  # the folder last: it tells that all is done
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _initdb(cluster: Cluster, programs: Programs, durable: bool) -> None:
    with log_file(cluster) as log, entry(cluster, programs) as (root, keep):
        process = programs.spawn(
            "initdb",
            f"--pgdata={root}/data",
            f"--username={SUPERUSER}",
            f"--pwfile={root}/password",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *(() if durable else ("--no-sync",)),
            output=log,
            keep=keep,
            place=cluster.server,
        )
        try:
            status = process.wait()
        except BaseException:  # Ctrl-C reaches us only: initdb has a session of its own
            process.terminate()
            process.wait()
            raise
        if status != 0:
            raise ClusterError(f"initdb failed; see {cluster.log}")


@contextlib.contextmanager
def entry(cluster: Cluster, programs: Programs) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The path of `server/` as the child sees it, and the descriptors the child must inherit.

    Another user may not be able to walk to our folder (a closed home, a temporary folder of mode 0700). An
    open descriptor leads there all the same, so no folder above ours has to be opened to others.
    """
    if not programs.user.is_other:
        yield str(cluster.server), ()
        return
    handle = os.open(cluster.server, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}", (handle,)
    finally:
        os.close(handle)


@contextlib.contextmanager
def log_file(cluster: Cluster) -> Iterator[int]:
    """A descriptor that appends to the log; we open it, so the database user needs no right to it."""
    handle = os.open(cluster.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)
