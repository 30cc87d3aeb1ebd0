"""Handing mail to a server: under TLS wherever it leaves this machine, and with nothing of this machine in it."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from services.crypto.notices import is_address
from services.kit.settings import LOOPBACK, read_token

SECONDS = 30


def automatic(sender: str, to: str, subject: str, text: str, now: float | None = None) -> EmailMessage:
    """A message that no person wrote and no program should answer; dated `now`, in POSIX seconds."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, subject
    made["Date"] = formatdate(now)
    # Without the domain the library would ask for this machine's name and send it along.
    made["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(text + "\n")
    return made


@dataclass(frozen=True)
class Server:
    """A mail server and how to reach it: `security` is starttls, tls, or none for one on this machine."""

    host: str
    port: int
    security: str
    login: str = ""
    password: str = field(default="", repr=False)

    def send(self, made: EmailMessage) -> None:
        """Hand a message over. Errors: OSError, smtplib.SMTPException."""
        with self._connected() as connection:
            if self.security == "starttls":
                connection.starttls(context=ssl.create_default_context())
            if self.login:
                connection.login(self.login, self.password)
            connection.send_message(made)

    def _connected(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, "localhost", timeout=SECONDS, context=context)
        if self.security == "none" and self.host not in LOOPBACK:
            raise OSError("not on this machine")
        # "localhost" is what we call ourselves: the machine's own name is nobody's business.
        return smtplib.SMTP(self.host, self.port, "localhost", timeout=SECONDS)


class MailSettings(BaseSettings):
    """What a program that sends mail needs. Sub-classes set their own `env_prefix`."""

    mail_from: str = Field("", description="address of the sender of mail")
    smtp_host: str = Field("", description="mail server")
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="none only for a mail server on this machine"
    )
    smtp_login: str = Field("", description="login at the mail server; empty: none is given")
    smtp_password_file: Path | None = Field(None, description="file with its password")

    @model_validator(mode="after")
    def _safe_mail(self) -> Self:
        if self.smtp_security == "none" and self.smtp_host not in LOOPBACK:
            raise ValueError("mail leaves this machine encrypted only")
        if bool(self.smtp_login) != (self.smtp_password_file is not None):
            raise ValueError("smtp_login and smtp_password_file go together")
        return self

    @property
    def has_mail(self) -> bool:
        """Whether a server and a usable sender are named."""
        return bool(self.smtp_host) and is_address(self.mail_from)

    def mail_server(self) -> Server:
        """The server, with its password. Errors: SettingsError."""
        file = self.smtp_password_file
        password = read_token(file, "smtp_password_file") if file else ""
        return Server(self.smtp_host, self.smtp_port, self.smtp_security, self.smtp_login, password)
