"""Settings of a service: environment variables `ADAL_<SERVICE>_...`, secrets as files.

A secret is given by the name of a file, never by its value, so that it does not stand in a process list or an
environment dump. A file that still holds the placeholder stops the start.
"""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.crypto.age import HybridIdentity
from services.crypto.canonical import unb64u
from services.crypto.errors import CryptoError
from services.crypto.servicekeys import read_service_key

PLACEHOLDER = b"changeme"
#: Names of this machine, between whose programs nothing needs to be encrypted.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class SettingsError(RuntimeError):
    """A setting is missing or unusable. The text names the setting, never its value."""


def read_secret(path: Path, name: str) -> bytes:
    """The bytes of a secret file, without surrounding white space.

    Errors: SettingsError when the file is missing, empty or still the placeholder.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError:
        raise SettingsError(f"the secret file of {name} cannot be read") from None
    if not secret or secret.lower().startswith(PLACEHOLDER):
        raise SettingsError(f"the secret file of {name} is empty or still a placeholder")
    return secret


def read_url(path: Path, name: str) -> str:
    """A database URL from a secret file. Errors: SettingsError, which does not show it."""
    try:
        url = read_secret(path, name).decode("ascii")
    except UnicodeDecodeError:
        raise SettingsError(f"the secret file of {name} is not plain text") from None
    if not url.startswith("postgresql+psycopg://"):
        raise SettingsError(f"the secret file of {name} does not hold a postgresql+psycopg:// URL")
    return url


def bytes32(text: str) -> bytes:
    """32 bytes from base64url or hexadecimal text. Errors: FormatError, ValueError."""
    return bytes.fromhex(text) if len(text) == 64 else unb64u(text, 32)


def key_bytes(path: Path, name: str) -> bytes:
    """32 bytes from a secret file of base64url or hexadecimal text. Errors: SettingsError."""
    try:
        return bytes32(read_secret(path, name).decode("ascii"))
    except (CryptoError, ValueError):
        raise SettingsError(
            f"the secret file of {name} does not hold 32 bytes as base64url or hexadecimal text"
        ) from None


def read_token(path: Path, name: str) -> str:
    """A token from a secret file. Errors: SettingsError."""
    try:
        return read_secret(path, name).decode("ascii")
    except UnicodeDecodeError:
        raise SettingsError(f"the secret file of {name} is not plain text") from None


def read_identity(path: Path, name: str) -> HybridIdentity:
    """The age identity in a secret file (`services.crypto.servicekeys`). Errors: SettingsError."""
    try:
        return read_service_key(read_secret(path, name))
    except CryptoError:
        raise SettingsError(f"the secret file of {name} does not hold one age identity") from None


class ServiceSettings(BaseSettings):
    """What every service needs. Sub-classes set their own `env_prefix`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    environment: str = Field("production", pattern="^(development|production)$")
    database_url: str = Field(
        "", description="postgresql+psycopg:// URL of the service's own login", repr=False
    )
    database_url_file: Path | None = Field(None, description="file with that URL, since it holds a password")
    pool_size: int = Field(10, ge=1, le=200)
    token_keys: tuple[str, ...] = Field(
        (), description="b64u verify keys whose access tokens are accepted; empty refuses all staff"
    )

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if bool(self.database_url) == (self.database_url_file is not None):
            raise ValueError("give either database_url or database_url_file")
        return self

    def database(self) -> str:
        """The URL of the database, read from its file where that was given. Errors: SettingsError."""
        if self.database_url_file is None:
            return self.database_url
        return read_url(self.database_url_file, "database_url_file")

    @property
    def development(self) -> bool:
        return self.environment == "development"


class ConsumerSettings(ServiceSettings):
    """What a service needs beside that to be told outcomes by intake."""

    feed_url: str = Field("", description="internal port of intake; empty: outcomes are not fetched")
    feed_token_file: Path | None = Field(
        None, description="token of this consumer, as intake's list has its hash"
    )
    identity_file: Path | None = Field(None, description="age identity that outcomes are sealed to")

    @model_validator(mode="after")
    def _whole_feed(self) -> Self:
        if self.feed_url and None in (self.feed_token_file, self.identity_file):
            raise ValueError("feed_url needs feed_token_file and identity_file")
        if self.feed_url and not self.feed_url.startswith(("http://", "https://")):
            raise ValueError("feed_url must be an http or https address")
        return self


def service_config(prefix: str) -> SettingsConfigDict:
    """The pydantic-settings configuration of one service, for example `service_config("ADAL_INTAKE_")`."""
    return SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, env_prefix=prefix)


__all__ = [
    "LOOPBACK",
    "ConsumerSettings",
    "ServiceSettings",
    "SettingsError",
    "bytes32",
    "key_bytes",
    "read_identity",
    "read_secret",
    "read_token",
    "read_url",
    "service_config",
]
