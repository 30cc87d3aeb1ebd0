"""Uploads to a real server process: killed, cut off, kept waiting, and watched for the memory it takes."""

import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from services.crypto.attachments import Envelope, open_attachment, open_attachment_stream
from services.kit.blobs import LocalBlobs
from tests.crypto.builders import identity
from tests.intake.builders import API, Sql
from tests.intake.serving import Process
from tests.intake.tus import OCTETS, STEP, TUS, UPLOADS, files_of, noise

pytestmark = pytest.mark.anyio
READER = identity("report")
SCRIPT = Path(__file__).parent / "node" / "tus_upload.mjs"
CLIENT = Path(__file__).parents[2] / "web" / "client" / "node_modules" / "tus-js-client"


@pytest.fixture
def server(apps: Any, environment: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    """A server on the database where the directory is published, with a blob store of its own."""
    own = {
        "ADAL_INTAKE_BLOBS_FOLDER": str(tmp_path / "blobs"),
        "ADAL_INTAKE_SEGMENT_BYTES": str(STEP),
        "ADAL_INTAKE_POOL_SIZE": "2",
    }
    process = Process({**environment, **own}, tmp_path / "output")
    process.start()
    yield process
    process.stop()
    # A cut connection is no failure of ours.
    assert "request-failed" not in process.output.read_text()


class Remote:
    """An upload at a server that may be killed at any time."""

    def __init__(self, server: Process, mode: str, length: int) -> None:
        self.server, self.length = server, length
        draft = httpx2.post(f"{server.url}{API}/drafts", json={"mode": mode}).json()
        self.secret: str = draft["draft"]
        answer = httpx2.post(f"{server.url}{UPLOADS}", headers={**self.headers, "Upload-Length": str(length)})
        assert answer.status_code == 201, answer.text
        self.path: str = answer.headers["location"]

    @property
    def headers(self) -> dict[str, str]:
        return {**TUS, "Authorization": f"Bearer {self.secret}"}

    def offset(self) -> int:
        answer = httpx2.head(self.server.url + self.path, headers=self.headers, timeout=30)
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])

    def patch(self, offset: int, data: Any, **headers: str) -> httpx2.Response:
        sent = {**self.headers, "Content-Type": OCTETS, "Upload-Offset": str(offset), **headers}
        return httpx2.patch(self.server.url + self.path, content=data, headers=sent, timeout=300)

    def begin(self, offset: int, length: int) -> socket.socket:
        """A connection on which the body of a PATCH is expected."""
        lines = {
            **self.headers, "Host": "localhost", "Content-Type": OCTETS, "Upload-Offset": str(offset),
            "Content-Length": str(length),
        }  # fmt: skip
        connection = socket.create_connection(("127.0.0.1", self.server.port))
        head = f"PATCH {self.path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
        connection.sendall(head.encode())
        return connection

    def await_offset(self, at_least: int, timeout: float = 20) -> int:
        end = time.monotonic() + timeout
        while (found := self.offset()) < at_least:
            assert time.monotonic() < end, found
            time.sleep(0.02)
        return found


def sealed_to_reader(sql: Sql) -> None:
    sql("UPDATE intake.drafts SET report_recipient = %s WHERE mode = 'plain'", str(READER.recipient))


def stored(server: Process, sql: Sql) -> tuple[LocalBlobs, str, Envelope]:
    """The one upload of the database: its store, its name there, and the envelope that opens it in plain mode."""
    rows = sql("SELECT blob, length, stored, segments, sha256 FROM intake.uploads WHERE received = length")
    ((blob, length, size, segments, digest),) = rows
    blobs = LocalBlobs(Path(server.environment["ADAL_INTAKE_BLOBS_FOLDER"]))
    assert blobs.size(blob) == size
    assert blobs.digest(blob) == bytes(digest)
    pairs = tuple((plain, file) for plain, file in segments or ())
    return blobs, blob, Envelope(0, "a", "video/mp4", length, None, bytes(digest), pairs or None)


def content(server: Process, mode: str, sql: Sql) -> bytes:
    blobs, blob, envelope = stored(server, sql)
    return blobs.read(blob) if mode == "sealed" else open_attachment(blobs.read(blob), envelope, READER)


