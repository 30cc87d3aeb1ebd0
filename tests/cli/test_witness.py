"""The commands of a witness at the terminal: key, memory, what is refused and with which exit code."""

import fcntl
import json
import re
from pathlib import Path

import pytest

from services.client.directory import Directories
from services.client.witness import KEY, STATE
from services.crypto import tlog
from services.crypto.canonical import b64u
from services.crypto.notes import COSIGNATURE, VerifierKey, split_note
from tests.cli.conftest import Run
from tests.client.local import serving
from tests.client.test_log import random_entries
from tests.client.test_witness import WatchedLog
from tests.crypto.builders import NOW, ORIGIN, world


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> WatchedLog:
    """A log whose directory is in force at the time of the world."""
    monkeypatch.setattr(Directories, "clock", property(lambda _self: lambda: NOW, lambda *_: None), False)
    return WatchedLog(random_entries(300))


def roots(tmp_path: Path) -> Path:
    path = tmp_path / "roots.json"
    path.write_text(json.dumps({"roots": [b64u(key) for key in world().root_keys]}))
    return path


def made(run: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "w"
    found = run("witness", "key", "witness.example/1", "--folder", folder)
    assert found.code == 0, found.err
    vkey = re.search(r"witness\.example/1\+\S+", found.out)
    assert vkey is not None
    assert VerifierKey.parse(vkey[0]).kind == COSIGNATURE
    return folder


def test_a_key_is_made_once_and_stays_private(run: Run, tmp_path: Path):
    folder = made(run, tmp_path)
    for name in (KEY, STATE):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert (folder / KEY).read_text() not in run("witness", "show", "--folder", folder).text
    assert run("witness", "key", "witness.example/1", "--folder", folder).code == 2
    assert run("witness", "key", "a b", "--folder", tmp_path / "other").code == 1


def test_a_head_is_signed_and_shown_and_a_fork_ends_with_evidence(run: Run, tmp_path: Path, log: WatchedLog):
    folder, pinned = made(run, tmp_path), roots(tmp_path)
    with serving(log.answer) as local:
        call = ("--url", local.url, "--roots", pinned, "witness", "once", "--folder", folder)
        signed = run(*call)
        assert signed.code == 0, signed.err
        assert "300 entries" in signed.out
        shown = run("witness", "show", "--folder", folder)
        assert "300" in shown.out
        assert ORIGIN in shown.out
        log.entries = random_entries(300)
        log.publish()
        refused = run(*call)
    assert refused.code == 1
    assert "two heads of one size" in refused.err
    assert len(log.brought) == 1
    kept = json.loads(next(folder.glob("evidence-*.json")).read_text())
    heads = [tlog.Checkpoint.parse(split_note(kept[name])[0]) for name in ("known", "shown")]
    assert heads[0].size == heads[1].size == 300
    assert heads[0].root != heads[1].root


def test_without_memory_or_alone_no_longer_nothing_is_signed(run: Run, tmp_path: Path, log: WatchedLog):
    folder, pinned = made(run, tmp_path), roots(tmp_path)
    with serving(log.answer) as local:
        call = ("--url", local.url, "--roots", pinned, "witness", "once", "--folder", folder)
        with (folder / "witness.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            busy = run(*call)
        assert (busy.code, "runs in this folder" in busy.err) == (1, True)
        (folder / STATE).unlink()
        lost = run(*call)
        assert (lost.code, "lost or damaged" in lost.err) == (1, True)
        assert run("witness", "show", "--folder", folder).code == 1
        assert run(*call[:-1], tmp_path / "nowhere").code == 2
        log.files.pop("checkpoint")
    assert not log.brought


def test_a_log_that_has_not_begun_is_said(run: Run, tmp_path: Path, log: WatchedLog):
    folder, pinned = made(run, tmp_path), roots(tmp_path)
    log.files.pop("checkpoint")
    with serving(log.answer) as local:
        found = run("--url", local.url, "--roots", pinned, "witness", "once", "--folder", folder)
    assert (found.code, found.out.strip()) == (0, "The log has not begun yet.")


def test_enrolment_needs_a_development_installation(run: Run, tmp_path: Path):
    folder = made(run, tmp_path)
    found = run("--var", tmp_path / "none", "witness", "enrol-development", "--folder", folder)
    assert found.code == 1
