"""A package for another body: sealed here, opened with stock tools only, recorded, and without who reported."""

import base64
import hashlib
import io
import json
import stat
import subprocess
import tarfile
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.client import folder
from services.client.cases import OpenedCase
from services.client.errors import Problem
from services.client.filing import Filed
from services.client.forwarding import Wanted, make_package, recipient_of
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto import age
from services.crypto.age import HybridIdentity, Passphrase, X25519Identity
from services.crypto.errors import FormatError, Refused
from services.crypto.packages import NewAttachment
from tests.client.people import Team
from tests.crypto.test_age_npm import run as npm
from tests.system.office import new_report

FILES = [
    NewAttachment("Құжат №5.pdf", "application/pdf", b"pdf of the reporter"),
    NewAttachment("../../etc/passwd\u202e.exe", "text/plain", b"hostile name" * 3000),
]


@pytest.fixture
def reporter(team: Team) -> Iterator[Reporter]:
    with team.reporter() as made:
        yield made


@pytest.fixture
def desk(team: Team) -> Iterator[StaffSession]:
    with closing(team.signed_in("forwarding.desk", "desk")) as session:
        yield session


@pytest.fixture(scope="module")
def form(team: Team) -> dict[str, Any]:
    with team.reporter() as reporter:
        return reporter.form()


def filed(reporter: Reporter, mark: str, **changes: Any) -> Filed:
    report = replace(new_report(reporter, mark), attachments=FILES, **changes)
    return reporter.file_sealed(report)


def opened(session: StaffSession, reference: str) -> OpenedCase:
    return session.case(session.find(reference).id)


def wanted(form: dict[str, Any], *to: age.Recipient, messages: frozenset[int] | None = None) -> Wanted:
    return Wanted(form["lists"]["bodies"]["items"][0]["code"], to, messages)


