"""E-mail to a member of staff: there is something new. No kind, no number, no day of a report, and no link.

Mail is read on other people's servers; so it says what everybody may know, and the desk is where one signs in anyway.
"""

import asyncio
import json
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any
from uuid import UUID

from services.contracts.feed import FeedEvent
from services.crypto import rules
from services.crypto.canonical import members
from services.crypto.errors import FormatError
from services.kit.i18n import LANGUAGES, N_, translator
from services.sender.channels import DeliveryFailed, Gone
from services.sender.settings import ADDRESS, LOOPBACK

SUBJECT = N_("Adal: there is something new for you")
TEXT = N_(
    "There is something new for you in Adal. Sign in as you always do to see what it is.\n\n"
    "This message was sent by a machine. It holds no link: if a message asks you to follow one, it is not from us."
)
SECONDS = 30


@dataclass(frozen=True)
class Addressee:
    """Where a member of staff gets mail, and in which language."""

    address: str = field(repr=False)
    language: str


def read_address_book(path: Path) -> dict[UUID, Addressee]:
    """The address book. Errors: OSError, FormatError, ValueError."""
    found: Mapping[str, Any] = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise FormatError("not an address book")
    return {UUID(rules.uuid(person)): _addressee(line) for person, line in found.items()}


def _addressee(line: Any) -> Addressee:
    found = members(line, ("address", "language"))
    if not isinstance(found["address"], str) or not ADDRESS.fullmatch(found["address"]):
        raise FormatError("not an address")
    if found["language"] not in LANGUAGES:
        raise FormatError("not a language")
    return Addressee(found["address"], found["language"])


def message(to: Addressee, sender: str, now: int) -> EmailMessage:
    """The message, the same for everybody and every event."""
    words = translator(to.language)
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to.address, words.gettext(SUBJECT)
    made["Date"] = formatdate(now)
    # Without the domain the library would ask for this machine's name and send it along.
    made["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(words.gettext(TEXT) + "\n")
    return made


@dataclass(frozen=True)
class Server:
    """A mail server and how to reach it."""

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


@dataclass(frozen=True)
class Mail:
    """Mail to the people of the address book, which is read anew each time: no restart when somebody joins."""

    server: Server
    sender: str
    book: Path
    name: str = "mail"

    async def deliver(self, event: FeedEvent, now: int) -> None:
        """Notify the person of an event. Errors: DeliveryFailed; Gone when there is nobody to notify."""
        try:
            to = read_address_book(self.book).get(event.person) if event.person else None
        except (OSError, ValueError) as exc:
            raise DeliveryFailed(type(exc).__name__) from None
        if to is None:
            raise Gone("no address")
        try:
            await asyncio.to_thread(self.server.send, message(to, self.sender, now))
        except (OSError, smtplib.SMTPException) as exc:
            raise DeliveryFailed(type(exc).__name__) from None

    def covers(self, event: FeedEvent, other: FeedEvent) -> bool:
        """One message tells a person of everything that waits: their number would say how busy a case is."""
        return event.person == other.person
