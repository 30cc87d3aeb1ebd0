"""Retaliation, rights and incidents at the terminal, against a real server."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_journey import desk, filed, folder, investigator, secrets_of

__all__ = ["desk", "filed", "folder", "investigator"]

WORDS = "MARKER-retaliation they cut my pay"


@pytest.fixture
def lead(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "lead.tour", "lead", "Lead Tour")


def test_a_reporter_tells_and_sees_clock_and_rights(adal: Run, desk: Path, filed: tuple[str, str]):
    receipt, reference = filed
    before = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert "Retaliation" not in before.out
    assert "promised within 48 hours" in before.out
    told = adal("inbox", "retaliation", "--receipt", "-", "--text", "-", typed=f"{receipt}\n{WORDS}\n")
    assert told.code == 0, told.err
    for words in ("Protected at work since", "not confirmed by the text of the law", "Your rights", "article 424",
                  "no source found"):  # fmt: skip
        assert words in told.out
    shown = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert "action is asked of the desk" in shown.out

    assert reference in adal("case", "list", "--retaliation", "--secrets", desk).out
    opened = adal("case", "open", reference, "--secrets", desk)
    assert WORDS in opened.out
    assert "(retaliation)" in opened.out
    assert adal("case", "protect", reference, "asked", "--secrets", desk).code == 2
    assert "the desk acts" in adal("case", "protect", reference, "in_hand", "--secrets", desk).out
    assert "the desk acts" in adal("inbox", "show", "--receipt", "-", typed=receipt + "\n").out


@pytest.mark.parametrize(("language", "words"), [("kk", "Құқықтарыңыз"), ("ru", "Ваши права")])
def test_rights_are_told_in_the_language_of_the_reporter(
    adal: Run, filed: tuple[str, str], language: str, words: str
):
    typed = f"{filed[0]}\nx\n"
    told = adal("--lang", language, "inbox", "retaliation", "--receipt", "-", "--text", "-", typed=typed)
    assert told.code == 0, told.err
    assert words in told.out


def test_no_words_no_flag(adal: Run, desk: Path, filed: tuple[str, str]):
    receipt, reference = filed
    assert adal("inbox", "retaliation", "--receipt", "-", "--text", "-", typed=receipt + "\n").code == 2
    assert reference not in adal("case", "list", "--retaliation", "--secrets", desk).out


def test_a_lead_records_and_opens_an_incident(adal: Run, lead: Path, desk: Path, filed: tuple[str, str]):
    _, reference = filed
    made = adal(
        "case", "disclosure", "add", reference, "--article", "cc-424", "--who", "Invented Clerk", "--text", "-",
        "--secrets", lead, typed="told the head of the clinic\n",
    )  # fmt: skip
    assert made.code == 0, made.err
    incident = made.out.split()[-1]
    listed = adal("case", "disclosure", "list", reference, "--secrets", lead)
    assert incident in listed.out
    assert "art. 424" in listed.out
    assert "Invented Clerk" not in listed.out
    shown = adal("case", "disclosure", "show", reference, incident, "--secrets", lead)
    assert "Invented Clerk" in shown.out
    assert "told the head of the clinic" in shown.out
    assert adal("case", "disclosure", "show", reference, "nothing", "--secrets", lead).code == 2
    assert adal("case", "disclosure", "list", reference, "--secrets", desk).code == 2
    wrong = adal("case", "disclosure", "add", reference, "--article", "cc-1", "--who", "x", "--text", "-",
                 "--secrets", lead, typed="y\n")  # fmt: skip
    assert wrong.code == 2


def test_another_lead_ends_an_incident(adal: Run, folder: Path, lead: Path, filed: tuple[str, str]):
    second = secrets_of(adal, folder, "lead.second", "lead", "Lead Second")
    _, reference = filed
    made = adal(
        "case", "disclosure", "add", reference, "--article", "cc-423", "--who", "Invented Clerk", "--text", "-",
        "--secrets", lead, typed="showed the file\n",
    )  # fmt: skip
    incident = made.out.split()[-1]
    assert "recorded" in adal("case", "disclosure", "list", reference, "--secrets", lead).out
    end = ("case", "disclosure", "end", reference, incident, "--result")
    own = adal(*end, "confirmed", "--secrets", lead)
    assert (own.code, "Another lead ends it" in own.err) == (2, True)
    assert adal(*end, "nothing", "--secrets", second).code == 2
    ended = adal(*end, "passed_to_prosecutor", "--secrets", second)
    assert ended.code == 0, ended.err
    assert "Passed to the prosecutor" in ended.out
    assert "Passed to the prosecutor" in adal("case", "disclosure", "list", reference, "--secrets", lead).out
    assert adal(*end, "confirmed", "--secrets", second).code == 2


def test_a_receipt_of_a_directory_that_names_no_witnesses_says_so(adal: Run, folder: Path):
    found = adal("report", "file", "--answers", folder / "answers.json", "--yes")
    assert "signed by the authority alone, not witnessed" in found.out
