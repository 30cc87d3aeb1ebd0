"""ASCII armor of age files: strict PEM with one spelling, apart from line ends and outer white space."""

import base64
import binascii
import re

from services.crypto.errors import FormatError

_BEGIN, _END = "-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64


def armor(data: bytes) -> str:
    """`data` as PEM text of 64 columns, with a newline at the end."""
    text = base64.b64encode(data).decode()
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def dearmor(text: bytes) -> bytes:
    """The bytes inside; FormatError unless `armor` could have written it.

    CRLF as line end and white space before and after are forgiven.
    """
    try:
        lines = re.split(r"\r?\n", text.strip(b" \t\r\n").decode("ascii"))
    except UnicodeDecodeError:
        raise FormatError("armor: not ASCII") from None
    if len(lines) < 2 or lines[0] != _BEGIN or lines[-1] != _END:
        raise FormatError("armor: no begin or end line")
    *full, last = lines[1:-1] or [_END]
    if any(len(line) != _COLUMNS for line in full) or not 0 < len(last) <= _COLUMNS:
        raise FormatError("armor: bad line length")
    return _decode("".join(lines[1:-1]))


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise FormatError("armor: bad base64") from None
    if base64.b64encode(data).decode() != text:
        raise FormatError("armor: non-canonical base64")
    return data
