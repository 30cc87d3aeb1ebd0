"""The tour at the terminal against a real server: staff, a report, the case, the dialogue, the log."""

import json
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.crypto.canonical import b64u
from services.crypto.receipts import new_receipt, parse_receipt
from services.crypto.rules import instant_text
from services.crypto.signatures import Signed
from tests.cli.conftest import Outcome, Run
from tests.cli.test_form import GOOD, typed_answers
from tests.system.conftest import Server

WORDS = "Олар ақша сұрады. MARKER-narrative"
NAME = "MARKER-name"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tour")
    answers = {**GOOD, "answers": {"what": WORDS}, "identity": {"name": NAME}}
    (made / "answers.json").write_text(json.dumps(answers))
    (made / "photo.jpg").write_bytes(b"\xff\xd8 evidence")
    return made


def secrets_of(adal: Run, folder: Path, login: str, role: str, name: str) -> Path:
    """The file of secrets of somebody who was enrolled by the command, once for the server that all modules share."""
    path = folder.parent / f"{login}.json"
    if not path.exists():
        found = adal("staff", "add", login, "--name", name, "--role", role, "--enrol", "--save", path)
        assert found.code == 0, found.err
        assert json.loads(path.read_text())["passphrase"] in found.out
    return path


@pytest.fixture
def desk(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "desk.tour", "desk", "Desk Tour")


@pytest.fixture
def investigator(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "inv.tour", "investigator", "Investigator Tour")


@pytest.fixture
def lead(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "lead.tour", "lead", "Lead Tour")


def shown_of(found: Outcome) -> tuple[str, str]:
    """Receipt and reference in what `report file` printed."""
    receipt = re.search(r"(\d{4} ){5}\d{4}", found.out)
    reference = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{2}", found.out)
    assert receipt is not None
    assert reference is not None
    return receipt[0], reference[0]


@pytest.fixture
def filed(adal: Run, folder: Path) -> tuple[str, str]:
    found = adal(
        "report", "file", "--answers", folder / "answers.json", "--attach", folder / "photo.jpg", "--yes"
    )
    assert found.code == 0, found.err
    return shown_of(found)


def test_enrolment_leaves_a_private_file_and_shows_once(desk: Path, adal: Run, folder: Path):
    assert stat.S_IMODE(desk.stat().st_mode) == 0o600
    assert set(json.loads(desk.read_text())) == {"login", "password", "totp_secret", "passphrase"}
    again = adal("staff", "add", "desk.tour2", "--name", "N", "--role", "desk", "--enrol", "--save", desk)
    assert again.code == 2
    assert "desk.tour2" not in adal("staff", "list", "--secrets", desk).out
    assert "Desk Tour" in adal("staff", "list", "--secrets", desk).out


def test_unknown_roles_and_logins_taken_are_wrong_input(adal: Run, desk: Path):
    assert adal("staff", "add", "x.y.z", "--name", "N", "--role", "king").code == 2
    assert adal("staff", "add", "desk.tour", "--name", "N", "--role", "desk").code == 2


def test_the_clear_fields_are_shown_and_nothing_goes_without_a_yes(adal: Run, folder: Path):
    found = adal("report", "file", "--answers", folder / "answers.json", typed="no\n")
    assert found.code == 2
    assert "Nothing was sent." in found.err
    assert "Almaty" in found.out
    assert "sealed on this computer" in found.out
    assert WORDS not in found.out
    assert adal("report", "file", "--answers", folder / "answers.json", typed="yes\n").code == 0


def test_a_report_is_filed_by_answering_questions(adal: Run, desk: Path):
    typed = "".join(line + "\n" for line in [*typed_answers(), "yes"])
    found = adal("report", "file", typed=typed)
    assert found.code == 0, found.err
    assert "This answer cannot be used" in found.err
    receipt, reference = shown_of(found)
    opened = adal("case", "open", reference, "--secrets", desk)
    assert "They asked\nfor money" in opened.out
    assert "Anonymous" in opened.out
    assert reference in adal("inbox", "show", "--receipt", "-", typed=receipt + "\n").out


