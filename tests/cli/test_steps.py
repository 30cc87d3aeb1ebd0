"""`adal case` moves cases on at the terminal: steps, outcomes, and what is refused with a clear sentence."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_form import GOOD
from tests.cli.test_journey import secrets_of, shown_of

ACT = (
    "--court", "Invented court", "--number", "1-23/2026", "--date", "2026-10-01", "--in-force", "2026-10-20",
    "--gravity", "grave", "--article", "cc-366-2", "--bribe", 5000000,
)  # fmt: skip
PERSON = {
    "names": [{"language": "latin", "surname": "Sample", "given": "Invented", "patronymic": None}],
    "born": None, "iin": None, "body": None, "position": None, "penalty": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("steps")
    (made / "answers.json").write_text(json.dumps(GOOD))
    (made / "persons.json").write_text(json.dumps([PERSON]))
    return made


@pytest.fixture
def desk(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "desk.steps", "desk", "Desk Steps")


@pytest.fixture
def lead(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "lead.steps", "lead", "Lead Steps")


@pytest.fixture
def filed(adal: Run, folder: Path) -> tuple[str, str]:
    """Receipt and reference."""
    found = adal("report", "file", "--answers", folder / "answers.json", "--yes")
    assert found.code == 0, found.err
    return shown_of(found)


def test_a_case_is_forwarded_and_its_reporter_reads_why(adal: Run, desk: Path, filed: tuple[str, str]):
    receipt, case = filed
    registered = adal("case", "register", case, "--as", "criminal", "--secrets", desk)
    assert (registered.code, "registered" in registered.out) == (0, True)
    assert adal("case", "forward", case, "--secrets", desk, typed="x\n\n").code == 2, "the body is missing"
    sent = ("case", "forward", case, "--to", "general-prosecutor", "--text", "-", "--secrets", desk)
    assert adal(*sent, typed="").code == 2
    found = adal(*sent, typed="It went to the prosecutor.\n")
    assert (found.code, "forwarded to the body in charge" in found.out) == (0, True), found.err
    shown = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert "It went to the prosecutor." in shown.out
    assert "forwarded to the body in charge" in shown.out


def test_a_wrong_return_is_refused_with_the_reason(adal: Run, desk: Path, lead: Path, filed: tuple[str, str]):
    _, case = filed
    adal("case", "register", case, "--secrets", desk)
    sent = ("case", "return", case, "--ground", "same_matter_ended", "--text", "-", "--secrets")
    refused = adal(*sent, desk, typed="Returned.\n")
    assert refused.code == 2
    assert "A lead, and not you, must have found that it is none." in refused.err
    assert adal("case", "classify", case, "non_criminal", "--secrets", lead).code == 0
    assert adal(*sent, lead, typed="Returned.\n").code == 2
    done = adal(*sent, desk, typed="Returned.\n")
    assert (done.code, "returned" in done.out) == (0, True), done.err


def test_a_case_is_closed_with_its_act_and_reopened_by_a_lead(
    adal: Run, desk: Path, lead: Path, folder: Path, filed: tuple[str, str]
):
    receipt, case = filed
    adal("case", "register", case, "--as", "criminal", "--secrets", desk)
    assert adal("case", "investigate", case, "--secrets", desk).code == 0
    close = ("case", "close", case, "--outcome", "convicted", "--text", "-", "--secrets", desk)
    done = adal(*close, *ACT, "--persons", folder / "persons.json", typed="The court has decided.\n")
    assert (done.code, "closed" in done.out) == (0, True), done.err
    inbox = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n").out
    for told in (
        "Found guilty by a court",
        "The court has decided.",
        "Invented court",
        "1-23/2026",
        "cc-366-2",
    ):
        assert told in inbox
    assert "Sample" not in inbox, "whom the act is about goes to the registry alone"
    opened = adal("case", "open", case, "--secrets", desk).out
    assert "The court has decided." in opened
    reopen = ("case", "reopen", case, "--text", "-", "--secrets")
    assert adal(*reopen, desk, typed="Again.\n").code == 2
    assert adal(*reopen, lead, typed="Again.\n").code == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--court", "A court"),
        (*ACT[:5], "1 October"),
        (*ACT, "--damage", -1),
        (*ACT, "--gravity", "worst"),
        (*ACT, "--persons", "nowhere.json"),
        (*ACT, "--persons", "answers.json"),
    ],
    ids=["half an act", "no day", "less than nothing", "no gravity", "no file", "no persons"],
)
def test_impossible_facts_are_said_before_anything_is_sent(
    adal: Run, desk: Path, folder: Path, filed: tuple[str, str], options: tuple[object, ...]
):
    _, case = filed
    adal("case", "register", case, "--secrets", desk)
    given = [folder / str(option) if str(option).endswith(".json") else option for option in options]
    close = ("case", "close", case, "--outcome", "convicted", "--text", "-", "--secrets", desk)
    found = adal(*close, *given, typed="Words.\n")
    assert found.code in (1, 2)
    assert found.err
    assert "closed" not in adal("case", "list", "--secrets", desk, "--limit", 1).out


def test_the_steps_and_their_codes_are_listed_in_the_language_asked_for(adal: Run, desk: Path):
    found = adal("case", "steps", "--secrets", desk)
    for told in ("same_matter_ended", "general-prosecutor", "convicted", "APPC 64(3)", "ground, notice"):
        assert told in found.out
    assert "Қайтару" in adal("--lang", "kk", "case", "steps", "--secrets", desk).out


def test_the_body_concerned_is_recorded_and_taken_back(adal: Run, desk: Path, filed: tuple[str, str]):
    _, case = filed
    assert adal("case", "body", case, "akimat", "--secrets", desk).code == 0
    assert adal("case", "body", case, "-", "--secrets", desk).code == 0
    assert adal("case", "body", case, "nowhere", "--secrets", desk).code == 2
