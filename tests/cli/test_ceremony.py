"""The ceremony leaves what a client accepts, step by step, and never writes over a key."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.cli.ceremony import load
from services.cli.staff import read_group_key, signing_key
from services.crypto.canonical import b64u
from services.crypto.directories import check_directory
from services.crypto.notes import COSIGNATURE, VerifierKey
from services.crypto.servicekeys import read_service_key
from services.crypto.signatures import SigningKey
from services.kit.i18n import LANGUAGES
from tests.cli.conftest import Outcome, Run

WITNESS = str(VerifierKey("witness.example/one", SigningKey.generate().verify_key, COSIGNATURE))
WHO: list[Any] = [
    "--origin", "adal.example/intake", "--root", "Agency", "--root", "Court", "--root", "Bar", "--certifier", "C One",
    "--certifier", "C Two", "--seat", "S One", "--seat", "S Two", "--seat", "S Three", "--threshold", "2",
    "--payment", "P One", "--payment", "P Two", "--witness", WITNESS,
]  # fmt: skip
STEPS = [
    "root-1", "root-2", "root-3", "certifier-1", "certifier-2", "log", "registry", "rewards", "desk",
    "seat-1", "seat-2", "seat-3", "payments-1", "payments-2", "directory",
]  # fmt: skip


def ceremony(run: Run, folder: Path, *words: Any, typed: str = "") -> Outcome:
    return run("keys", "ceremony", folder, *words, typed=typed)


def test_the_whole_ceremony_gives_a_directory_that_clients_accept(run: Run, tmp_path: Path):
    folder = tmp_path / "keys"
    done = ceremony(run, folder, *WHO, "--yes")
    assert done.code == 0, done.text
    document, roots = load(folder)
    directory = check_directory(document, roots, datetime.now(UTC))
    assert (directory.environment, directory.k, directory.n) == ("production", 2, 3)
    assert directory.witnesses == (WITNESS,)
    assert [log.origin for log in directory.logs] == ["adal.example/intake"]
    for seat in (*directory.seats, *directory.payments):
        kind = "seat" if seat in directory.seats else "payments"
        key = read_group_key(folder / "secret" / f"{kind}-{seat.seat}.key")
        assert key.id == f"{kind}-{seat.seat}/{seat.epoch}"
        assert (key.identity.recipient, key.signing and key.signing.verify_key) == (
            seat.recipient,
            seat.verify_key,
        )
    desk = read_group_key(folder / "secret" / "desk.key")
    assert desk.identity.recipient == directory.desks[0].recipient
    certifiers = [signing_key(folder / "secret" / f"certifier-{i}.key").verify_key for i in (1, 2)]
    assert certifiers == [certifier.verify_key for certifier in directory.certifiers]
    assert b64u(directory.digest) in done.out
    for service in ("rewards", "registry"):
        own = read_service_key((folder / "secret" / f"{service}.key").read_bytes())
        assert own.recipient == directory.service(service)


def test_secrets_are_private_and_not_shown(run: Run, tmp_path: Path):
    folder = tmp_path / "keys"
    shown = ceremony(run, folder, *WHO, "--yes").text
    public = b"".join(path.read_bytes() for path in (folder / "public").iterdir())
    for path in (folder / "secret").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for line in path.read_text().splitlines():
            secret = line.removeprefix("# sign: ")
            if not secret.startswith("#"):
                assert secret not in shown
                assert secret.encode() not in public


def test_it_stops_where_somebody_is_missing_and_goes_on_later(run: Run, tmp_path: Path):
    folder = tmp_path / "keys"
    first = ceremony(run, folder, *WHO, typed="yes\nyes\nno\n")
    assert first.code == 0, first.text
    assert sorted(path.stem for path in (folder / "public").iterdir()) == ["root-1", "root-2"]
    before = (folder / "secret" / "root-1.key").read_bytes()
    rest = ceremony(run, folder, "--yes")
    assert rest.code == 0, rest.text
    assert (folder / "secret" / "root-1.key").read_bytes() == before
    assert {path.stem for path in (folder / "public").iterdir()} == set(STEPS)
    again = (folder / "public" / "directory.json").read_bytes()
    assert ceremony(run, folder, "--yes").code == 0
    assert (folder / "public" / "directory.json").read_bytes() == again


def test_each_step_may_be_done_on_a_machine_of_its_own(run: Run, tmp_path: Path):
    """Each holder takes the secret away; two roots come back for the signature."""
    folder, safe = tmp_path / "keys", tmp_path / "safe"
    safe.mkdir()
    ceremony(run, folder, *WHO, "--yes", "--step", "root-1")
    for step in STEPS[1:-1]:
        for path in (folder / "secret").iterdir():
            path.rename(safe / path.name)
        assert ceremony(run, folder, "--yes", "--step", step).code == 0
    (folder / "secret" / "payments-2.key").rename(safe / "payments-2.key")
    missing = ceremony(run, folder, "--yes", "--step", "directory")
    assert missing.code == 2
    assert not (folder / "public" / "directory.json").exists()
    for name in ("root-1.key", "root-3.key"):
        (safe / name).rename(folder / "secret" / name)
    assert ceremony(run, folder, "--yes", "--step", "directory").code == 0
    document, roots = load(folder)
    assert check_directory(document, roots, datetime.now(UTC)).n == 3


def test_a_root_key_of_somebody_else_signs_nothing(run: Run, tmp_path: Path):
    folder = tmp_path / "keys"
    for step in STEPS[:-1]:
        assert ceremony(run, folder, *WHO, "--yes", "--step", step).code == 0
    for name in ("root-2", "root-3"):
        (folder / "secret" / f"{name}.key").write_text(b64u(SigningKey.generate().seed))
    assert ceremony(run, folder, "--yes").code == 2
    assert not (folder / "public" / "directory.json").exists()


def test_the_directory_waits_for_every_step(run: Run, tmp_path: Path):
    folder = tmp_path / "keys"
    for step in ("root-1", "root-2", "root-3"):
        ceremony(run, folder, *WHO, "--yes", "--step", step)
    found = ceremony(run, folder, "--yes", "--step", "directory")
    assert found.code == 2
    assert "desk" in found.err


def test_a_secret_without_its_public_half_is_not_replaced(run: Run, tmp_path: Path):
    folder = tmp_path / "keys"
    ceremony(run, folder, *WHO, "--yes", "--step", "root-1")
    (folder / "public" / "root-1.json").unlink()
    before = (folder / "secret" / "root-1.key").read_bytes()
    assert ceremony(run, folder, "--yes").code == 2
    assert (folder / "secret" / "root-1.key").read_bytes() == before


def test_a_folder_with_other_things_is_refused(run: Run, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("x")
    assert ceremony(run, tmp_path, *WHO, "--yes").code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "change",
    [["--threshold", "4"], ["--environment", "test"], ["--root", "Fourth"], ["--seat", "S One"], ["--payment", "P One"]],
)  # fmt: skip
def test_an_impossible_plan_makes_nothing(run: Run, tmp_path: Path, change: list[str]):
    folder = tmp_path / "keys"
    assert ceremony(run, folder, *WHO, *change, "--yes").code == 2
    assert not folder.exists()


def test_one_payments_officer_or_no_origin_is_an_impossible_plan(run: Run, tmp_path: Path):
    folder = tmp_path / "keys"
    assert ceremony(run, folder, *WHO[2:], "--yes").code == 2
    one = [*WHO[: WHO.index("P Two") - 1], *WHO[WHO.index("--witness") :]]
    assert ceremony(run, folder, *one, "--yes").code == 2
    assert ceremony(run, folder, *WHO, "--yes", "--step", "root-9").code == 2


def test_the_plan_stays_as_it_was_decided(run: Run, tmp_path: Path):
    folder = tmp_path / "keys"
    ceremony(run, folder, *WHO, "--yes", "--step", "root-1")
    before = json.loads((folder / "plan.json").read_text())
    ceremony(run, folder, "--threshold", "3", "--yes", "--step", "root-2")
    assert json.loads((folder / "plan.json").read_text()) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_says_where_and_who_in_the_reader_s_language(run: Run, tmp_path: Path, language: str):
    done = run("--lang", language, "keys", "ceremony", tmp_path / "keys", *WHO, "--yes")
    assert done.code == 0, done.text
    for name in ("Agency", "C One", "S Three", "P Two"):
        assert name in done.out
    assert ("Present" in done.out) == (language == "en")