@pytest.mark.parametrize("mode", ["sealed", "plain"])
async def test_a_server_that_is_killed_at_random_goes_on_where_the_disk_stands(
    server: Process, sql: Sql, mode: str
):
    random, data = Random(mode), noise(40 * STEP + 123)
    upload = Remote(server, mode, len(data))
    sealed_to_reader(sql)
    for _ in range(4):
        at = upload.offset()
        connection = upload.begin(at, len(data) - at)
        sending = threading.Thread(target=_send, args=(connection, data[at : at + 9 * STEP]))
        sending.start()
        time.sleep(random.uniform(0.0, 0.25))
        server.kill()
        sending.join()
        connection.close()
        server.start()
        assert upload.offset() >= at  # what was counted before stays
    at = upload.offset()
    assert 0 < at < len(data)  # the kills came in the middle
    assert upload.patch(at, data[at:]).status_code == 204
    assert content(server, mode, sql) == data
    assert len(files_of(Path(server.environment["ADAL_INTAKE_BLOBS_FOLDER"]))) == 1


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        for start in range(0, len(data), 10_000):
            connection.sendall(data[start : start + 10_000])
            time.sleep(0.001)
    except OSError:
        pass  # killed, as it should be


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("mode", ["sealed", "plain"])
async def test_a_cut_connection_keeps_what_came(server: Process, sql: Sql, mode: str, reset: bool):
    data = noise(3 * STEP)
    upload = Remote(server, mode, len(data))
    sealed_to_reader(sql)
    connection = upload.begin(0, len(data))
    connection.sendall(data[: STEP + 5_000])
    upload.await_offset(STEP)  # the server has counted the first step, and holds the rest in memory
    time.sleep(0.2)
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    assert upload.await_offset(STEP + 5_000) == STEP + 5_000
    assert upload.patch(STEP + 5_000, data[STEP + 5_000 :]).status_code == 204
    assert content(server, mode, sql) == data


async def test_clients_that_wait_and_hold_uploads_open_do_not_block_others(server: Process):
    """Twelve silent uploads, and a pool of two connections to the database."""
    uploads = [Remote(server, "plain", 100) for _ in range(12)]
    connections = [upload.begin(0, 100) for upload in uploads]
    for connection in connections:
        connection.sendall(b"some")
    time.sleep(0.3)
    begun = time.monotonic()
    quick = Remote(server, "sealed", 4)
    assert quick.patch(0, b"1234").status_code == 204
    assert httpx2.get(f"{server.url}/readyz").status_code == 200
    assert time.monotonic() - begun < 10
    assert uploads[0].patch(0, b"x").status_code == 423
    for connection in connections:
        connection.close()
    assert uploads[0].await_offset(4) == 4


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sealed", "plain"])
async def test_the_memory_of_the_server_does_not_grow_with_a_file(
    apps: Any, environment: dict[str, str], tmp_path: Path, sql: Sql, mode: str
):
    """256 MiB through a server with the true segments of 8 MiB."""
    server = Process(
        {**environment, "ADAL_INTAKE_BLOBS_FOLDER": str(tmp_path / "blobs")}, tmp_path / "output"
    )
    server.start()
    block, count = noise(1 << 20), 256
    try:
        upload = Remote(server, mode, count << 20)
        sealed_to_reader(sql)
        idle = server.status("VmRSS")
        whole = upload.patch(0, (block for _ in range(count)), **{"Content-Length": str(count << 20)})
        assert (whole.status_code, whole.headers["upload-offset"]) == (204, str(count << 20))
        assert server.status("VmHWM") - idle < 48 << 20
    finally:
        server.stop()
    blobs, blob, envelope = stored(server, sql)
    opened = blobs.open_stream(blob)
    if mode == "plain":
        opened = open_attachment_stream(opened, envelope, READER)
    digest = sha256()
    for chunk in opened:
        digest.update(chunk)
    assert digest.digest() == sha256(block * count).digest()


@pytest.mark.skipif(not CLIENT.is_dir(), reason="npm ci has not run in web/client")
@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
@pytest.mark.parametrize("mode", ["sealed", "plain"])
async def test_the_real_tus_client_gets_through_aborts_and_resumes(
    server: Process, sql: Sql, tmp_path: Path, mode: str
):
    data = noise(30 * STEP + 77)
    source = tmp_path / "source"
    source.write_bytes(data)
    draft = httpx2.post(f"{server.url}{API}/drafts", json={"mode": mode}).json()
    sealed_to_reader(sql)
    order = {
        "endpoint": f"{server.url}{UPLOADS}", "file": str(source), "secret": draft["draft"],
        "aborts": 6, "seed": 7, "chunkSize": 3 * STEP + 11,
    }  # fmt: skip
    run = subprocess.run(
        ["node", str(SCRIPT), json.dumps(order)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ},
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["aborts"] == 6
    assert told["uploaded"] == len(data)
    assert content(server, mode, sql) == data