def untar(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        return {one.name: found.extractfile(one).read() for one in found.getmembers()}  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["hybrid", "x25519"])
def test_a_body_opens_it_with_stock_tools_and_finds_everything_but_the_identity(
    reporter: Reporter, desk: StaffSession, form: dict[str, Any], tmp_path: Path, kind: str
):
    mark = f"fwd-{kind}"
    known = filed(reporter, mark)
    desk.answer(opened(desk, known.reference), "an invented question")
    reporter.inbox(known.receipt).send(
        "an invented reply", [NewAttachment("more.txt", "text/plain", b"more")]
    )
    case, key = (
        opened(desk, known.reference),
        (HybridIdentity if kind == "hybrid" else X25519Identity).generate(),
    )
    path = tmp_path / "package.age"
    made = make_package(desk, case, form, wanted(form, recipient_of(str(key.recipient))), path)
    data = path.read_bytes()
    assert (made.size, made.sha256) == (len(data), hashlib.sha256(data).digest())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]

    job = {"op": "decrypt", "identities": [str(key)], "file": base64.b64encode(data).decode()}
    archive = tmp_path / "package.tar"
    archive.write_bytes(base64.b64decode(npm([job])[0]["plaintext"]))
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True, env=environment)
    check = ["sha256sum", "-c", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr

    names = sorted(file.name for file in (tmp_path / "attachments").iterdir())
    assert names == ["001-Құжат №5.pdf", "002-passwd.exe", "003-more.txt"]
    assert (tmp_path / "attachments" / names[1]).read_bytes() == FILES[1].data
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["answers"]["what"] == f"{mark} what"
    assert [(one["by"], one["text"]) for one in report["messages"]] == [
        ("desk", "an invented question"), ("reporter", "an invented reply"),
    ]  # fmt: skip
    for language, words in (("kk", "Сыбайлас жемқорлық"), ("ru", "Сообщение о коррупции")):
        cover = (tmp_path / f"cover-{language}.txt").read_text()
        assert words in cover
        assert known.reference in cover
        assert "an invented reply" in (tmp_path / f"report-{language}.txt").read_text()
    everything = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert f"{mark} name".encode() not in everything, "who the reporter is, is never inside"
    for secret in (str(case.reporter), *map(str, case.keyring.newest_first)):
        assert secret.encode() not in everything


def test_what_was_made_is_recorded_and_shown_with_the_case(
    reporter: Reporter, desk: StaffSession, form: dict[str, Any], tmp_path: Path
):
    case = opened(desk, filed(reporter, "recorded").reference)
    key = HybridIdentity.generate()
    made = make_package(desk, case, form, wanted(form, key.recipient), tmp_path / "p.age")
    (line,) = folder.folder(desk, case.line.id).packages
    assert (line.sha256, line.size, line.by) == (made.sha256, made.size, desk.me().person.id)
    assert line.body == form["lists"]["bodies"]["items"][0]["code"]


def test_without_the_record_there_is_no_package(
    reporter: Reporter, desk: StaffSession, team: Team, form: dict[str, Any], tmp_path: Path
):
    case = opened(desk, filed(reporter, "unrecorded").reference)
    to, path = HybridIdentity.generate().recipient, tmp_path / "p.age"
    lost = replace(case, sealed=replace(case.sealed, line=replace(case.line, id="0" * 32)))
    with pytest.raises(Problem):
        make_package(desk, lost, form, wanted(form, to), path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FormatError):
        make_package(desk, case, form, Wanted("nobody", [to]), path)
    with pytest.raises(FormatError):
        make_package(desk, case, form, wanted(form, to, messages=frozenset({99})), path)
    path.write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        make_package(desk, case, form, wanted(form, to), path)
    assert path.read_bytes() == b"kept"
    assert folder.folder(desk, case.line.id).packages == ()


def test_a_passphrase_opens_it_too_and_messages_can_be_left_out(
    reporter: Reporter, desk: StaffSession, form: dict[str, Any], tmp_path: Path
):
    known = filed(reporter, "phrase")
    desk.answer(opened(desk, known.reference), "first"), desk.answer(opened(desk, known.reference), "second")
    case = opened(desk, known.reference)
    for chosen, texts in ((frozenset({case.messages[1].number}), ["second"]), (frozenset(), [])):
        path = tmp_path / f"{len(texts)}.age"
        to = Passphrase("an invented passphrase", log_n=10)
        make_package(desk, case, form, wanted(form, to, messages=chosen), path)
        job = {"op": "decrypt", "passphrase": to.text, "file": base64.b64encode(path.read_bytes()).decode()}
        files = untar(base64.b64decode(npm([job])[0]["plaintext"]))
        assert [one["text"] for one in json.loads(files["report.json"])["messages"]] == texts


def test_an_attachment_that_is_not_the_one_of_the_envelope_stops_it(
    reporter: Reporter, desk: StaffSession, form: dict[str, Any], tmp_path: Path
):
    case = opened(desk, filed(reporter, "swapped").reference)
    envelopes = case.narrative.envelopes
    wrong = (replace(envelopes[0], sha256=bytes(32)), *envelopes[1:])
    case = replace(case, narrative=replace(case.narrative, envelopes=wrong))
    with pytest.raises(Refused):
        make_package(desk, case, form, wanted(form, HybridIdentity.generate().recipient), tmp_path / "p.age")
    assert list(tmp_path.iterdir()) == []


def test_large_attachments_stream_through(
    reporter: Reporter, desk: StaffSession, form: dict[str, Any], tmp_path: Path
):
    large = [NewAttachment(f"{i}.bin", "video/mp4", bytes([i]) * (6 << 20)) for i in range(2)]
    report = replace(new_report(reporter, "large"), attachments=large)
    case = opened(desk, reporter.file_sealed(report).reference)
    to = wanted(form, HybridIdentity.generate().recipient)
    tracemalloc.start()
    try:
        made = make_package(desk, case, form, to, tmp_path / "p.age")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.size > 12 << 20
    assert most < 5 << 20


@pytest.mark.parametrize("text", ["", "age1", "AGE-SECRET-KEY-1X", "ssh-ed25519 AAAA", "age1pq1xyz"])
def test_what_is_no_key_of_a_body_is_refused(text: str):
    with pytest.raises(FormatError):
        recipient_of(text)


def test_keys_of_both_kinds_are_not_mixed(
    reporter: Reporter, desk: StaffSession, form: dict[str, Any], tmp_path: Path
):
    case = opened(desk, filed(reporter, "mixed").reference)
    to: list[age.Recipient] = [HybridIdentity.generate().recipient, X25519Identity.generate().recipient]
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(Refused))
        make_package(desk, case, form, wanted(form, *to), tmp_path / "p.age")
    assert list(tmp_path.iterdir()) == []
