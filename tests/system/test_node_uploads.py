"""A large attachment sent by `web/client` in Node over a line that breaks, to a separately started server."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from services.cli.here import Here
from tests.intake.tus import noise
from tests.system.conftest import Server
from tests.system.office import Office, new_report, node, nothing_readable, opened_office
from tests.system.test_markers import marker

SIZE = (20 << 20) + 12_345
CUTS = 6


@dataclass
class BadLine:
    """A relay to a port on loopback. It resets connections after a random number of bytes sent, `CUTS` times.

    Only what sends more than 100 KB in one request is cut: with a draft, that is nothing but the uploads.
    """

    target: int
    random: Random
    cuts: int = 0
    sent: int = 0
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self._back, args=(server, client), daemon=True).start()
        left = self.random.randrange(100_000, 5 << 20)
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                left -= len(data)
                self.sent += len(data)
                if left < 0 and self.cuts < CUTS:
                    self.cuts += 1
                    break
                server.sendall(data)
        for end in (client, server):
            reset(end)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


def reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@pytest.fixture(scope="module")
def office(server: Server) -> Iterator[Office]:
    here = Here(server.url, server.var, None)
    with opened_office(server.home, here, here) as made:
        yield made


@pytest.fixture
def bad_line(server: Server) -> Iterator[BadLine]:
    line = BadLine(server.port, Random("uploads"))
    thread = threading.Thread(target=line.serve, daemon=True)
    thread.start()
    yield line
    line.listening.shutdown(socket.SHUT_RDWR)
    line.listening.close()
    thread.join(10)


def test_a_large_attachment_arrives_whole_over_a_line_that_breaks(
    office: Office, bad_line: BadLine, tmp_path: Path
) -> None:
    mark = marker()
    content = mark.encode() * 1000 + noise(SIZE)
    (tmp_path / "video.mp4").write_bytes(content)
    (tmp_path / "empty.bin").write_bytes(b"")
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
    given = {
        "answers": report.answers,
        "fields": report.fields,
        "attachments": [
            {"path": str(tmp_path / "video.mp4"), "name": f"{mark}.mp4", "type": "video/mp4"},
            str(tmp_path / "empty.bin"),
        ],
    }
    breaking = replace(office, here=replace(office.here, url=bad_line.url))
    filed = node(breaking, "file", given)
    assert bad_line.cuts == CUTS
    assert bad_line.sent < 2 * SIZE  # what had arrived was not sent again

    desk = office.signed_in(office.desk)
    case = desk.case(desk.find(filed["reference"]).id)
    assert [line.name for line in case.attachments] == [f"{mark}.mp4", "empty.bin"]
    found = [desk.download(case, line, tmp_path / "desk").read_bytes() for line in case.attachments]
    assert found == [content, b""]
    nothing_readable(office, [mark, filed["receipt"]])
