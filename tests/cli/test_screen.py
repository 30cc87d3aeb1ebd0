"""The terminal shows words of strangers and is not driven by them."""

import io
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.screen import ask_long, ask_yes, bar, one_line, read_text, say, shown, table


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_shown_text_holds_no_control_or_direction_character(text: str):
    kept = shown(text)
    assert all(char in "\n\t" or unicodedata.category(char)[0] != "C" for char in kept)
    assert [char for char in kept if char.isalnum()] == [
        char for char in text if char.isalnum() and char in kept
    ]
    assert "\n" not in one_line(text)


def test_escape_sequences_and_markup_are_words(capsys: pytest.CaptureFixture[str]):
    say(shown("\x1b[2J[bold]not bold[/bold] \u202eevil"))
    table(["a"], [["[red]x[/red]"]])
    assert capsys.readouterr().out.splitlines()[0] == "[2J[bold]not bold[/bold] evil"


def test_a_table_shows_brackets(capsys: pytest.CaptureFixture[str]):
    table(["Head"], [["[red]x\x07[/red]"], ["y"]])
    said = capsys.readouterr().out
    assert "[red]x[/red]" in said
    assert said.splitlines()[0].strip() == "Head"


@pytest.mark.parametrize(
    ("typed", "meant"), [("yes", True), ("Y", True), ("no", False), ("", False), ("да", False)]
)
def test_only_a_yes_is_a_yes(monkeypatch: pytest.MonkeyPatch, typed: str, meant: bool):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed + "\n"))
    assert ask_yes("Really?") is meant


def test_several_lines_end_with_an_empty_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n\nthe rest"))
    assert ask_long("What?") == "one\ntwo"
    assert sys.stdin.read() == "the rest"


def test_text_comes_from_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "text"
    path.write_text("  Сәлем\nекі жол \n", encoding="utf-8")
    assert read_text(path, "?") == "Сәлем\nекі жол"
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\n"))
    assert read_text(Path("-"), "?") == "from a pipe"


def test_a_bar_takes_progress_and_leaves_nothing_on_the_output(capsys: pytest.CaptureFixture[str]):
    with bar("Sending") as progress:
        progress(1, 2)
        progress(2, 2)
    assert capsys.readouterr().out == ""
