"""Keys are private files that are never replaced; a directory is signed only if clients will accept it."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cli.staff import read_group_key, signing_key
from services.crypto.canonical import b64u, unb64u
from services.crypto.directories import check_directory, parse_directory, service_from_json
from services.crypto.servicekeys import read_service_key
from services.crypto.signatures import Signed, SigningKey
from tests.cli.conftest import Run
from tests.crypto.builders import directory_body, world


def test_a_signing_key_is_private_and_never_replaced(run: Run, tmp_path: Path):
    path = tmp_path / "root-1.key"
    found = run("keys", "make", path)
    assert found.code == 0
    assert b64u(signing_key(path).verify_key) in found.out
    assert path.read_text().strip() not in found.out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert run("keys", "make", path).code == 2
    assert path.read_bytes() == before


def test_the_other_kinds_of_keys(run: Run, tmp_path: Path):
    assert run("keys", "make", tmp_path / "pepper", "--kind", "secret").out == ""
    assert len(unb64u((tmp_path / "pepper").read_text().strip(), 32)) == 32
    found = run("keys", "make", tmp_path / "desk", "--kind", "desk", "--id", "central/2026-12")
    key = read_group_key(tmp_path / "desk")
    assert key.id == "central/2026-12"
    assert key.signing is not None
    assert str(key.identity.recipient) in found.out
    assert b64u(key.signing.verify_key) in found.out
    found = run("keys", "make", tmp_path / "seat", "--kind", "seat", "--id", "seat-1/2026H2")
    seat = read_group_key(tmp_path / "seat")
    assert seat.signing is not None
    assert b64u(seat.signing.verify_key) in found.out


@pytest.mark.parametrize("args", [["--kind", "golden"], ["--kind", "desk"], ["--kind", "seat"]])
def test_wrong_kinds_make_no_file(run: Run, tmp_path: Path, args: list[str]):
    assert run("keys", "make", tmp_path / "key", *args).code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def ceremony(tmp_path: Path) -> Path:
    """A folder as it lies on the offline machine: three root keys, the pinned file, a body."""
    for number, root in enumerate(world().roots, 1):
        (tmp_path / f"root-{number}.key").write_text(b64u(root.seed))
    roots = {"roots": [b64u(root) for root in world().root_keys]}
    (tmp_path / "roots.json").write_text(json.dumps(roots))
    write_body(tmp_path)
    return tmp_path


def write_body(folder: Path, **changes: Any) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    body = directory_body(valid_from=start, valid_until=start + timedelta(days=60)) | changes
    (folder / "body.json").write_text(json.dumps(body))


def sign(run: Run, folder: Path, *numbers: int) -> Any:
    keys = [word for number in numbers for word in ("--key", folder / f"root-{number}.key")]
    return run(
        "--roots", folder / "roots.json", "keys", "sign-directory", folder / "body.json", *keys,
        "--out", folder / "signed.json",
    )  # fmt: skip


def test_two_roots_sign_a_directory_that_clients_accept(run: Run, ceremony: Path):
    found = sign(run, ceremony, 1, 3)
    assert found.code == 0
    document = Signed.from_json(json.loads((ceremony / "signed.json").read_text()))
    directory = check_directory(document, world().root_keys, datetime.now(UTC) + timedelta(days=1))
    assert b64u(directory.digest) in found.out
    assert sign(run, ceremony, 1, 2).code == 2


@pytest.mark.parametrize("numbers", [(1,), (2, 2)])
def test_one_root_is_not_enough(run: Run, ceremony: Path, numbers: tuple[int, ...]):
    found = sign(run, ceremony, *numbers)
    assert found.code == 2
    assert not (ceremony / "signed.json").exists()


def test_a_root_that_is_not_pinned_does_not_count(run: Run, ceremony: Path):
    (ceremony / "root-2.key").write_text(b64u(SigningKey.generate().seed))
    assert sign(run, ceremony, 1, 2).code == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_until": "2035-01-01T00:00:00Z"},
        {"sequence": 0},
        {"thresholds": {"certifiers": 1, "identity": 2, "payments": 2}},
        {"desks": []},
        {"extra": 1},
        {"valid_from": "soon"},
    ],
)
def test_a_body_that_clients_would_refuse_is_not_signed(run: Run, ceremony: Path, changes: dict[str, Any]):
    write_body(ceremony, **changes)
    assert sign(run, ceremony, 1, 2).code == 1
    assert not (ceremony / "signed.json").exists()


def test_a_body_that_is_no_object_or_no_json_is_wrong_input(run: Run, ceremony: Path):
    for text in ("[]", "{", ""):
        (ceremony / "body.json").write_text(text)
        assert sign(run, ceremony, 1, 2).code == 2


# --- keys of services that outcomes are sealed to


def new_service(run: Run, folder: Path, name: str) -> Any:
    return run(
        "keys", "make", folder / f"{name}.key", "--kind", "service", "--id", name, "--line", folder / f"{name}.json"
    )  # fmt: skip


def test_a_service_s_key_comes_with_its_line_for_the_directory(run: Run, tmp_path: Path):
    done = new_service(run, tmp_path, "rewards")
    assert done.code == 0
    service = service_from_json(json.loads((tmp_path / "rewards.json").read_text()))
    key = read_service_key((tmp_path / "rewards.key").read_bytes())
    assert (service.id, service.recipient) == ("rewards", key.recipient)
    assert (tmp_path / "rewards.key").stat().st_mode & 0o777 == 0o600
    assert str(key) not in done.text
    assert new_service(run, tmp_path, "rewards").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--kind", "service", "--id", "rewards"],
        ["--kind", "service", "--id", "accounts", "--line", "LINE"],
        ["--kind", "service", "--line", "LINE"],
        ["--kind", "signing", "--line", "LINE"],
    ],
)
def test_a_service_s_key_without_name_or_line_is_not_made(run: Run, tmp_path: Path, words: list[str]):
    found = run(
        "keys",
        "make",
        tmp_path / "key",
        *(str(tmp_path / word) if word == "LINE" else word for word in words),
    )
    assert found.code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_next_directory_keeps_services_and_takes_new_ones(run: Run, tmp_path: Path):
    for name in ("rewards", "registry"):
        new_service(run, tmp_path, name)
    last = tmp_path / "last.json"
    last.write_text(json.dumps(world().document.to_json()))
    bodies = []
    for number, service in enumerate(("rewards", "registry", None)):
        line = ["--service", tmp_path / f"{service}.json"] if service else []
        body = tmp_path / f"body-{number}.json"
        done = run("keys", "directory", "draft", body, "--last", last, *line)
        assert done.code == 0, done.text
        bodies.append(json.loads(body.read_text()))
        last.write_text(json.dumps({"body": bodies[-1], "signatures": []}))
    assert [[line["id"] for line in body["services"]] for body in bodies] == [
        ["rewards"], ["rewards", "registry"], ["rewards", "registry"],
    ]  # fmt: skip
    assert parse_directory(Signed(bodies[2], ())).service("registry")
