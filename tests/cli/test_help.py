"""Help and mistakes speak the reader's language."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from services.cli.language import _, label_of, set_language
from services.cli.main import app, wanted_language
from services.kit.i18n import LANGUAGES
from tests.cli.conftest import Run

CYRILLIC = re.compile(r"[а-яәіңғүұқөһ]", re.IGNORECASE)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, found in getattr(command, "commands", {}).items():
        yield from commands(found, (*path, name))


ALL = dict(commands(get_command(app)))


def test_the_commands_are_those_agreed():
    leaves = {" ".join(path) for path, command in ALL.items() if not getattr(command, "commands", None)}
    assert leaves == {
        "doctor", "report file", "inbox show", "inbox send", "inbox add-identity", "inbox replace-code",
        "inbox check", "case list", "case open", "case answer", "case download", "case assign", "case steps",
        "case register", "case review", "case forward", "case return", "case investigate", "case close", "case reopen",
        "case classify", "case body", "case deadlines", "case extend", "case mark", "case figures",
        "case end", "case release", "case show", "case note", "case notes", "case labels", "case link", "case unlink",
        "case reassign", "case bulk", "case package", "case evidence", "case evidence-verify", "case search",
        "staff add", "staff enrol", "staff list", "staff roles", "staff disable", "staff renew", "staff leave",
        "staff sessions", "staff recovery", "staff step-up", "staff link", "staff unlink",
        "staff client add", "staff client list", "staff client rotate", "staff client disable",
        "keys make", "keys publish", "keys sign-directory", "log verify",
        "jobs list", "jobs run",
        "keys fingerprint", "keys renew", "keys certify", "keys cosign", "keys directory draft",
        "keys ceremony", "keys desk-month", "keys desk-destroy",
        "keys seat-make", "keys seat-split", "keys seat-handover", "keys seat-release-subshare",
        "keys seat-recover", "keys escrow", "keys escrow-release", "keys escrow-recover",
        "witness key", "witness show", "witness once", "witness run", "witness enrol-development",
        "identity grounds", "identity ask", "identity list", "identity show", "identity approve", "identity refuse",
        "identity release", "identity open", "identity undertakings",
        "inbox notice", "call report", "call pressure", "call complaint", "call letter", "call walk-in", "call consult",
        "call feedback", "call callback", "call callbacks", "call done", "call figures", "call status", "call code-used",
        "inbox retaliation", "case protect", "case disclosure add", "case disclosure list", "case disclosure show",
        "case disclosure end",
        "case delete due", "case delete waiting", "case delete done", "case delete show", "case delete propose",
        "case delete approve", "case delete refuse", "case delete hold",
    }  # fmt: skip


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_in_three_languages(run: Run, path: tuple[str, ...]):
    found = {language: run("--lang", language, *path, "--help") for language in LANGUAGES}
    assert {one.code for one in found.values()} == {0}
    texts = {language: one.out for language, one in found.items()}
    assert len(set(texts.values())) == 3
    assert not CYRILLIC.search(texts["en"])
    for language in ("kk", "ru"):
        assert not re.search(r"^(Usage|Options|Arguments|Commands):", texts[language], re.MULTILINE)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
@pytest.mark.parametrize("language", ["kk", "ru"])
def test_no_help_text_is_left_in_english(language: str, path: tuple[str, ...]):
    set_language(language)
    command = ALL[path]
    texts = [command.help, *(param.help for param in command.params)]
    assert all(CYRILLIC.search(_(text)) for text in texts if text)


@pytest.mark.parametrize(
    ("args", "english", "russian"),
    [
        (["case", "open"], "Missing", "Не хватает"),
        (["case", "lost"], "not understood", "непонятна"),
        (["report", "file", "--colour"], "no option --colour", "Параметра --colour нет"),
        (["case", "list", "--limit", "many"], "not usable", "не годится"),
        (["keys", "make", "x", "extra"], "not understood", "непонятна"),
        (["--lang"], "not understood", "непонятна"),
    ],
)
def test_wrong_commands_are_explained_with_exit_code_two(
    run: Run, args: list[str], english: str, russian: str
):
    found = run(*args)
    assert (found.code, found.out) == (2, "")
    assert english in found.err
    if args != ["--lang"]:
        assert russian in run("--lang", "ru", *args).err


def test_an_unknown_language_is_wrong_input(run: Run):
    found = run("--lang", "de", "log", "verify")
    assert found.code == 2
    assert "--lang" in found.err


def test_a_bare_command_shows_its_help(run: Run):
    found = run("--lang", "kk", "inbox")
    assert found.code == 2
    assert "Пәрмендер" in found.err


def test_the_language_is_looked_for_in_the_right_order(monkeypatch: pytest.MonkeyPatch):
    assert wanted_language([]) == "en"
    monkeypatch.setenv("LANG", "kk_KZ.UTF-8")
    assert wanted_language([]) == "kk"
    monkeypatch.setenv("ADAL_LANG", "ru")
    assert wanted_language(["case", "list"]) == "ru"
    assert wanted_language(["--lang", "kk"]) == "kk"
    assert wanted_language(["--lang=en"]) == "en"
    monkeypatch.setenv("ADAL_LANG", "de")
    set_language(wanted_language([]))
    assert _("Desk") == "Desk"


def test_labels_of_the_form_fall_back():
    set_language("kk")
    assert label_of({"labels": {"kk": "а", "en": "b"}}) == "а"
    assert label_of({"labels": {"en": "b"}}) == "b"
    assert label_of({"code": "c"}) == "c"
