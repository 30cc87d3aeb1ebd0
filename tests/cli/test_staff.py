"""People are enrolled with two factors, and a code that works once does not stop the second command."""

import json
import stat
from pathlib import Path

import pytest

from services.client.codes import totp_code
from services.crypto.totp import verify_totp
from tests.cli.conftest import Run, run_command, value_of
from tests.system.conftest import Server


@pytest.fixture
def adal(strict: Server) -> Run:
    return lambda *args, typed="": run_command("--url", strict.url, "--var", strict.var, *args, typed=typed)


def test_two_people_are_added_and_sign_in_again_at_once(adal: Run, strict: Server, tmp_path: Path):
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in files:
        added = adal(
            "staff",
            "add",
            f"desk.{path.stem}",
            "--name",
            path.stem,
            "--role",
            "desk",
            "--enrol",
            "--save",
            path,
        )
        assert added.code == 0, added.err
        known = json.loads(path.read_text())
        assert value_of(added, "Passphrase") == known["passphrase"]
        assert verify_totp_of(known["totp_secret"])
    kept = strict.var / "dev" / "administrator.json.session"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for _again in range(3):
        listed = adal("case", "list", "--secrets", files[0])
        assert listed.code == 0, listed.err
    session = files[0].with_name("one.json.session")
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    assert json.loads(files[0].read_text())["password"] not in session.read_text()


def verify_totp_of(secret: str) -> bool:
    """Whether our code for a secret is the one the service would accept."""
    import base64

    raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return verify_totp(raw, totp_code(secret, 1_800_000_000), 1_800_000_000, None) is not None


def test_a_session_that_ended_is_replaced_by_a_new_sign_in(adal: Run, tmp_path: Path):
    path = tmp_path / "s.json"
    assert (
        adal("staff", "add", "desk.ended", "--name", "E", "--role", "desk", "--enrol", "--save", path).code
        == 0
    )
    session = path.with_name("s.json.session")
    session.write_text("ended")
    # Enrolment used the code of this half minute, so the next one is tried.
    found = adal("case", "list", "--secrets", path)
    assert found.code == 0, found.err
    assert session.read_text() not in ("", "ended")


def test_enrolment_by_hand_needs_the_one_time_secret(adal: Run, tmp_path: Path):
    added = adal("staff", "add", "inv.hand", "--name", "By Hand", "--role", "investigator")
    assert added.code == 0, added.err
    secret = value_of(added, "One-time enrolment secret")
    wrong = adal("staff", "enrol", "inv.hand", typed="not the secret\n")
    assert wrong.code == 2
    path = tmp_path / "hand.json"
    done = adal("staff", "enrol", "inv.hand", "--save", path, typed=secret + "\n")
    assert done.code == 0, done.err
    assert secret not in done.text
    assert value_of(done, "Login") == "inv.hand"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert adal("staff", "enrol", "inv.hand", typed=secret + "\n").code == 2
    assert adal("staff", "enrol", "inv.hand", "--save", path).code == 2


def test_without_a_code_there_is_no_sign_in(adal: Run, tmp_path: Path):
    path = tmp_path / "n.json"
    assert (
        adal("staff", "add", "desk.nocode", "--name", "N", "--role", "desk", "--enrol", "--save", path).code
        == 0
    )
    known = json.loads(path.read_text())
    del known["totp_secret"]
    path.write_text(json.dumps(known))
    found = adal("case", "list", "--secrets", path)
    assert found.code == 2
    assert known["password"] not in found.text


def test_an_investigator_sees_no_staff_and_gets_no_desk_key(adal: Run, tmp_path: Path):
    path = tmp_path / "i.json"
    args = ["--name", "I", "--role", "investigator", "--enrol", "--save", path]
    assert adal("staff", "add", "inv.narrow", *args).code == 0
    assert adal("staff", "list", "--secrets", path).code == 2
    assert adal("staff", "add", "x.more", "--name", "X", "--role", "desk", "--secrets", path).code == 2
