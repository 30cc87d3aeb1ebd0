"""E-mail to a member of staff: there is something new. No kind, no number, no day of a report, and no link.

Mail is read on other people's servers; so it says what everybody may know, and the desk is where one signs in anyway.
"""

import asyncio
import json
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

from services.contracts.feed import FeedEvent
from services.crypto import rules
from services.crypto.canonical import members
from services.crypto.errors import FormatError
from services.crypto.notices import is_address
from services.kit.i18n import LANGUAGES, N_, translator
from services.kit.mail import Server, automatic
from services.sender.channels import DeliveryFailed, Gone

SUBJECT = N_("Adal: there is something new for you")
TEXT = N_(
    "There is something new for you in Adal. Sign in as you always do to see what it is.\n\n"
    "This message was sent by a machine. It holds no link: if a message asks you to follow one, it is not from us."
)


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
    if not isinstance(found["address"], str) or not is_address(found["address"]):
        raise FormatError("not an address")
    if found["language"] not in LANGUAGES:
        raise FormatError("not a language")
    return Addressee(found["address"], found["language"])


def message(to: Addressee, sender: str, now: int) -> EmailMessage:
    """The message, the same for everybody and every event."""
    words = translator(to.language)
    return automatic(sender, to.address, words.gettext(SUBJECT), words.gettext(TEXT), now)


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
