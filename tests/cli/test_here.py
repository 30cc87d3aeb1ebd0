"""Roots are pinned, secrets are private, receipts are typed."""

import io
import json
from pathlib import Path

import pytest

from services.cli.failures import Trouble, Wrong
from services.cli.here import Here, dev_file, read_json, read_receipt, read_secrets
from services.crypto.canonical import b64u
from services.crypto.receipts import ReceiptError, format_receipt, new_receipt
from tests.crypto.builders import world


def here(var: Path, roots: Path | None = None) -> Here:
    return Here("http://localhost:1", var, roots)


def test_roots_come_from_the_file_given_or_the_folder(tmp_path: Path):
    (tmp_path / "dev").mkdir()
    content = json.dumps({"roots": [b64u(root) for root in world().root_keys]})
    (tmp_path / "dev" / "roots.json").write_text(content)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"roots": [b64u(bytes(32))]}))
    assert here(tmp_path).roots() == world().root_keys
    assert here(tmp_path, other).roots() == [bytes(32)]
    with pytest.raises(Wrong):
        here(tmp_path / "nowhere").roots()


def test_memory_is_kept_in_a_development_folder_only(tmp_path: Path):
    here(tmp_path).memory(world().root_keys).saw_directory(world().document)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "dev").mkdir()
    here(tmp_path).memory(world().root_keys).saw_directory(world().document)
    assert here(tmp_path).memory(world().root_keys).last == world().directory
    assert Here("http://localhost:2", tmp_path, None).memory(world().root_keys).last is None


def test_a_file_of_secrets_must_be_private_and_whole(tmp_path: Path):
    path = tmp_path / "secrets"
    path.write_text('{"login": "a", "password": "MARKER", "passphrase": "MARKER"}')
    path.chmod(0o644)
    with pytest.raises(Wrong, match="chmod 600"):
        read_secrets(path)
    path.chmod(0o600)
    found = read_secrets(path)
    assert (found.login, found.totp_secret, found.passphrase) == ("a", None, "MARKER")
    assert "MARKER" not in repr(found)
    for text in ('{"login": "a"}', "[]", "MARKER"):
        path.write_text(text)
        with pytest.raises(Wrong) as caught:
            read_secrets(path)
        assert "MARKER" not in str(caught.value)


def test_deep_json_is_refused(tmp_path: Path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(Wrong):
        read_json(path)


def test_a_receipt_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch):
    receipt = new_receipt()
    monkeypatch.setattr("sys.stdin", io.StringIO(format_receipt(receipt) + "\nand the rest"))
    assert read_receipt("-") == receipt
    monkeypatch.setattr("sys.stdin", io.StringIO("12\n"))
    with pytest.raises(ReceiptError):
        read_receipt("-")


def test_a_mistyped_receipt_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    receipt = new_receipt()
    wrong = receipt[:-1] + str((int(receipt[-1]) + 1) % 10)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"1234\n{wrong}\n{format_receipt(receipt)}\n"))
    assert read_receipt(None) == receipt
    said = capsys.readouterr().err
    assert "24 digits" in said
    assert "A digit of the receipt code is wrong" in said
    monkeypatch.setattr("sys.stdin", io.StringIO("no receipt\n" * 9))
    with pytest.raises(Wrong):
        read_receipt(None)


def test_development_files_that_are_not_there_are_explained(tmp_path: Path):
    with pytest.raises(Trouble):
        dev_file(here(tmp_path), "administrator.json")
