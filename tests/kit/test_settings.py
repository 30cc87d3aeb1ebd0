"""Secrets come from files, one way to give a database, and no error shows what a file or a variable held."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.crypto.servicekeys import new_service_key
from services.kit.feed_consumer import consumer_of
from services.kit.settings import (
    ConsumerSettings,
    ServiceSettings,
    SettingsError,
    read_identity,
    read_secret,
    read_token,
    read_url,
    service_config,
)

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


# --- consumers of the feed


class Told(ConsumerSettings):
    model_config = service_config("ADAL_TOLD_")


def told(folder: Path, **changes: object) -> Told:
    (folder / "token").write_text("the token\n")
    (folder / "identity").write_bytes(new_service_key("rewards")[0])
    found: dict[str, object] = {
        "database_url": URL, "feed_url": "http://feed:8000", "feed_token_file": folder / "token",
        "identity_file": folder / "identity", **changes,
    }  # fmt: skip
    return Told(**{name: value for name, value in found.items() if value is not None})  # type: ignore[arg-type]


def test_a_consumer_has_address_token_and_identity_and_shows_none_of_the_secrets(tmp_path: Path):
    consumer = consumer_of(told(tmp_path))
    assert consumer is not None
    assert (consumer.source.url, consumer.source.token) == ("http://feed:8000", "the token")
    assert consumer.identity.recipient == read_identity(tmp_path / "identity", "x").recipient
    assert "the token" not in repr(consumer)
    assert str(consumer.identity) not in repr(consumer)


def test_without_an_address_nothing_is_fetched(tmp_path: Path):
    assert consumer_of(told(tmp_path, feed_url="")) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"feed_token_file": None},
        {"identity_file": None},
        {"feed_url": "feed:8000"},
        {"feed_url": "file:///x"},
    ],
)
def test_half_a_feed_stops_the_start(tmp_path: Path, changes: dict[str, object]):
    with pytest.raises(ValidationError):
        told(tmp_path, **changes)


@pytest.mark.parametrize("content", ["", "changeme", "AGE-SECRET-KEY-PQ-1geheim", "geheim\ngeheim", "кілт"])
def test_a_file_without_an_identity_stops_the_start_and_is_not_shown(tmp_path: Path, content: str):
    with pytest.raises(SettingsError) as raised:
        read_identity(written(tmp_path, content), "identity_file")
    assert "identity_file" in str(raised.value)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize("content", ["", "changeme", "кілт"])
def test_a_file_without_a_token_stops_the_start(tmp_path: Path, content: str):
    with pytest.raises(SettingsError, match="feed_token_file"):
        read_token(written(tmp_path, content), "feed_token_file")
