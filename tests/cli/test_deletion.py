"""Two people delete a case at the terminal, and the reporter is told."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_journey import filed, folder, lead, secrets_of

__all__ = ["filed", "folder", "lead"]


@pytest.fixture
def second(adal: Run, folder: Path) -> Path:
    return secrets_of(adal, folder, "second.tour", "lead", "Second Tour")


def test_read_close_propose_approve(adal: Run, lead: Path, second: Path, filed: tuple[str, str]):
    receipt, reference = filed
    mine, theirs = ("--secrets", lead), ("--secrets", second)
    why = adal("case", "delete", "show", reference, *mine)
    for reason in ("has not ended", "Not all that the reporter wrote was read", "were not answered"):
        assert reason in why.out
    assert adal("case", "open", reference, *mine).code == 0
    assert "was read" not in adal("case", "delete", "show", reference, *mine).out
    assert adal("case", "register", reference, *mine).code == 0
    closed = adal(
        "case", "close", reference, "--outcome", "explained", "--text", "-", *mine, typed="Explained.\n"
    )
    assert closed.code == 0, closed.err
    shown = adal("case", "delete", "show", reference, *mine)
    assert "Nothing forbids" in shown.out
    assert "not confirmed by the text of a law" in shown.out

    early = adal("case", "delete", "propose", reference, *mine)
    assert early.code == 2
    assert adal("case", "delete", "propose", reference, "--ground", "because", *mine).code == 2
    assert adal("case", "delete", "approve", reference, "--yes", *theirs).code == 2
    proposed = adal("case", "delete", "propose", reference, "--ground", "court_order", *mine)
    assert proposed.code == 0, proposed.err
    assert reference in adal("case", "delete", "waiting", *theirs).out
    alone = adal("case", "delete", "approve", reference, "--yes", *mine)
    assert alone.code == 2
    assert "two people" in alone.err
    assert adal("case", "delete", "approve", reference, *theirs, typed="n\n").code == 2
    gone = adal("case", "delete", "approve", reference, "--yes", *theirs)
    assert gone.code == 0, gone.err
    assert "Backups may hold it until" in gone.out
    assert "Order of a court" in adal("case", "delete", "done", *mine).out
    assert adal("case", "open", reference, *mine).code == 2

    told = adal("inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert told.code != 0
    assert "This report was deleted on" in told.err
    kazakh = adal("--lang", "kk", "inbox", "show", "--receipt", "-", typed=receipt + "\n")
    assert "Сот шешімі" in kazakh.err


def test_a_hold_and_a_refusal_keep_a_case(adal: Run, lead: Path, second: Path, filed: tuple[str, str]):
    _, reference = filed
    mine, theirs = ("--secrets", lead), ("--secrets", second)
    assert adal("case", "register", reference, *mine).code == 0
    typed = "Explained.\n"
    closed = adal("case", "close", reference, "--outcome", "explained", "--text", "-", *mine, typed=typed)
    assert closed.code == 0, closed.err
    assert adal("case", "open", reference, *mine).code == 0
    assert adal("case", "delete", "hold", reference, *mine).code == 0
    assert "under a legal hold" in adal("case", "delete", "show", reference, *mine).out
    assert adal("case", "delete", "propose", reference, "--ground", "court_order", *mine).code == 2
    assert adal("case", "delete", "hold", reference, "--release", *mine).code == 0
    assert adal("case", "delete", "propose", reference, "--ground", "court_order", *mine).code == 0
    assert adal("case", "delete", "refuse", reference, *theirs).code == 0
    assert adal("case", "delete", "approve", reference, "--yes", *theirs).code == 2
    assert adal("case", "open", reference, *mine).code == 0
    assert reference not in adal("case", "delete", "due", *mine).out
