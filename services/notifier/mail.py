"""The notice itself: one fixed text in three languages, which names neither a report nor what is new."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Literal

from services.crypto.notices import NoticeAddress
from services.kit.i18n import N_, translator

SUBJECT = N_("There is something new")
TEXT = N_(
    "There is something new for you. You know where to look.\n\n"
    "This message is sent by a program. It does not know what is new, and nobody reads answers to it."
)


class MailDown(RuntimeError):
    """The mail server cannot be reached or asks to come again: the notice is tried anew later."""


class AddressRefused(RuntimeError):
    """The mail server does not take this address, now or ever."""


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in, and in whose name. `password` is None where no sign-in is asked for."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    sender: str
    user: str = ""
    password: str | None = field(default=None, repr=False)

    def send(self, to: NoticeAddress) -> None:
        """Send the notice. Errors: MailDown, AddressRefused; they repeat nothing of the address."""
        try:
            with self._connect() as server:
                server.send_message(notice(to, self.sender))
        except smtplib.SMTPRecipientsRefused as exc:
            codes = [code for code, _ in exc.recipients.values()]
            raise (AddressRefused if all(code >= 500 for code in codes) else MailDown)() from None
        except (smtplib.SMTPException, OSError):
            raise MailDown from None

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=30, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=30)
        try:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.password is not None:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server


def notice(to: NoticeAddress, sender: str) -> EmailMessage:
    """The message."""
    speak = translator(to.language).gettext
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to.address, speak(SUBJECT)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(speak(TEXT))
    return message
