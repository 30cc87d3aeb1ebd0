"""Where a reporter wants to be told that there is something new: an address that only the notifier opens.

It names neither the report nor its keys, so the notifier learns that somebody has to do with us, and nothing else.
"""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from services.crypto import canonical, rules
from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.canonical import b64u, members, unb64u
from services.crypto.errors import FormatError
from services.crypto.padding import frame, unframe

SIZE = 1024
"""Bytes of the plaintext: the length of an address does not show."""
LANGUAGES = ("kk", "ru", "en")
_TYPE, _WAY = "notice-address", "mail"
_TOKEN = 16
_LONGEST = 254
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True)
class NoticeAddress:
    """An e-mail address and the language of the notice; `token` (16 bytes) tells two addresses apart."""

    address: str = field(repr=False)
    language: str
    token: bytes = field(repr=False)

    @classmethod
    def new(cls, address: str, language: str) -> "NoticeAddress":
        """An address with a fresh token."""
        return cls(address, language, secrets.token_bytes(_TOKEN))

    def to_json(self) -> dict[str, Any]:
        """What is sealed."""
        return {
            "address": self.address, "language": self.language, "token": b64u(self.token), "type": _TYPE, "v": 1,
            "way": _WAY,
        }  # fmt: skip


def seal_notice_address(address: NoticeAddress, notifier: HybridRecipient) -> bytes:
    """The age file for the notifier. Errors: FormatError for what is no address."""
    body = address.to_json()
    _parse(body)
    return seal(frame(canonical.dumps(body), SIZE), [notifier])


def open_notice_address(file: bytes, notifier: HybridIdentity) -> NoticeAddress:
    """Open what `seal_notice_address` made. Errors: WrongKey, FormatError, Refused."""
    return _parse(canonical.loads(unframe(open_part(file, notifier), SIZE)))


def is_address(text: str) -> bool:
    """Whether this can be an e-mail address: plain ASCII, no display name, nothing that a mail program decodes.

    It stands in a header as it is: no second recipient, no second header, and any mail server can take it.
    """
    return len(text) <= _LONGEST and _ADDRESS.fullmatch(text) is not None and "=?" not in text


def _parse(body: Any) -> NoticeAddress:
    found = members(body, ("address", "language", "token", "type", "v", "way"))
    rules.version(found["v"])
    address = rules.text(found["address"], _LONGEST)
    if (found["type"], found["way"]) != (_TYPE, _WAY) or found["language"] not in LANGUAGES:
        raise FormatError("unknown word")
    if not is_address(address):
        raise FormatError("not an address")
    return NoticeAddress(address, found["language"], unb64u(found["token"], _TOKEN))
