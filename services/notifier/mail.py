"""The notice itself: one fixed text in three languages, which names neither a report nor what is new."""

import smtplib
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage

from services.crypto.notices import NoticeAddress
from services.kit.i18n import N_, translator
from services.kit.mail import Server, automatic

SUBJECT = N_("There is something new")
TEXT = N_(
    "There is something new for you. You know where to look.\n\n"
    "This message is sent by a program. It does not know what is new, and nobody reads answers to it."
)


class MailDown(RuntimeError):
    """The mail server cannot be reached or asks to come again: the notice is tried anew later."""


class AddressRefused(RuntimeError):
    """The mail server does not take a message to this address, now or ever."""


@dataclass(frozen=True)
class Mail:
    """Where notices are handed in, and in whose name."""

    server: Server
    sender: str

    def send(self, to: NoticeAddress) -> None:
        """Send the notice. Errors: MailDown, AddressRefused; they repeat nothing of the address."""
        try:
            self.server.send(notice(to, self.sender))
        except smtplib.SMTPRecipientsRefused as exc:
            raise _failure(code for code, _ in exc.recipients.values()) from None
        except smtplib.SMTPDataError as exc:
            # Some servers judge the recipient only when they have the whole message.
            raise _failure([exc.smtp_code]) from None
        except (smtplib.SMTPException, OSError):
            raise MailDown from None


def _failure(codes: Iterable[int]) -> MailDown | AddressRefused:
    return AddressRefused() if all(code >= 500 for code in codes) else MailDown()


def notice(to: NoticeAddress, sender: str) -> EmailMessage:
    """The message."""
    speak = translator(to.language).gettext
    return automatic(sender, to.address, speak(SUBJECT), speak(TEXT))
