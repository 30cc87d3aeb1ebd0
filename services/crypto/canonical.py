"""One value, one spelling: RFC 8785 JSON and base64url, with parsers that refuse every other spelling."""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

import rfc8785

from services.crypto.errors import FormatError

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1


def dumps(value: Any) -> bytes:
    """The canonical bytes of None, bool, int within +-(2^53 - 1), str, and of lists, tuples and dicts of them.

    Error: FormatError for anything else (floats too), for nesting deeper than 32 and for lone surrogates.
    """
    _check(value, 0)
    try:
        # Without floats RFC 8785 is the shortest JSON with sorted keys, which the standard library writes in C. Only
        # the order of keys differs, and only for characters beyond U+FFFF: it is that of their UTF-16 halves.
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        beyond = not text.isascii() and max(text) > "\uffff"
        return rfc8785.dumps(value) if beyond else text.encode()
    except (rfc8785.CanonicalizationError, UnicodeError):
        raise FormatError("not representable as canonical JSON") from None


def loads(data: bytes) -> Any:
    """The value whose canonical bytes are exactly `data`. Error: FormatError."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_float=_refuse, parse_constant=_refuse
        )
    except FormatError:
        raise
    except (ValueError, RecursionError):
        raise FormatError("not JSON") from None
    if dumps(value) != data:
        raise FormatError("not canonical JSON")
    return value


def b64u(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64u(text: str, size: int | None = None) -> bytes:
    """The bytes whose `b64u` is exactly `text`, `size` of them if given. Error: FormatError."""
    if not isinstance(text, str) or not text.isascii():
        raise FormatError("not base64url")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("not base64url") from None
    if b64u(data) != text:  # padding, foreign alphabet, or trailing bits that are not zero
        raise FormatError("not base64url")
    if size is not None and len(data) != size:
        raise FormatError("wrong number of bytes")
    return data


def b64(data: bytes) -> str:
    """Standard base64 with padding, for the large `data` members of a package."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str) -> bytes:
    """The bytes whose `b64` is exactly `text`. Error: FormatError."""
    if not isinstance(text, str) or not text.isascii():
        raise FormatError("not base64")
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise FormatError("not base64") from None
    # Strict decoding lets one thing pass: bits that are not zero after the last byte, so in the last group only.
    if text and b64(data[(len(data) - 1) // 3 * 3 :]) != text[-4:]:
        raise FormatError("not base64")
    return data


def members(value: Any, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """`value` if it is an object with exactly these members. Error: FormatError."""
    if not isinstance(value, dict):
        raise FormatError("not an object")
    wanted = set(required)
    if not wanted <= value.keys() <= wanted | set(optional):
        raise FormatError("wrong members")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError("duplicate key")
    return found


def _refuse(_: str) -> Any:
    raise FormatError("not an integer")


def _check(value: Any, depth: int) -> None:
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise FormatError("integer out of range")
    elif isinstance(value, (list, tuple, dict)):
        if depth >= MAX_DEPTH:
            raise FormatError("nested too deeply")
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            raise FormatError("a key is not text")
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)
    else:
        raise FormatError("not a JSON value")
