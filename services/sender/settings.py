"""Settings of the sender, environment prefix `ADAL_SENDER_`."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.kit.mail import MailSettings
from services.kit.settings import LOOPBACK, service_config


class Endpoint(BaseModel):
    """Who gets webhooks: https anywhere, plain http on this machine only."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    url: str = Field(max_length=2000)
    secret_file: Path

    @field_validator("url")
    @classmethod
    def _safe(cls, value: str) -> str:
        parts = urlsplit(value)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not (parts.hostname and (parts.scheme == "https" or local)) or parts.username or parts.fragment:
            raise ValueError("an endpoint is an https address, or http on this machine")
        return value


class Settings(MailSettings):
    """Nothing here opens anything; secrets are names of files."""

    model_config = service_config("ADAL_SENDER_")

    feed_url: str = Field(description="internal port of intake")
    state_file: Path = Field(description="what is not delivered yet, and how far the feed was read")
    poll_seconds: float = Field(60, gt=0, description="pause between two looks, on average")
    webhooks_token_file: Path | None = Field(None, description="token of the consumer `webhooks`")
    endpoints: tuple[Endpoint, ...] = Field(
        (), description="who gets webhooks, as a JSON list of {name, url, secret_file}"
    )
    mail_token_file: Path | None = Field(None, description="token of the consumer `mail`")
    address_book_file: Path | None = Field(
        None, description="JSON: person id -> {address, language}; whoever is not in it gets no mail"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.endpoints) != (self.webhooks_token_file is not None):
            raise ValueError("endpoints and webhooks_token_file go together")
        if len({endpoint.name for endpoint in self.endpoints}) != len(self.endpoints):
            raise ValueError("two endpoints have one name")
        if self.mail_token_file is not None and (self.address_book_file is None or not self.has_mail):
            raise ValueError("mail needs smtp_host, address_book_file and mail_from")
        return self
