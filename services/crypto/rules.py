"""The small shapes that documents are made of: codes, days, instants, sequences; each with one spelling."""

import re
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from services.crypto.age import HybridRecipient
from services.crypto.canonical import MAX_INTEGER, unb64u
from services.crypto.errors import FormatError

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def text(value: Any, limit: int) -> str:
    """Text of 1 to `limit` characters. Error: FormatError."""
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise FormatError("not a text of the right length")
    return value


def code(value: Any) -> str:
    """A code: 1 to 64 of ASCII letters, digits, `._-`, a letter or digit first. Error: FormatError."""
    if not isinstance(value, str) or not CODE.fullmatch(value):
        raise FormatError("not a code")
    return value


def integer(value: Any, low: int = 0, high: int = MAX_INTEGER) -> int:
    """An integer from `low` to `high`; a bool is none. Error: FormatError."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise FormatError("not an integer in range")
    return value


def items(value: Any, limit: int) -> list[Any]:
    """A list of at most `limit` items. Error: FormatError."""
    if not isinstance(value, list) or len(value) > limit:
        raise FormatError("not a list of the right length")
    return value


def version(value: Any) -> None:
    """Return if `value` is 1, the only version there is. Error: FormatError."""
    if integer(value) != 1:
        raise FormatError("unknown version")


def bytes32(value: Any) -> bytes:
    """32 bytes from b64u. Error: FormatError."""
    return unb64u(value, 32)


def recipient(value: Any) -> HybridRecipient:
    """A hybrid recipient from its text. Error: FormatError."""
    return HybridRecipient.parse(text(value, 4096))


def uuid(value: Any) -> str:
    """A UUID in lower case. Error: FormatError."""
    found = text(value, 36)
    try:
        spelled = str(UUID(found))
    except ValueError:
        raise FormatError("not a UUID") from None
    if spelled != found:
        raise FormatError("not a UUID")
    return found


def day(value: Any) -> date:
    """A day from `YYYY-MM-DD`. Error: FormatError."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise FormatError("not a day")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise FormatError("not a day") from None


def day_or_none(value: Any) -> date | None:
    """The same, or None for null. Error: FormatError."""
    return None if value is None else day(value)


def instant(value: Any) -> datetime:
    """An aware datetime in UTC from `YYYY-MM-DDTHH:MM:SSZ`. Error: FormatError."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise FormatError("not an instant")
    try:
        return datetime.strptime(value, INSTANT).replace(tzinfo=UTC)
    except ValueError:
        raise FormatError("not an instant") from None


def instant_text(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ` of an aware datetime; fractions of a second are cut."""
    return moment.astimezone(UTC).strftime(INSTANT)
