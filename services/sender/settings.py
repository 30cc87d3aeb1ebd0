"""Settings of the sender, environment prefix `ADAL_SENDER_`."""

import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from services.kit.settings import service_config

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: Plain ASCII, one line, no display name: nothing that could become a second header.
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


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


class Settings(BaseSettings):
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
    mail_from: str = Field("", description="address of the sender of mail")
    smtp_host: str = Field("", description="mail server")
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="none only for a mail server on this machine"
    )
    smtp_login: str = Field("", description="login at the mail server; empty: none is given")
    smtp_password_file: Path | None = Field(None, description="file with its password")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.endpoints) != (self.webhooks_token_file is not None):
            raise ValueError("endpoints and webhooks_token_file go together")
        if len({endpoint.name for endpoint in self.endpoints}) != len(self.endpoints):
            raise ValueError("two endpoints have one name")
        if self.mail_token_file is not None:
            self._check_mail()
        return self

    def _check_mail(self) -> None:
        if not self.smtp_host or self.address_book_file is None or not ADDRESS.fullmatch(self.mail_from):
            raise ValueError("mail needs smtp_host, address_book_file and mail_from")
        if self.smtp_security == "none" and self.smtp_host not in LOOPBACK:
            raise ValueError("mail leaves this machine encrypted only")
        if bool(self.smtp_login) != (self.smtp_password_file is not None):
            raise ValueError("smtp_login and smtp_password_file go together")
