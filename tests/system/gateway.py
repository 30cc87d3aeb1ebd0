"""The four services as separate processes behind the real gateway files, on loopback."""

import contextlib
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services import first_run
from services.first_run import SERVICES, Folder
from services.kit.ports import free_port
from services.kit.postgres import ensure_cluster

REPOSITORY = Path(__file__).parents[2]
FILES = REPOSITORY / "deploy" / "gateway"


def nginx() -> str:
    """The path of nginx; Debian's package is installed where it is missing and that is possible."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-qy", "--no-install-recommends", "nginx-light"],
        ):
            subprocess.run(command, env=environment, check=True, capture_output=True)
        found = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    assert found, "nginx is missing: apt-get install nginx-light"
    return found


@dataclass
class Gateway:
    """A running gateway with its four services."""

    home: Path
    citizens: int
    staff: int
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]]
    environment: dict[str, str]

    @property
    def var(self) -> Path:
        return self.home / "var"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.citizens}"

    @property
    def staff_url(self) -> str:
        return f"https://localhost:{self.staff}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.home / "gateway" / "tls.crt"))

    def transport(self) -> httpx2.HTTPTransport:
        return httpx2.HTTPTransport(verify=self.trust, http2=False)


def certificate(folder: Path) -> None:
    """A self-signed certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.key").write_bytes(private)


def configured(home: Path, ports: dict[str, int], citizens: int, staff: int) -> Path:
    """The deployed files with this machine's ports and certificate in the three files that are meant to differ."""
    folder = home / "gateway"
    shutil.copytree(FILES, folder)
    certificate(folder)
    upstreams = "".join(f"upstream {s} {{ server 127.0.0.1:{port}; }}\n" for s, port in ports.items())
    (folder / "upstreams.conf").write_text(upstreams)
    tls = (folder / "tls.conf").read_text()
    tls = tls.replace("/run/secrets/tls_certificate", str(folder / "tls.crt"))
    (folder / "tls.conf").write_text(tls.replace("/run/secrets/tls_key", str(folder / "tls.key")))
    for name, port in (("citizens", citizens), ("staff", staff)):
        (folder / f"listen-{name}.conf").write_text(
            f"listen 127.0.0.1:{port} ssl http2;\nserver_name localhost;\n"
        )
    return folder


@contextlib.contextmanager
def running(home: Path, settings: dict[str, str]) -> Iterator[Gateway]:
    """Database, services, gateway; all ended at the end."""
    folder = Folder(home / "var")
    folder.prepare()
    ports = {service: free_port() for service in SERVICES}
    made = Gateway(home, free_port(), free_port(), ports, {}, {})
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(ensure_cluster(folder.var / "postgres", durable=False))
        urls = first_run.prepare_database(cluster, folder)
        first_run.directory(folder, first_run.now())
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ADAL_")}
        made.environment |= {**first_run.environment(folder, urls), **settings}
        env = {**clean, **made.environment}
        for service in SERVICES:
            _start(stack, made, service, _uvicorn(service, ports[service]), env)
        config = configured(home, ports, made.citizens, made.staff)
        command = [nginx(), "-p", str(config), "-c", str(config / "nginx.conf"), "-g", "daemon off;"]
        _start(stack, made, "nginx", command, clean)
        for service in SERVICES:  # one that is still starting would be a 502
            _wait(f"http://127.0.0.1:{ports[service]}/readyz", made.trust)
        _wait(f"{made.url}/api/rewards/v1/mci", made.trust)
        yield made


def _uvicorn(service: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", "--factory", f"services.{service}.app:create_app"]
    return [*command, "--port", str(port), "--no-access-log", "--no-server-header", "--log-level", "critical"]


def _start(
    stack: contextlib.ExitStack, made: Gateway, name: str, command: list[str], env: dict[str, str]
) -> None:
    output = stack.enter_context((made.home / f"{name}.output").open("wb"))
    process = subprocess.Popen(
        command, env=env, cwd=REPOSITORY, stdout=output, stderr=output, start_new_session=True
    )
    made.processes[name] = process
    stack.callback(_stop, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(url: str, trust: ssl.SSLContext) -> None:
    for _ in range(300):
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(url, verify=trust, timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError("a service or the gateway does not answer")
