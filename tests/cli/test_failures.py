"""Whatever goes wrong is one sentence and an exit code; no traceback, nothing of what was typed."""

import json
import socket
from pathlib import Path

import pytest

from services.cli.failures import Trouble, Wrong, explain
from services.cli.main import Root
from services.client.errors import BadAnswer, ClientError, NotUnlocked, Problem, Unproven, Unreachable
from services.crypto.canonical import b64u
from services.crypto.errors import BadSignature, FormatError, Refused, WrongKey
from services.crypto.receipts import ReceiptError, new_receipt
from tests.cli.conftest import Run
from tests.client.local import Reply, in_turn, problem, serving
from tests.crypto.builders import world

MARKER = "MARKER-of-a-secret"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Wrong("x"), 2),
        (Trouble("x"), 1),
        (Problem("urn:adal:problem:invalid", "Invalid", 422, "No."), 2),
        (Problem("urn:adal:problem:sign-in", "Sign-in", 401, "No."), 2),
        (Problem("urn:adal:problem:too-many-attempts", "Wait", 429, "No.", retry_after=9), 1),
        (Problem("about:blank", "Bad gateway", 502, ""), 1),
        (Unreachable(), 1),
        (BadAnswer(), 1),
        (NotUnlocked(), 1),
        (Unproven(), 1),
        (ClientError("x"), 1),
        (ReceiptError("length"), 2),
        (ReceiptError("check"), 2),
        (WrongKey("x"), 2),
        (BadSignature("x"), 1),
        (FormatError("x"), 1),
        (Refused("x"), 1),
        (LookupError(MARKER), 2),
        (FileNotFoundError(2, "No such file", MARKER), 2),
        (UnicodeDecodeError("utf-8", MARKER.encode(), 0, 1, "x"), 2),
        (RuntimeError(MARKER), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_failure_is_a_sentence(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]):
    assert explain(error) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip()
    assert MARKER not in said.err
    assert "Traceback" not in said.err


def test_a_problem_shows_its_fields_and_when_to_come_back(capsys: pytest.CaptureFixture[str]):
    explain(Problem("t", "T", 422, "Not valid.\x1b[31m", (("/fields/year", "Out of range."),), 7))
    said = capsys.readouterr().err
    assert "Not valid." in said
    assert "  /fields/year: Out of range." in said
    assert "7 seconds" in said
    assert "\x1b" not in said


def test_an_unexpected_error_inside_a_command_has_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError(MARKER)

    monkeypatch.setattr(Root, "invoke", broken)
    found = run("log", "verify")
    assert found.code == 1
    assert found.err == "Something unexpected went wrong (RuntimeError).\n"


@pytest.fixture
def roots(empty: Path) -> Path:
    path = empty / "roots.json"
    path.write_text(json.dumps({"roots": [b64u(root) for root in world().root_keys]}))
    return path


def test_a_server_that_is_not_there_is_trouble(run: Run, roots: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    found = run("--url", url, "--roots", roots, "log", "verify")
    assert found.code == 1
    assert "cannot be reached" in found.err
    assert "недоступен" in run("--lang", "ru", "--url", url, "--roots", roots, "log", "verify").err


def test_a_server_that_is_something_else_is_trouble(run: Run, roots: Path):
    with serving(in_turn(Reply(200, b"<html>"))) as local:
        assert run("--url", local.url, "--roots", roots, "log", "verify").code == 1
    with serving(in_turn(problem("unavailable", 503))) as local:
        assert run("--url", local.url, "--roots", roots, "log", "verify").code == 1


def test_addresses_without_encryption_are_refused(run: Run, roots: Path):
    found = run("--url", "http://adal.example", "--roots", roots, "log", "verify")
    assert found.code == 1
    assert "https://" in found.err


def test_missing_roots_are_explained(run: Run, empty: Path):
    for extra in ([], ["--roots", "nowhere.json"], ["--roots", "bad.json"]):
        (empty / "bad.json").write_text('{"roots": ["x"]}')
        found = run(*extra, "log", "verify")
        assert found.code == 2
        assert "--roots FILE" in found.err


def test_a_receipt_on_the_command_line_is_refused_and_not_repeated(run: Run, empty: Path):
    receipt = new_receipt()
    for args in (["inbox", "show", "--receipt", receipt], ["inbox", "show", receipt]):
        found = run(*args)
        assert found.code == 2
        assert receipt not in found.text
    assert "history" in run("inbox", "show", "--receipt", receipt).err


def test_nothing_typed_is_trouble_and_not_a_loop(run: Run, empty: Path):
    found = run("inbox", "show")
    assert found.code == 130
    assert "Stopped." in found.err
