"""Settings of the notifier, environment prefix `ADAL_NOTIFIER_`."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from services.kit.mail import MailSettings
from services.kit.settings import service_config


class Settings(MailSettings):
    """Secrets are files; nothing here names a reporter. The sender's address is all that shows who writes."""

    model_config = service_config("ADAL_NOTIFIER_")

    feed_url: str = Field(description="internal port of intake")
    feed_token_file: Path = Field(description="token of this consumer, as intake's list has its hash")
    identity_file: Path = Field(description="age identity that addresses are sealed to")
    state_file: Path = Field(description="how far the feed was read and which events are done: no address")
    longest_delay_minutes: int = Field(
        360, ge=0, le=60 * 24 * 3, description="a notice is sent after a random part of it"
    )
    every_seconds: float = Field(300, gt=0, description="how often the feed is asked")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.has_mail:
            raise ValueError("notices need smtp_host and mail_from")
        return self
