"""What must hold of the running stack."""

# ruff: noqa: S101
import json
import re
from dataclasses import replace

import httpx2

from deploy.verify.ceremony import Production
from deploy.verify.stack import CITIZENS, OUTSIDE, PROGRAMS, SERVICES, STAFF, Stack
from services.client.filing import FileAttachment
from services.crypto.packages import NewAttachment
from tests.system.office import dialogue, new_report, nothing_readable
from tests.system.test_markers import marker, spellings

USERS = {**dict.fromkeys((*SERVICES, *PROGRAMS), 10001), "gateway": 101, "postgres": 999}
_CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def tried(target):
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        return "open"
    except OSError as exc:
        return type(exc).__name__

targets = sys.argv[1:]
with ThreadPoolExecutor(len(targets)) as pool:
    for target, result in zip(targets, pool.map(tried, targets)):
        print(target, result)
"""
_ADDRESS = re.compile(rb"(?<![\d.])(?!0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")


def confined(made: Stack) -> None:
    """No root, no capability, no new privileges, no core dump, nothing writable, no port but the gateway's."""
    values = [path.read_text().strip() for path in (made.server / "deploy" / "secrets").glob("*_*")]
    assert len(values) == 29
    for service, uid in USERS.items():
        status = dict(
            line.split(":\t", 1) for line in made.inside(service, "cat", "/proc/1/status").splitlines()
        )
        assert set(status["Uid"].split()) == {str(uid)}, service
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, service
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), service
        limits = made.inside(service, "cat", "/proc/1/limits")
        assert re.search(r"Max core file size +0 +0", limits), service
        for place in ("/probe", "/etc/probe", "/app/probe", "/usr/local/bin/probe"):
            said = made.inside(
                service, "sh", "-c", f"touch {place} 2>/dev/null && echo written || echo refused"
            )
            assert said.strip() == "refused", (service, place)
        found = made.inspect(service)
        assert found["HostConfig"]["ReadonlyRootfs"], service
        assert bool(found["HostConfig"]["PortBindings"]) == (service == "gateway")
        assert not [value for value in values if value in json.dumps(found)], service
    for service in (*SERVICES, *PROGRAMS):
        folders = set(made.inside(service, "ls", "/app/services").split())
        assert folders == {"__init__.py", "kit", "contracts", "crypto", service}, folders
    assert made.inspect("migrations")["State"]["ExitCode"] == 0


def networks(made: Stack) -> None:
    """A service reaches its database and the gateway: no other service, by name or by address, and no way out."""
    addresses = {
        service: [
            found["IPAddress"] for found in made.inspect(service)["NetworkSettings"]["Networks"].values()
        ]
        for service in SERVICES
    }
    for service in SERVICES:
        others = [
            f"{host}:8000" for other in SERVICES if other != service for host in (other, *addresses[other])
        ]
        open_ones = ["postgres:5432", "gateway:443", "127.0.0.1:8000"]
        others.append(OUTSIDE)
        # The internal port is there for those who ask it, and for nobody else.
        (open_ones if service in ("rewards", "registry") else others).append("intake-feed:8000")
        _reaches(made, service, open_ones, others)
    # The programs ask the internal port and get out: nothing else of the stack is there for them.
    inside = [
        "postgres:5432",
        "gateway:443",
        *(f"{address}:8000" for found in addresses.values() for address in found),
    ]
    for program in PROGRAMS:
        _reaches(made, program, ["intake-feed:8000", OUTSIDE], inside)
    # The two controls: what the services cannot reach is there.
    assert "<title>" in made.inside("gateway", "curl", "-sm", "5", f"http://{OUTSIDE}/")
    for service in SERVICES:
        # One of its addresses is on its edge, where the gateway sees it; the others where nobody else is.
        asked = [
            made.inside("gateway", "sh", "-c", f"curl -sm 3 http://{address}:8000/readyz || true")
            for address in addresses[service]
        ]
        assert [said for said in asked if said] == ['{"status":"ready"}'], (service, asked)


