"""Secrets come from files, one way to give a database, and no error shows what a file or a variable held."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.kit.settings import ServiceSettings, SettingsError, read_secret, read_url, service_config

URL = "postgresql+psycopg://adal_sample:geheim@localhost/adal"


class Sample(ServiceSettings):
    model_config = service_config("ADAL_SAMPLE_")


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "secret"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("content", [URL, f"{URL}\n", f"  {URL}\r\n"])
def test_the_database_url_is_read_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
):
    monkeypatch.setenv("ADAL_SAMPLE_DATABASE_URL_FILE", str(written(tmp_path, content)))
    assert Sample().database() == URL


def test_the_database_url_may_still_be_given_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ADAL_SAMPLE_DATABASE_URL", URL)
    assert Sample().database() == URL


def test_the_file_is_read_when_the_url_is_needed_so_a_new_password_needs_a_restart_only(tmp_path: Path):
    settings = Sample(database_url_file=tmp_path / "secret")
    with pytest.raises(SettingsError, match="database_url_file cannot be read"):
        settings.database()
    written(tmp_path, URL)
    assert settings.database() == URL


def test_no_database_and_two_databases_stop_the_start(tmp_path: Path):
    for given in ({}, {"database_url": URL, "database_url_file": written(tmp_path, URL)}):
        with pytest.raises(ValidationError, match="either database_url or database_url_file") as caught:
            Sample.model_validate(given)
        assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty or still a placeholder"),
        (" \n", "empty or still a placeholder"),
        ("ChangeMe-please", "empty or still a placeholder"),
        ("mysql://geheim@localhost/adal", "does not hold"),
        ("postgresql://geheim@localhost/adal", "does not hold"),
        (b"\xff\xfegeheim", "not plain text"),
    ],
)
def test_a_file_without_a_url_stops_the_start_and_is_not_shown(
    tmp_path: Path, content: str | bytes, says: str
):
    with pytest.raises(SettingsError, match=says) as caught:
        read_url(written(tmp_path, content), "database_url_file")
    assert "geheim" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_secret_is_bytes_without_the_white_space_around_it(tmp_path: Path):
    assert read_secret(written(tmp_path, b"\n \xf0\x00 x \n"), "pepper_file") == b"\xf0\x00 x"
    with pytest.raises(SettingsError, match="pepper_file"):
        read_secret(tmp_path, "pepper_file")


def test_the_password_does_not_show_in_the_text_of_the_settings():
    assert "geheim" not in repr(Sample(database_url=URL))
