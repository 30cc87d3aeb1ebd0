"""The six digits of a second factor, made from its secret, for people who let a file sign in.

Source: RFC 6238 with HMAC-SHA-1, 30 seconds, as `services.crypto.totp` checks.
"""

import base64
import binascii
import hashlib
import hmac

from services.crypto.errors import FormatError

STEP = 30
LEAST = 16


def totp_code(secret: str, now: float) -> str:
    """The code of a base32 secret at `now` (POSIX seconds). Error: FormatError for what is no secret."""
    text = secret.replace(" ", "").upper()
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise FormatError("not the secret of a second factor") from None
    if len(key) < LEAST:
        raise FormatError("not the secret of a second factor")
    digest = hmac.digest(key, int(now // STEP).to_bytes(8), hashlib.sha1)
    start = digest[-1] & 0x0F
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 1_000_000:06d}"
