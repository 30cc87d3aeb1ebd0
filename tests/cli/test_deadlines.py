"""Time limits at the terminal, against a real server: both sides see them, a lead extends one, figures count them."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_journey import desk, filed, folder, investigator, secrets_of

__all__ = ["desk", "filed", "folder", "investigator"]


@pytest.fixture
def lead(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "lead.clock", "lead", "Lead Clock")


def test_the_reporter_is_told_by_when_the_report_is_registered_and_sees_what_runs(
    adal: Run, filed: tuple[str, str]
):
    receipt, _ = filed
    shown = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert shown.code == 0, shown.err
    for words in ("Time limits", "Registration", "by ", "Acknowledgement of receipt (EU benchmark)"):
        assert words in shown.out
    assert "recusal" not in shown.out


@pytest.mark.parametrize(
    ("language", "words"),
    [("kk", "Алынғанын растау (ЕО өлшемі)"), ("ru", "Подтверждение получения (ориентир ЕС)")],
)
def test_limits_are_named_in_the_language_of_the_reporter(
    adal: Run, filed: tuple[str, str], language: str, words: str
):
    shown = adal("--lang", language, "inbox", "show", "--receipt", "-", typed=filed[0] + "\n")
    assert words in shown.out
    assert "Time limits" not in shown.out


def test_the_desk_sees_limits_with_their_articles_and_finds_cases_by_them(
    adal: Run, desk: Path, filed: tuple[str, str]
):
    _, reference = filed
    assert adal("case", "register", reference, "--secrets", desk).code == 0
    shown = adal("case", "deadlines", reference, "--secrets", desk)
    assert shown.code == 0, shown.err
    for words in (
        "Consideration of the report",
        "art. 76(1)",
        "art. 64(3)",
        "Directive (EU) 2019/1937",
        "done on",
    ):
        assert words in shown.out
    assert "Consideration of the report" in adal("case", "open", reference, "--secrets", desk).out
    assert reference not in adal("case", "list", "--due", "overdue", "--secrets", desk).out
    assert adal("case", "list", "--due", "whenever", "--secrets", desk).code != 0


def test_a_lead_extends_once_and_the_reporter_reads_why(
    adal: Run, desk: Path, lead: Path, filed: tuple[str, str]
):
    receipt, reference = filed
    assert adal("case", "register", reference, "--secrets", desk).code == 0
    until = date.today() + timedelta(days=50)  # noqa: DTZ011 - the day of this machine is near enough
    args = ("case", "extend", reference, "--until", until.isoformat(), "--text", "-", "--secrets")
    assert adal(*args, desk, typed="MARKER reasons\n").code != 0
    assert adal("case", "extend", reference, "--until", "soon", "--secrets", lead).code == 2
    assert adal(*args, lead, typed="\n").code == 2
    done = adal(*args, lead, typed="MARKER reasons\n")
    assert done.code == 0, done.err
    assert "extended on" in done.out
    inbox = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert "MARKER reasons" in inbox.out
    assert "extended on" in inbox.out
    assert adal(*args, lead, typed="MARKER again\n").code != 0


def test_gaps_are_named_with_a_last_day(adal: Run, desk: Path, filed: tuple[str, str]):
    receipt, reference = filed
    assert adal("case", "register", reference, "--secrets", desk).code == 0
    until = (date.today() + timedelta(days=9)).isoformat()  # noqa: DTZ011
    args = ("case", "mark", reference, "gaps", "--until", until, "--text", "-", "--secrets", desk)
    done = adal(*args, typed="MARKER which house\n")
    assert done.code == 0, done.err
    shown = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n").out
    assert "Time set for filling the gaps" in shown
    assert "MARKER which house" in shown
    assert adal("case", "mark", reference, "gaps_filled", "--secrets", desk).code == 0
    assert adal("case", "mark", reference, "gaps_filled", "--secrets", desk).code != 0


def test_figures_are_numbers_by_month_and_kind(adal: Run, desk: Path, lead: Path, filed: tuple[str, str]):
    assert adal("case", "register", filed[1], "--secrets", desk).code == 0
    shown = adal("case", "figures", "--secrets", lead)
    assert shown.code == 0, shown.err
    assert "Registration" in shown.out
    assert "Registration" not in adal("case", "figures", "--year", "2020", "--secrets", lead).out
    assert adal("case", "figures", "--secrets", desk).code != 0