def test_files_of_an_answer_are_saved_by_the_reporter(
    adal: Run, folder: Path, desk: Path, filed: tuple[str, str], tmp_path: Path
):
    receipt, reference = filed
    (folder / "words.txt").write_text("See the file.")
    sent = adal(
        "case", "answer", reference, "--text", folder / "words.txt", "--attach", folder / "photo.jpg",
        "--secrets", desk,
    )  # fmt: skip
    assert sent.code == 0, sent.err
    found = adal("inbox", "show", "--receipt", "-", "--download", tmp_path / "got", typed=receipt + "\n")
    assert "See the file." in found.out
    assert (tmp_path / "got" / "photo.jpg").read_bytes() == (folder / "photo.jpg").read_bytes()


def test_what_cannot_be_sent_is_refused_before_anything_is(
    adal: Run, folder: Path, filed: tuple[str, str], desk: Path
):
    receipt, reference = filed
    big = folder / "big.bin"
    big.touch()
    with big.open("r+b") as file:
        file.truncate((16 << 20) + 1)
    assert adal("inbox", "send", "--attach", big, "--receipt", "-").code == 2
    assert adal("case", "answer", reference, "--attach", big, "--secrets", desk).code == 2
    for name in ("missing.bin", "."):
        found = adal(
            "report", "file", "--answers", folder / "answers.json", "--yes", "--attach", folder / name
        )
        assert found.code == 2
        assert "receipt" not in found.out.casefold()
    assert adal("report", "file", "--answers", folder / "nowhere.json", "--yes").code == 2
    assert adal("report", "file", "--answers", folder / "photo.jpg", "--yes").code == 2
    assert adal("inbox", "send", "--receipt", "-", "--text", "-", typed=receipt + "\n").code == 2
    assert adal("case", "answer", reference, "--text", "-", "--secrets", desk, typed="").code == 2
    assert adal("case", "assign", reference, "Nobody", "--secrets", desk).code == 2
    assert adal("case", "assign", reference, "Desk Tour", "--role", "king", "--secrets", desk).code == 2
    assert adal("case", "classify", reference, "erased", "--secrets", desk).code == 2


def test_a_case_is_read_answered_and_handed_on(
    adal: Run,
    folder: Path,
    desk: Path,
    investigator: Path,
    lead: Path,
    filed: tuple[str, str],
    tmp_path: Path,
):
    receipt, reference = filed
    assert reference in adal("case", "list", "--secrets", desk, "--state", "received").out
    assert reference in adal("case", "list", "--secrets", desk, "--lane", "main").out
    assert reference not in adal("case", "list", "--secrets", desk, "--lane", "quarantine").out
    opened = adal("case", "open", reference, "--secrets", desk)
    assert WORDS in opened.out
    assert "photo.jpg (image/jpeg, 11)" in opened.out
    assert NAME not in opened.text
    sent = adal("case", "answer", reference, "--text", "-", "--secrets", desk, typed="When was it?\n")
    assert (sent.code, sent.err.strip()) == (0, "")
    saved = adal("case", "download", reference, "--to", tmp_path / "files", "--secrets", desk)
    assert saved.code == 0
    assert (tmp_path / "files" / "photo.jpg").read_bytes() == (folder / "photo.jpg").read_bytes()
    assert adal("case", "download", reference, "--to", tmp_path, "--number", 2, "--secrets", desk).code == 2

    assert adal("case", "open", reference, "--secrets", investigator).code == 2
    wrong = adal("case", "assign", reference, "Investigator Tour", "--lead", "Nobody", "--secrets", desk)
    assert wrong.code == 2
    given = adal("case", "assign", reference, "Investigator Tour", "--lead", "Lead Tour", "--secrets", desk)
    assert given.code == 0
    handed = adal("case", "open", reference, "--secrets", desk)
    assert (handed.code, WORDS in handed.text, reference in handed.out) == (1, False, True)
    assert "only the coded fields" in handed.err
    assert adal("case", "register", reference, "--secrets", desk).code == 0
    assert adal("case", "register", reference, "--secrets", desk).code == 2
    assert WORDS in adal("case", "open", reference, "--secrets", investigator).out

    inbox = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert "When was it?" in inbox.out
    assert "registered" in inbox.out
    replied = adal("inbox", "send", "--receipt", "-", "--text", "-", typed=f"{receipt}\nOn Monday\n")
    assert replied.code == 0
    assert "On Monday" in adal("case", "open", reference, "--secrets", investigator).out

    assert adal("case", "end", reference, "Lead Tour", "--secrets", lead).code == 2
    assert adal("case", "end", reference, "Investigator Tour", "--secrets", lead).code == 0
    assert adal("case", "open", reference, "--secrets", investigator).code == 2
    adal("inbox", "send", "--receipt", "-", "--text", "-", typed=f"{receipt}\nOn Tuesday\n")
    assert "On Tuesday" in adal("case", "open", reference, "--secrets", lead).out
    assert adal("case", "assign", reference, "Investigator Tour", "--secrets", lead).code == 0
    assert "On Tuesday" in adal("case", "open", reference, "--secrets", investigator).out
    released = adal("case", "release", "Investigator Tour", "--secrets", lead)
    assert (released.code, reference in released.out) == (0, True)
    stuck = adal("case", "release", "Lead Tour", "--secrets", lead)
    assert (stuck.code, reference in stuck.err) == (1, True)


