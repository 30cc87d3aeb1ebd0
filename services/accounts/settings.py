"""Settings of the accounts service, environment prefix `ADAL_ACCOUNTS_`."""

from datetime import timedelta
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from services.crypto.tokens import MAX_LIFETIME
from services.kit.settings import ServiceSettings, service_config


def _safe_address(address: str, development: bool) -> bool:
    """Whether what is sent there is protected on its way: https, or this machine in development."""
    parts = urlsplit(address)
    local = development and parts.scheme == "http" and parts.hostname == "localhost"
    plain = not (parts.query or parts.fragment or parts.username)
    return plain and bool(parts.hostname) and (parts.scheme == "https" or local)


class Settings(ServiceSettings):
    """Secrets are files of 32 bytes, as base64url or hexadecimal text."""

    model_config = service_config("ADAL_ACCOUNTS_")

    token_key_file: Path = Field(description="Ed25519 seed that signs access tokens")
    service_key_file: Path = Field(
        description="seals second factors and keys the throttle; outside the database"
    )
    second_factor: bool = Field(
        True, description="ask for a second factor at sign-in; only development may say no"
    )
    session_hours: int = Field(12, ge=1, le=24)
    token_seconds: int = Field(300, ge=30, le=MAX_LIFETIME)
    enrolment_hours: int = Field(72, ge=1, le=168)
    throttle_attempts: int = Field(10, ge=1, le=100, description="failed sign-ins of one login in a window")
    throttle_seconds: int = Field(900, ge=1, le=86_400, description="length of that window")
    step_up_attempts: int = Field(5, ge=1, le=100, description="failed step-ups of one person in a window")
    recovery_attempts: int = Field(
        5, ge=1, le=100, description="recovery codes tried for one login in a window"
    )
    challenge_attempts: int = Field(
        30, ge=1, le=1000, description="passkey challenges of one login in a window"
    )
    client_attempts: int = Field(10, ge=1, le=1000, description="failed tokens of one API client in a window")
    challenge_seconds: int = Field(120, ge=10, le=600, description="how long a passkey challenge is good")
    passkey_rp_id: str = Field(
        "",
        pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)*)?$",
        description="host of the staff consoles; empty: no passkeys",
    )
    passkey_origins: tuple[str, ...] = Field((), description="https:// origins under that host")
    oidc_issuer: str = Field(
        "", pattern=r"^(https?://[!-~]{1,512})?$", description="identity provider; empty: no single sign-on"
    )
    oidc_client_id: str = Field("", max_length=255, description="what this service is called there")
    oidc_client_secret_file: Path | None = Field(None, description="none: a public client, with PKCE alone")
    oidc_redirect_uri: str = Field("", max_length=2048, description="of the staff consoles")
    oidc_name: str = Field("Single sign-on", min_length=1, max_length=64, description="shown to staff")
    argon2_at_once: int = Field(2, ge=1, le=64, description="password hashes at the same time, 19 MiB each")

    @model_validator(mode="after")
    def _two_factors_in_production(self) -> Self:
        if not self.second_factor and not self.development:
            raise ValueError("the second factor may be switched off in development only")
        return self

    @model_validator(mode="after")
    def _origins_under_the_host(self) -> Self:
        hosts = [origin.removeprefix("https://").partition(":")[0] for origin in self.passkey_origins]
        under = (host == self.passkey_rp_id or host.endswith("." + self.passkey_rp_id) for host in hosts)
        if not all(origin.startswith("https://") for origin in self.passkey_origins) or not all(under):
            raise ValueError("every origin of passkeys is https:// and lies under passkey_rp_id")
        return self

    @model_validator(mode="after")
    def _single_sign_on_whole(self) -> Self:
        addresses = (self.oidc_issuer, self.oidc_redirect_uri)
        if self.oidc_issuer and not (
            self.oidc_client_id and all(_safe_address(each, self.development) for each in addresses)
        ):
            raise ValueError(
                "oidc_issuer needs oidc_client_id and oidc_redirect_uri; both addresses are https://,"
                " in development also http://localhost, without query and fragment"
            )
        return self

    @property
    def issuer(self) -> str:
        """What an authenticator app shows."""
        return "Adal (development)" if self.development else "Adal"

    @property
    def session_life(self) -> timedelta:
        return timedelta(hours=self.session_hours)

    @property
    def enrolment_life(self) -> timedelta:
        return timedelta(hours=self.enrolment_hours)

    @property
    def challenge_life(self) -> timedelta:
        return timedelta(seconds=self.challenge_seconds)

    @property
    def throttle_window(self) -> timedelta:
        return timedelta(seconds=self.throttle_seconds)