def _reaches(made: Stack, service: str, open_ones: list[str], others: list[str]) -> None:
    said = made.inside(service, "python", "-c", _CONNECT, *open_ones, *others).splitlines()
    found = dict(line.rsplit(" ", 1) for line in said)
    assert [target for target, result in found.items() if result == "open"] == open_ones, (service, found)
    assert len(found) == len(open_ones) + len(others)


def told(made: Stack) -> None:
    """Each consumer has asked the internal port with its own token."""
    words = "SELECT string_agg(consumer, ',' ORDER BY consumer) FROM intake.feed_consumers"
    query = f'PGPASSWORD="$(cat /run/secrets/postgres_password)" psql -h 127.0.0.1 -U postgres -d adal -Atc "{words}"'
    said = made.inside("postgres", "sh", "-c", query).strip()
    assert said == "mail,notifier,registry,rewards,webhooks", said


def journey(made: Stack, office: Production) -> list[str]:
    """Report with files, one of them uploaded in pieces, desk, investigator, question, answer, new code; then a plain
    one. The words that must stay secret."""
    mark, video = marker(), made.home / "video.mp4"
    video.write_bytes(mark.encode() * (1 << 20))
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
        files = {item.name: item.data for item in report.attachments if isinstance(item, NewAttachment)}
        files["video.mp4"] = video.read_bytes()
        attached = [*report.attachments, FileAttachment(video, "video.mp4", "video/mp4")]
        filed = reporter.file_sealed(replace(report, attachments=attached))
        new = dialogue(office, filed.reference, filed.receipt, mark, files)
        reporter.inbox(new).leave_address(f"{mark}@{CITIZENS}", "kk")
        plain = reporter.file_plain(new_report(reporter, mark, "anonymous"))
    return [mark, filed.receipt, new, plain.receipt]


def second_start(made: Stack, office: Production, words: list[str]) -> None:
    """Stopped and started again, the migration job included: what was filed is there."""
    made.compose("stop", "-t", "20")
    made.up()
    assert made.inspect("migrations")["State"]["ExitCode"] == 0
    with office.here.reporter() as reporter:
        inbox = reporter.inbox(words[2])
        assert inbox.replies[-1].text == f"{words[0]} thanks"
        # The first question was sealed to the receipt that was replaced.
        assert [one.reason for one in inbox.rejected] == ["key"]


def origins() -> None:
    """Citizens reach no staff route, staff no citizens' page, nobody the health of a service."""
    expected = {
        f"https://{CITIZENS}/api/intake/v1/key-directory": 200,
        f"https://{CITIZENS}/kk": 200,
        f"https://{CITIZENS}/api/accounts/v1/me": 404,
        f"https://{CITIZENS}/api/intake/v1/staff/cases": 404,
        f"https://{CITIZENS}/readyz": 404,
        f"https://{STAFF}/api/accounts/v1/me": 401,
        f"https://{STAFF}/api/intake/v1/staff/cases": 401,
        f"https://{STAFF}/kk": 404,
        f"https://{STAFF}/readyz": 404,
    }
    found = {url: httpx2.get(url, follow_redirects=True).status_code for url in expected}
    assert found == expected, found


def nothing_left(made: Stack, words: list[str]) -> None:
    """No word of the journey in a volume or a log, and no address in a log."""
    office_home = made.data / "volumes"
    nothing_readable(Production(office_home, *(None,) * 6), words)  # type: ignore[arg-type]
    logs = list((made.data / "containers").glob("*/*-json.log"))
    assert len(logs) == len(USERS) + 2  # the migration job and the internal port
    for path in logs:
        text = path.read_bytes()
        assert not [word for word in words for spelling in spellings(word) if spelling in text], path
        assert not _ADDRESS.findall(text), (path, _ADDRESS.findall(text)[:3])
        assert b"client" not in text, path
