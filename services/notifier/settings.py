"""Settings of the notifier, environment prefix `ADAL_NOTIFIER_`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from services.kit.settings import service_config


class Settings(BaseSettings):
    """Secrets are files; nothing here names a reporter."""

    model_config = service_config("ADAL_NOTIFIER_")

    feed_url: str = Field(description="internal port of intake")
    feed_token_file: Path = Field(description="token of this consumer, as intake's list has its hash")
    identity_file: Path = Field(description="age identity that addresses are sealed to")
    state_file: Path = Field(description="how far the feed was read and which events are done: no address")
    sender: str = Field(
        min_length=3, max_length=254, description="address in From; it is all that shows who writes"
    )
    smtp_host: str = "localhost"
    smtp_port: int = Field(25, ge=1, le=65_535)
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="none only for a mail server on this machine"
    )
    smtp_user: str = ""
    smtp_password_file: Path | None = None
    longest_delay_minutes: int = Field(
        360, ge=0, le=60 * 24 * 3, description="a notice is sent after a random part of it"
    )
    every_seconds: float = Field(300, gt=0, description="how often the feed is asked")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        here = self.smtp_host in ("localhost", "127.0.0.1", "::1")
        if self.smtp_security == "none" and not here:
            raise ValueError("without TLS the mail server must be on this machine")
        if bool(self.smtp_user) != (self.smtp_password_file is not None):
            raise ValueError("smtp_user and smtp_password_file go together")
        return self
