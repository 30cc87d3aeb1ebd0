"""The command as a person runs it, in this process, and one real server for what needs one."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.language import set_language
from services.cli.main import app
from tests.system.conftest import Server


@dataclass(frozen=True)
class Outcome:
    """Exit code and what was printed on either output."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings of the person who runs the tests, and English again afterwards."""
    for name in [
        name for name in os.environ if name.startswith("ADAL_") or name in ("LANG", "LC_ALL", "LC_MESSAGES")
    ]:
        monkeypatch.delenv(name)
    yield
    set_language("en")


def run_command(*args: object, typed: str = "") -> Outcome:
    found = CliRunner().invoke(app, [str(arg) for arg in args], input=typed, env={"COLUMNS": "200"})
    return Outcome(found.exit_code, found.stdout, found.stderr)


@pytest.fixture
def run() -> Run:
    return run_command


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("cli"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def adal(installation: Server) -> Run:
    """The command against the real server and its folder."""
    return lambda *args, typed="": run_command(
        "--url", installation.url, "--var", installation.var, *args, typed=typed
    )


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An installation that asks for the second factor, as production does."""
    made = Server(tmp_path_factory.mktemp("strict"), settings={"ADAL_ACCOUNTS_SECOND_FACTOR": "true"})
    made.start()
    yield made
    made.stop()


def value_of(found: Outcome, name: str) -> str:
    """What stands behind a name in the output."""
    match = re.search(rf"^  {name} +(\S+)$", found.out, re.MULTILINE)
    assert match is not None, found.text
    return match[1]
