"""Settings: no start with one factor in production, and no start without good keys."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.accounts.app import create_app
from services.accounts.context import provider_of, start
from services.accounts.settings import Settings
from services.crypto.canonical import b64u
from services.kit.settings import SettingsError, key_bytes

KEY = bytes(range(1, 33))


def settings(folder: Path, **more: object) -> Settings:
    for name in ("token", "service"):
        (folder / name).write_text(b64u(KEY))
    values = {
        "database_url": "postgresql+psycopg://localhost/none",
        "token_key_file": folder / "token",
        "service_key_file": folder / "service",
        **more,
    }
    return Settings.model_validate(values)


def test_production_refuses_to_switch_the_second_factor_off(tmp_path: Path):
    with pytest.raises(ValidationError, match="in development only"):
        settings(tmp_path, environment="production", second_factor=False)
    assert settings(tmp_path, environment="production").second_factor
    assert not settings(tmp_path, environment="development", second_factor=False).second_factor


def test_production_and_both_factors_are_what_nobody_has_to_ask_for(tmp_path: Path):
    found = settings(tmp_path)
    assert (found.environment, found.second_factor, found.session_hours, found.token_seconds) == (
        "production",
        True,
        12,
        300,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("token_seconds", 301), ("session_hours", 0), ("throttle_attempts", 0), ("unknown", 1)],
)
def test_settings_out_of_bounds_stop_the_start(tmp_path: Path, name: str, value: int):
    with pytest.raises(ValidationError):
        settings(tmp_path, **{name: value})


@pytest.mark.parametrize("text", [b64u(KEY), KEY.hex(), KEY.hex().upper() + "\n", f"  {b64u(KEY)}\n"])
def test_a_key_file_is_base64url_or_hexadecimal(tmp_path: Path, text: str):
    (tmp_path / "key").write_text(text)
    assert key_bytes(tmp_path / "key", "token_key_file") == KEY


@pytest.mark.parametrize(
    "text", ["", "changeme", b64u(KEY[:31]), b64u(KEY) + "=", KEY.hex()[:-2], "g" * 64, "ключ" * 16]
)
def test_a_bad_key_file_stops_the_start_and_is_not_shown(tmp_path: Path, text: str):
    (tmp_path / "key").write_text(text)
    with pytest.raises(SettingsError, match="token_key_file") as caught:
        key_bytes(tmp_path / "key", "token_key_file")
    assert not text or text not in str(caught.value)


@pytest.mark.anyio
async def test_secrets_do_not_show_in_the_text_of_what_holds_them(tmp_path: Path):
    app = create_app(settings(tmp_path))
    await start(app)
    shown = repr(app.state.context)
    assert b64u(KEY) not in shown
    assert repr(KEY)[2:-1] not in shown
    assert app.state.context.service_key == KEY


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("staff.example.kz", "http://staff.example.kz"),
        ("staff.example.kz", "https://example.kz"),
        ("staff.example.kz", "https://evilstaff.example.kz"),
        ("", "https://staff.example.kz"),
    ],
)
def test_origins_of_passkeys_lie_under_their_host_with_tls(tmp_path: Path, host: str, origin: str):
    with pytest.raises(ValidationError, match="passkey"):
        settings(tmp_path, passkey_rp_id=host, passkey_origins=(origin,))


@pytest.mark.anyio
async def test_passkeys_belong_to_localhost_in_development_and_to_nothing_by_default(tmp_path: Path):
    for environment, host in (("development", "localhost"), ("production", "")):
        app = create_app(settings(tmp_path, environment=environment))
        await start(app)
        party = app.state.context.relying_party
        assert (party.id, party.local) == (host, environment == "development")
    good = settings(
        tmp_path, passkey_rp_id="staff.example.kz", passkey_origins=("https://desk.staff.example.kz:8443",)
    )
    assert good.passkey_rp_id == "staff.example.kz"


SIGN_ON = {
    "oidc_issuer": "https://id.example.org",
    "oidc_client_id": "adal",
    "oidc_redirect_uri": "https://consoles.example.org/signed-on",
}


def test_single_sign_on_is_off_until_it_is_whole(tmp_path: Path):
    assert provider_of(settings(tmp_path)) is None
    found = provider_of(settings(tmp_path, **SIGN_ON))
    assert found is not None
    assert (found.issuer, found.client_id, found.secret) == ("https://id.example.org", "adal", None)


@pytest.mark.parametrize(
    "change",
    [
        {"oidc_client_id": ""},
        {"oidc_redirect_uri": ""},
        {"oidc_redirect_uri": "http://consoles.example.org/signed-on"},
        {"oidc_issuer": "http://id.example.org"},
        {"oidc_issuer": "http://localhost:9000"},
        {"oidc_issuer": "https://id.example.org?x=1"},
        {"oidc_issuer": "https://name@id.example.org"},
        {"oidc_issuer": "ftp://id.example.org"},
    ],
    ids=str,
)
def test_single_sign_on_needs_safe_addresses(tmp_path: Path, change: dict[str, str]):
    with pytest.raises(ValidationError):
        settings(tmp_path, **SIGN_ON | change)


def test_a_provider_on_this_machine_is_for_development_only(tmp_path: Path):
    found = settings(
        tmp_path, **SIGN_ON | {"environment": "development", "oidc_issuer": "http://localhost:9000"}
    )
    assert found.oidc_issuer == "http://localhost:9000"
    with pytest.raises(ValidationError):
        settings(tmp_path, **SIGN_ON | {"environment": "development", "oidc_issuer": "http://127.0.0.1:9000"})


def test_the_secret_of_the_client_is_a_file_that_stays_out_of_sight(tmp_path: Path):
    (tmp_path / "client").write_text("a secret\n")
    found = provider_of(settings(tmp_path, **SIGN_ON, oidc_client_secret_file=tmp_path / "client"))
    assert found is not None
    assert found.secret == "a secret"
    assert "a secret" not in repr(found)
    with pytest.raises(SettingsError):
        provider_of(settings(tmp_path, **SIGN_ON, oidc_client_secret_file=tmp_path / "missing"))