def test_a_sign_in_can_be_typed(adal: Run, desk: Path):
    known = json.loads(desk.read_text())
    found = adal("case", "list", "--login", known["login"], typed=f"{known['password']}\n\n")
    assert found.code == 0
    assert known["password"] not in found.text
    wrong = adal("case", "list", "--login", known["login"], typed="not the password\n\n")
    assert (wrong.code, wrong.out.count("Reference")) == (2, 0)


def test_a_plain_report_has_a_receipt_too(adal: Run, folder: Path):
    found = adal("report", "file", "--answers", folder / "answers.json", "--plain", "--yes")
    assert "sees the rest once" in found.out
    receipt, reference = shown_of(found)
    assert reference in adal("inbox", "show", typed=receipt + "\n").out


def test_who_one_is_can_be_said_later(adal: Run, folder: Path, filed: tuple[str, str], desk: Path):
    receipt, reference = filed
    (folder / "me.json").write_text(json.dumps({"name": NAME}))
    found = adal(
        "inbox", "add-identity", "--receipt", "-", "--file", folder / "me.json", typed=receipt + "\n"
    )
    assert (found.code, found.err) == (0, "")
    (folder / "nobody.json").write_text("{}")
    nobody = adal(
        "inbox", "add-identity", "--receipt", "-", "--file", folder / "nobody.json", typed=receipt + "\n"
    )
    assert nobody.code == 2
    assert NAME not in adal("case", "open", reference, "--secrets", desk).text


