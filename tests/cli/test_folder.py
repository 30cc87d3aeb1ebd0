"""The folder of a case at the terminal, against a real server: notes, labels, links, hand-over, triage, packages."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.crypto import age
from services.crypto.age import HybridIdentity, Passphrase
from tests.cli.conftest import Run, value_of
from tests.cli.test_journey import desk, filed, folder, investigator, lead, secrets_of, shown_of

__all__ = ["desk", "filed", "folder", "investigator", "lead"]

WORDS = "MARKER-note the clerk is a cousin"


@pytest.fixture
def other(adal: Run, folder: Path, filed: tuple[str, str]) -> str:
    """The reference of one more report."""
    found = adal("report", "file", "--answers", folder / "answers.json", "--yes")
    return shown_of(found)[1]


@pytest.fixture
def assigned(adal: Run, desk: Path, investigator: Path, lead: Path, filed: tuple[str, str]) -> str:
    """A case of the investigator under the lead."""
    given = adal("case", "assign", filed[1], "Investigator Tour", "--lead", "Lead Tour", "--secrets", desk)
    assert given.code == 0, given.err
    return filed[1]


def test_a_note_is_written_and_read(adal: Run, investigator: Path, lead: Path, desk: Path, assigned: str):
    sent = adal("case", "note", assigned, "--text", "-", "--secrets", investigator, typed=WORDS + "\n")
    assert sent.code == 0, sent.err
    shown = adal("case", "notes", assigned, "--secrets", lead)
    assert (shown.code, WORDS in shown.out) == (0, True)
    assert "Investigator Tour" in shown.out
    assert adal("case", "notes", assigned, "--secrets", desk).code == 1, "the desk has no key any more"
    assert adal("case", "note", assigned, "--text", "-", "--secrets", lead, typed="").code == 2


def test_labels_and_links_stand_in_what_show_prints(
    adal: Run, desk: Path, filed: tuple[str, str], other: str
):
    put = adal("case", "labels", filed[1], "--add", "urgent", "--add", "media", "--secrets", desk)
    assert put.code == 0, put.err
    off = adal("case", "labels", filed[1], "--remove", "media", "--secrets", desk)
    assert re.search(r"x +urgent", off.out)
    assert not re.search(r"x +media", off.out)
    wrong = adal("case", "labels", filed[1], "--add", "guilty", "--secrets", desk)
    assert (wrong.code, "urgent" in wrong.err) == (2, True)
    assert filed[1] in adal("case", "list", "--label", "urgent", "--secrets", desk).out
    assert other not in adal("case", "list", "--label", "urgent", "--secrets", desk).out

    linked = adal("case", "link", other, filed[1], "--duplicate", "--secrets", desk)
    assert linked.code == 0, linked.err
    assert "its clocks run on" in linked.out
    shown = adal("case", "show", filed[1], "--secrets", desk)
    assert re.search(rf"has a duplicate: {other}", shown.out)
    assert "Urgent" in shown.out
    assert f"duplicate of: {filed[1]}" in adal("case", "show", other, "--secrets", desk).out
    assert adal("case", "link", filed[1], other, "--secrets", desk).code == 2
    assert adal("case", "unlink", filed[1], other, "--secrets", desk).code == 0
    assert adal("case", "unlink", filed[1], other, "--secrets", desk).code == 2


def test_a_case_is_handed_from_one_to_another_and_show_tells_the_history(
    adal: Run, folder: Path, lead: Path, investigator: Path, assigned: str
):
    second = secrets_of(adal, folder, "inv.two", "investigator", "Investigator Two")
    command = ("case", "reassign", assigned, "Investigator Tour", "Investigator Two", "--secrets", lead)
    done = adal(*command)
    assert done.code == 0, done.err
    assert adal(*command).code == 0, "again: nothing is left to do"
    assert adal("case", "open", assigned, "--secrets", investigator).code == 2
    assert adal("case", "open", assigned, "--secrets", second).code == 0
    shown = adal("case", "show", assigned, "--secrets", lead)
    lines = [line for line in shown.out.splitlines() if "investigator" in line]
    assert len(lines) == 2
    assert any(re.search(r"Investigator Tour +investigator +\S+ +\d{4}-", line) for line in lines)
    same = adal("case", "reassign", assigned, "Lead Tour", "Lead Tour", "--secrets", lead)
    assert same.code == 2
    assert adal("case", "reassign", assigned, "Nobody", "Lead Tour", "--secrets", lead).code == 2


def test_a_leaver_who_is_the_last_lead_is_released_with_a_new_one(
    adal: Run, folder: Path, desk: Path, investigator: Path, filed: tuple[str, str]
):
    leaver = secrets_of(adal, folder, "lead.leaver", "lead", "Lead Leaver")
    new = secrets_of(adal, folder, "lead.new", "lead", "Lead New")
    given = adal("case", "assign", filed[1], "Investigator Tour", "--lead", "Lead Leaver", "--secrets", desk)
    assert given.code == 0, given.err
    # The leaver holds the only key that a new lead could get, so the leaver begins and the new one ends it.
    begun = adal("case", "release", "Lead Leaver", "--to", "Lead New", "--secrets", leaver)
    assert begun.code == 1
    ended = adal("case", "release", "Lead Leaver", "--to", "Lead New", "--secrets", new)
    assert ended.code == 0, ended.err
    assert filed[1] in ended.out
    assert adal("case", "open", filed[1], "--secrets", new).code == 0


def test_many_cases_at_once(adal: Run, desk: Path, filed: tuple[str, str], other: str):
    typed = f"{filed[1]}\n{other}\n"
    put = adal("case", "bulk", "label", "--put", "flood", "--ids", "--yes", "--secrets", desk, typed=typed)
    assert (put.code, "Done: 2. Not done: 0." in put.out) == (0, True), put.text
    moved = adal("case", "bulk", "to-quarantine", "--label", "flood", "--yes", "--secrets", desk)
    assert "Done: 2." in moved.out
    assert other in adal("case", "list", "--lane", "quarantine", "--secrets", desk).out
    refused = adal("case", "bulk", "to-main", "--lane", "quarantine", "--secrets", desk, typed="no\n")
    assert (refused.code, "Nothing was done." in refused.err) == (2, True)
    marked = adal(
        "case", "bulk", "duplicate", "--of", filed[1], "--label", "flood", "--yes", "--secrets", desk
    )
    assert (marked.code, "Done: 1. Not done: 0." in marked.out) == (0, True), marked.text
    again = adal(
        "case", "bulk", "duplicate", "--of", filed[1], "--label", "flood", "--yes", "--secrets", desk
    )
    assert (again.code, other in again.err) == (1, True)
    done = adal("case", "bulk", "register", "--lane", "quarantine", "--yes", "--secrets", desk)
    assert done.code == 0, done.text
    back = adal("case", "bulk", "to-main", "--lane", "quarantine", "--yes", "--secrets", desk)
    assert back.code == 0
    for wrong in (
        ("close", "--lane", "main"), ("label", "--lane", "main"), ("to-main",), ("register", "--of", filed[1]),
        ("to-main", "--lane", "main", "--ids"),
    ):  # fmt: skip
        assert adal("case", "bulk", *wrong, "--yes", "--secrets", desk).code == 2, wrong


def test_a_package_for_another_body(
    adal: Run, folder: Path, desk: Path, filed: tuple[str, str], tmp_path: Path
):
    key, out = HybridIdentity.generate(), tmp_path / "package.age"
    base = ("case", "package", filed[1], "--out", out, "--secrets", desk)
    body = json.loads(Path("services/intake/reference/bodies.json").read_text())["items"][0]["code"]
    made = adal(*base, "--body", body, "--to", str(key.recipient))
    assert made.code == 0, made.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    archive = tmp_path / "package.tar"
    archive.write_bytes(age.decrypt(out.read_bytes(), [key]))
    listed = subprocess.run(["tar", "-tf", archive], capture_output=True, text=True, check=True).stdout
    assert "attachments/001-photo.jpg" in listed.splitlines()
    assert value_of(made, "SHA-256") in adal("case", "show", filed[1], "--secrets", desk).out
    assert "MARKER-name" not in archive.read_bytes().decode(errors="replace")

    assert adal(*base, "--body", body, "--to", str(key.recipient)).code == 2, "the file is there"
    out.unlink()
    for wrong in (
        ("--body", "nobody", "--to", str(key.recipient)), ("--body", body), ("--body", body, "--to", "age1x"),
        ("--body", body, "--passphrase", "--to", str(key.recipient)),
        ("--body", body, "--to", str(key.recipient), "--messages", "77"),
        ("--body", body, "--to", str(key.recipient), "--messages", "x"),
    ):  # fmt: skip
        assert adal(*base, *wrong).code == 2, wrong
        assert not out.exists()
    phrase = adal(*base, "--body", body, "--passphrase", "--messages", "none")
    assert phrase.code == 0, phrase.err
    assert age.decrypt(out.read_bytes(), [Passphrase(value_of(phrase, "Passphrase"))])


def test_evidence_is_written_and_checked_without_a_server(
    adal: Run,
    run: Run,
    installation: object,
    folder: Path,
    desk: Path,
    filed: tuple[str, str],
    tmp_path: Path,
):
    assert adal("jobs", "run", "intake.publish-log").code == 0
    out = tmp_path / "evidence.json"
    made = adal("case", "evidence", filed[1], "--out", out, "--secrets", desk)
    assert made.code == 0, made.err
    assert adal("case", "evidence", filed[1], "--out", out, "--secrets", desk).code == 2
    var = installation.var  # type: ignore[attr-defined]
    offline = ("--url", "http://127.0.0.1:9", "--roots", var / "dev" / "roots.json")
    for language, words in (("en", "opened bytes of part 2"), ("ru", "байты части 2"), ("kk", "2-бөліктің")):
        checked = run(*offline, "--lang", language, "case", "evidence-verify", out, folder / "photo.jpg")
        assert checked.code == 0, checked.err
        assert words in checked.out
        assert filed[1] in checked.out
    assert "In the log" in made.out
    (tmp_path / "other.jpg").write_bytes(b"other")
    missing = run(*offline, "case", "evidence-verify", out, tmp_path / "other.jpg")
    assert (missing.code, "not in the list" in missing.err) == (1, True)
    out.write_bytes(out.read_bytes().replace(b'"number":0', b'"number":7', 1))
    assert run(*offline, "case", "evidence-verify", out).code == 1


def test_a_scanner_decides_what_is_kept(
    adal: Run, desk: Path, filed: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "scan.py"
    for code, kept in ((0, True), (1, False), (2, False)):
        program.write_text(f"import sys; sys.exit({code})")
        scanner = f"'{sys.executable}' '{program}' {{file}}"
        to = tmp_path / f"to-{code}"
        saved = adal("case", "download", filed[1], "--to", to, "--scanner", scanner, "--secrets", desk)
        assert (saved.code == 0) is kept, saved.text
        assert [path.name for path in to.iterdir()] == (["photo.jpg"] if kept else [])
        assert ("scan" in saved.err) is not kept
    monkeypatch.setitem(os.environ, "ADAL_SCANNER", f"{sys.executable} no-braces")
    wrong = adal("case", "download", filed[1], "--to", tmp_path / "x", "--secrets", desk)
    assert (wrong.code, (tmp_path / "x").exists()) == (2, False)


def test_words_are_searched_in_ones_own_cases(
    adal: Run, investigator: Path, desk: Path, lead: Path, assigned: str, other: str
):
    adal("case", "note", assigned, "--text", "-", "--secrets", investigator, typed="ещё одна запись\n")
    for words in ("акша", "АҚША сұрады", "запис", "photo"):
        found = adal("case", "search", words, "--secrets", investigator)
        assert found.code == 0, found.err
        assert assigned in found.out, words
        assert other not in found.out
    assert adal("case", "search", "nothing-like-it", "--secrets", investigator).out == ""
    assert other not in adal("case", "search", "акша", "--secrets", desk).out, "the desk's own: none"
    everything = adal("case", "search", "акша", "--all", "--limit", 200, "--secrets", desk)
    assert other in everything.out
    assert "Could not be opened" in everything.err
