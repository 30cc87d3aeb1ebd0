"""Opening an identity at the terminal: asked, approved, released, undertaken, opened, shown in the inbox."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, Run
from tests.cli.test_form import GOOD

WHY = "Тергеуші сұрақ қоюы керек. MARKER-reason"
NAME = "MARKER-identity"


@dataclass(frozen=True)
class Tour:
    """Files of secrets by name, and a filed report."""

    adal: Run
    secrets: dict[str, Path]
    reference: str
    receipt: str

    def run(self, who: str, *args: object, typed: str = "") -> Outcome:
        return self.adal("identity", *args, "--secrets", self.secrets[who], typed=typed)

    def ask(self, **options: str) -> str:
        """The id of a new request."""
        given = [word for name, value in options.items() for word in (f"--{name}", value)]
        words = ("ask", self.reference, "--ground", "protection", "--reason", "-")
        found = self.run("investigator", *words, *given, typed=WHY)
        assert found.code == 0, found.err
        return re.search(r"[0-9a-f-]{36}", found.out)[0]  # type: ignore[index]


@pytest.fixture
def tour(adal: Run, tmp_path: Path) -> Tour:
    secrets = {}
    people = {
        "custodian-1": ("custodian", "--seat", 1), "custodian-2": ("custodian", "--seat", 2), "desk": ("desk",),
        "investigator": ("investigator",), "lead": ("lead",), "auditor": ("auditor",),
    }  # fmt: skip
    for name, (role, *more) in people.items():
        path, login = tmp_path / f"{name}.json", f"{name}.{tmp_path.name}".lower()
        words = ("--name", f"Tour {name} {tmp_path.name}", "--role", role, "--enrol", "--save", path, *more)
        found = adal("staff", "add", login, *words)
        assert found.code == 0, found.err
        secrets[name] = path
    answers = {
        **GOOD,
        "mode": "confidential",
        "answers": {"what": "Ойдан шығарылған."},
        "identity": {"name": NAME},
    }
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    filed = adal("report", "file", "--answers", tmp_path / "answers.json", "--yes")
    assert filed.code == 0, filed.err
    receipt = re.search(r"(\d{4} ){5}\d{4}", filed.out)
    reference = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{2}", filed.out)
    assert receipt is not None
    assert reference is not None
    for role in ("lead", "investigator"):
        person = f"Tour {role} {tmp_path.name}"
        found = adal("case", "assign", reference[0], person, "--role", role, "--secrets", secrets["desk"])
        assert found.code == 0, found.err
    return Tour(adal, secrets, reference[0], receipt[0])


def test_an_identity_is_opened_step_by_step(tour: Tour, adal: Run):
    request = tour.ask()
    assert request[:8] in tour.run("custodian-1", "list").out
    assert tour.reference not in tour.run("custodian-1", "list").out
    shown = tour.run("custodian-1", "show", request[:8])
    assert "MARKER-reason" in shown.out
    assert "0/2" in shown.out
    assert tour.run("custodian-1", "release", request).code != 0
    for name in ("custodian-1", "custodian-2"):
        assert "approved" in tour.run(name, "approve", request).out or name == "custodian-1"
    for name in ("custodian-1", "custodian-2"):
        assert tour.run(name, "release", request).code == 0

    declined = tour.run("investigator", "open", request, typed="no\n")
    assert (declined.code, "424" in declined.out, NAME in declined.text) == (2, True, False)
    assert "You" not in adal("inbox", "show", "--receipt", "-", typed=tour.receipt).out
    opened = tour.run("investigator", "open", request, typed="yes\n")
    assert opened.code == 0, opened.err
    assert NAME in opened.out
    assert NAME in tour.run("investigator", "open", request).out  # signed once, opened again

    for language, word in (("kk", "Негіздеме"), ("ru", "Основание"), ("en", "The ground")):
        inbox = adal("--lang", language, "inbox", "show", "--receipt", "-", typed=tour.receipt)
        assert word in inbox.out, inbox.out
    register = tour.run("auditor", "undertakings")
    assert tour.reference in register.out


def test_refusals_close_a_request(tour: Tour):
    request = tour.ask(deferral="2027-01-15", days="3")
    assert "2027" in tour.run("custodian-1", "show", request).out
    for name in ("custodian-1", "custodian-2"):
        assert tour.run(name, "refuse", request).code == 0
    assert "refused" in tour.run("investigator", "list").out
    assert tour.run("custodian-1", "approve", request).code == 2


def test_mistakes_are_told(tour: Tour):
    assert (
        tour.run(
            "investigator", "ask", tour.reference, "--ground", "curiosity", "--reason", "-", typed="x"
        ).code
        == 2
    )
    assert tour.run("investigator", "ask", tour.reference, "--ground", "court", "--reason", "-").code == 2
    words = ("ask", tour.reference, "--ground", "court", "--reason", "-", "--deferral", "soon")
    assert tour.run("investigator", *words, typed="x").code == 2
    assert tour.run("investigator", "show", "ffffffff").code == 2
    assert "protection" in tour.run("auditor", "grounds").out