def test_a_code_is_replaced_when_it_was_typed_back(adal: Run, installation: Server, filed: tuple[str, str]):
    receipt, reference = filed
    command = [
        sys.executable, "-m", "services.cli.main", "--lang", "en", "--url", installation.url,
        "--var", str(installation.var), "inbox", "replace-code", "--receipt", "-",
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(receipt + "\n")
        process.stdin.flush()
        process.stdout.readline()
        new = process.stdout.readline().strip()
        process.stdin.write(f"{new_receipt()}\nnonsense\n{new}\n")
        process.stdin.close()
        assert process.wait(60) == 0
    assert parse_receipt(new) != parse_receipt(receipt)
    assert reference in adal("inbox", "show", "--receipt", "-", typed=new + "\n").out
    old = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert old.code == 2
    unproven = adal("inbox", "send", "--receipt", "-", "--text", "-", typed=f"{new}\nhello\n")
    assert unproven.code != 0


def test_a_promise_is_checked_and_the_log_verified(adal: Run, folder: Path, tmp_path: Path):
    promise = tmp_path / "promise.json"
    found = adal("report", "file", "--answers", folder / "answers.json", "--yes", "--save", promise)
    receipt, _reference = shown_of(found)
    assert receipt.replace(" ", "") not in promise.read_text()
    assert stat.S_IMODE(promise.stat().st_mode) == 0o600
    assert "Not in the log yet" in adal("inbox", "check", "--saved", promise).out
    run = adal("jobs", "run", "intake.publish-log")
    assert run.code == 0, run.err
    assert "In the log: entry" in adal("inbox", "check", "--saved", promise).out
    assert "In the log: entry" in adal("inbox", "check", "--receipt", "-", typed=receipt + "\n").out
    assert adal("log", "verify").code == 0

    altered = json.loads(promise.read_text())
    altered["record"]["day"] = "2020-01-01"
    promise.write_text(json.dumps(altered))
    assert adal("inbox", "check", "--saved", promise).code == 1


def test_a_log_that_is_not_the_one_seen_before_is_refused(adal: Run, installation: Server):
    assert adal("log", "verify").code == 0
    memory = next((installation.var / "client").glob("*.json"))
    kept = memory.read_bytes()
    seen = json.loads(kept)
    head = next(iter(seen["heads"].values()))
    head["root"] = b64u(bytes(32))
    memory.write_text(json.dumps(seen))
    found = adal("log", "verify")
    memory.write_bytes(kept)
    assert found.code == 1
    assert "A check failed" in found.err


def test_jobs_and_doctor_look_at_the_installation(adal: Run, run: Run, tmp_path: Path):
    jobs = adal("jobs", "list")
    assert "intake.publish-log" in jobs.out
    assert adal("jobs", "run", "intake.no-such-job").code == 2
    doctor = adal("doctor")
    assert (doctor.code, doctor.err) == (0, "")
    assert doctor.out.count("ready") == 4
    assert doctor.out.count("all were read") == 2
    nowhere = run("--var", tmp_path / "nowhere", "doctor")
    assert nowhere.code == 1
    assert "exclamation mark" in nowhere.err


def test_the_next_directory_is_signed_and_published(adal: Run, installation: Server, tmp_path: Path):
    dev = installation.var / "dev"
    last = Signed.from_json(json.loads((dev / "directory.json").read_text()))
    now = datetime.now(UTC)
    body = {
        **last.body,
        "sequence": last.body["sequence"] + 1,
        "previous": b64u(last.digest),
        "valid_from": instant_text(now),
        "valid_until": instant_text(now + timedelta(days=30)),
    }
    (tmp_path / "body.json").write_text(json.dumps(body))
    keys = ["--key", dev / "keys" / "root-1.key", "--key", dev / "keys" / "root-2.key"]
    found = adal("keys", "sign-directory", tmp_path / "body.json", *keys, "--publish")
    assert found.code == 0, found.err
    assert "Published." in found.out
    again = adal("keys", "sign-directory", tmp_path / "body.json", *keys, "--publish")
    assert again.code == 2

    signed, roots = tmp_path / "signed.json", tmp_path / "roots.json"
    following = {
        **body,
        "sequence": body["sequence"] + 1,
        "previous": found.out.split("Digest")[1].split()[0],
    }
    (tmp_path / "body.json").write_text(json.dumps(following))
    assert adal("keys", "sign-directory", tmp_path / "body.json", *keys, "--out", signed).code == 0
    roots.write_text(json.dumps({"roots": [b64u(bytes([number]) * 32) for number in (1, 2, 3)]}))
    assert adal("--roots", roots, "keys", "publish", signed).code != 0
    sent = adal("keys", "publish", signed)
    assert (sent.code, "Published." in sent.out) == (0, True), sent.err
    assert adal("keys", "publish", signed).code == 2
