"""The migration job of a server, on a database that nothing has touched: run twice, with a password changed between."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from services import migrate
from services.first_run import SERVICES
from services.kit.postgres import ensure_cluster
from services.kit.service import head_of
from services.kit.settings import SettingsError

Files = dict[str, Path]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """Variable -> secret file, for a fresh cluster with an empty database `adal`."""
    with ensure_cluster(tmp_path / "postgres", durable=False) as cluster:
        password = secrets.token_urlsafe(24)
        with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as conn:
            conn.execute("CREATE DATABASE adal")
            made = sql.SQL("CREATE ROLE boss SUPERUSER LOGIN PASSWORD {}").format(sql.Literal(password))
            conn.execute(made)
        urls = {migrate.ADMINISTRATOR: cluster.dsn("boss", password, "adal")}
        for name, login in migrate.LOGINS.items():
            urls[name] = cluster.dsn(login, secrets.token_urlsafe(24), "adal")
        yield {name: write(tmp_path / name, url) for name, url in urls.items()}


def write(path: Path, url: str) -> Path:
    path.write_text(f"{url}\n")
    return path


def environment(files: Files) -> dict[str, str]:
    return {f"{name}_FILE": str(path) for name, path in files.items()}


def connect(path: Path) -> psycopg.Connection:
    return psycopg.connect(path.read_text().strip().replace("+psycopg", ""), autocommit=True)


def test_an_empty_database_becomes_ready_and_stays_so(files: Files) -> None:
    for _ in range(2):
        migrate.prepare(migrate.read_urls(environment(files)))
        for service in SERVICES:
            with connect(files[f"ADAL_{service.upper()}_DATABASE_URL"]) as conn:
                found = conn.execute(f"SELECT version_num FROM {service}.alembic_version").fetchone()
                assert found == (head_of(service),)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(f"CREATE TABLE {service}.probe ()")


def test_a_changed_password_is_the_one_that_counts(files: Files) -> None:
    migrate.prepare(migrate.read_urls(environment(files)))
    path = files["ADAL_INTAKE_DATABASE_URL"]
    old = path.read_text()
    write(path, old.strip().replace(make_url(old.strip()).password or "", secrets.token_urlsafe(24)))
    with pytest.raises(psycopg.OperationalError):
        connect(path)
    migrate.prepare(migrate.read_urls(environment(files)))
    connect(path).close()
    write(path, old)
    with pytest.raises(psycopg.OperationalError):
        connect(path)


def test_passwords_are_stored_as_scram_and_never_sent_as_they_are(files: Files) -> None:
    migrate.prepare(migrate.read_urls(environment(files)))
    with connect(files[migrate.ADMINISTRATOR]) as conn:
        rows = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'adal%'").fetchall()
    assert len(rows) == len(migrate.LOGINS)
    assert all(stored.startswith("SCRAM-SHA-256$") for (stored,) in rows)


GOOD = "postgresql+psycopg://{}:geheim@localhost/adal"


@pytest.fixture
def written(tmp_path: Path) -> Files:
    """Files that are right, of a database that is not there."""
    names = {migrate.ADMINISTRATOR: "boss", **migrate.LOGINS}
    return {name: write(tmp_path / name, GOOD.format(login)) for name, login in names.items()}


@pytest.mark.parametrize(
    "url",
    [
        GOOD.format("adal_intake_owner"),
        GOOD.format("postgres"),
        "postgresql+psycopg://adal_intake@localhost/adal",
        "geheim",
        "",
    ],
)
def test_a_wrong_url_stops_it_and_is_not_shown(written: Files, url: str) -> None:
    write(written["ADAL_INTAKE_DATABASE_URL"], url)
    with pytest.raises(SettingsError, match="ADAL_INTAKE_DATABASE_URL_FILE") as caught:
        migrate.read_urls(environment(written))
    assert "geheim" not in str(caught.value)


def test_a_missing_variable_is_named(written: Files) -> None:
    given = environment(written)
    assert set(migrate.read_urls(given)) == set(written)
    del given["ADAL_REWARDS_OWNER_DATABASE_URL_FILE"]
    with pytest.raises(SettingsError, match=r"^ADAL_REWARDS_OWNER_DATABASE_URL_FILE is not set$"):
        migrate.read_urls(given)


def test_the_command_ends_with_an_error_that_names_no_secret(
    written: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(written[migrate.ADMINISTRATOR], "postgresql+psycopg://boss:geheim@127.0.0.1:9/adal")
    for name, value in environment(written).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        migrate.main()
    assert caught.value.code == 1
    found = capsys.readouterr()
    assert "migration-failed" in found.out + found.err
    assert "geheim" not in found.out + found.err
