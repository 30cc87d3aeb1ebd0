"""The first administrator of a server: one secret on standard output, refused afterwards, nothing shown in errors."""

import pytest

from services.accounts import bootstrap
from tests.accounts.conftest import PASSWORD, Office

pytestmark = pytest.mark.anyio


@pytest.fixture
def empty(office: Office) -> Office:
    """An installation as it is after the migrations."""
    with office.database.superuser() as conn:
        conn.execute("TRUNCATE accounts.people CASCADE")
    return office


async def ask(office: Office, login: str = "aru", name: str = "Aru Sample") -> str | None:
    url = office.database.url("accounts")
    return await bootstrap.first_administrator(url, login, name, office.clock())


async def enrol(office: Office, enrolment: str | None, login: str = "aru") -> int:
    body = {"login": login, "enrolment": enrolment, "password": PASSWORD}
    return (await office.call("POST", "/enrolments", body)).status_code


async def test_the_secret_enrols_an_administrator_and_then_no_other_is_made(empty: Office):
    first = await ask(empty)
    second = await ask(empty)
    assert first != second
    assert await enrol(empty, first) == 401
    assert await enrol(empty, second) == 201
    assert await ask(empty) is None
    assert await ask(empty, "other") is None
    rows = empty.rows("SELECT login, name, roles FROM accounts.people")
    assert rows == [("aru", "Aru Sample", ["administrator"])]


def test_the_command_prints_the_secret_and_nothing_else(
    migrated_only: None, capsys: pytest.CaptureFixture[str]
):
    bootstrap.main(["--login", "Aru"])
    found = capsys.readouterr()
    assert len(found.out.strip()) == 32
    assert found.err == ""


def test_the_command_refuses_a_login_that_no_account_may_have(
    migrated_only: None, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit, match=r"^Wrong or missing: login$") as caught:
        bootstrap.main(["--login", "geheim or 1=1", "--name", "Aru"])
    assert "geheim" not in str(caught.value)
    with pytest.raises(SystemExit, match=r"^Wrong or missing: name$"):
        bootstrap.main(["--login", "aru", "--name", "\n"])
    assert capsys.readouterr().out == ""


def test_missing_settings_are_named(monkeypatch: pytest.MonkeyPatch, migrated_only: None):
    monkeypatch.delenv("ADAL_ACCOUNTS_TOKEN_KEY_FILE")
    with pytest.raises(SystemExit, match=r"^Wrong or missing: token_key_file$"):
        bootstrap.main(["--login", "aru"])


def test_a_database_that_does_not_answer_ends_with_a_line_that_names_no_secret(
    monkeypatch: pytest.MonkeyPatch, migrated_only: None, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ADAL_ACCOUNTS_DATABASE_URL", "postgresql+psycopg://a:geheim@127.0.0.1:9/x")
    with pytest.raises(SystemExit) as caught:
        bootstrap.main(["--login", "aru"])
    assert caught.value.code == 1
    found = capsys.readouterr()
    assert "bootstrap-failed" in found.out + found.err
    assert "geheim" not in found.out + found.err


@pytest.fixture
def migrated_only(environment: dict[str, str]) -> None:
    """Settings and an empty database, no service running."""
