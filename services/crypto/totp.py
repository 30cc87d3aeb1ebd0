"""Second factor at sign-in: six digits from a phone, each good once.

A code that was used, or is older than the last one used, is refused even inside its window.
Source: RFC 6238 with HMAC-SHA-1, 30 seconds, 6 digits: what every authenticator app speaks.
"""

import hmac
import os
import re

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from services.crypto.errors import FormatError

SECRET_SIZE = 20
STEP = 30
DIGITS = 6
WINDOW = 1
"""How many steps before and after the present one are accepted."""
_CODE = re.compile(r"[0-9]{6}")


def new_secret() -> bytes:
    """20 random bytes."""
    return os.urandom(SECRET_SIZE)


def uri(secret: bytes, account: str, issuer: str) -> str:
    """`otpauth://` address for the QR code that enrols a phone. Holds the secret: show once, never store."""
    try:
        return _totp(secret).get_provisioning_uri(account, issuer)
    except UnicodeEncodeError:
        raise FormatError("a name is not Unicode text") from None


def verify_totp(secret: bytes, code: str, now: int, last_step: int | None) -> int | None:
    """The step (POSIX seconds // 30) that `code` belongs to, or None when it is wrong, old or used.

    `now` in POSIX seconds; `last_step` is what the last success returned. The caller must store the result
    in the transaction that signs in, or two requests at once could use one code. Spaces are forgiven.
    """
    typed = code.replace(" ", "")
    if _CODE.fullmatch(typed) is None:
        return None
    totp, present, matched = _totp(secret), now // STEP, None
    for step in range(max(present - WINDOW, 0), present + WINDOW + 1):
        right = hmac.compare_digest(totp.generate(step * STEP), typed.encode())
        if right and (last_step is None or step > last_step):
            matched = step
    return matched


def _totp(secret: bytes) -> TOTP:
    if len(secret) != SECRET_SIZE:
        raise FormatError("a secret of a second factor is 20 bytes long")
    return TOTP(secret, DIGITS, SHA1(), STEP)  # noqa: S303 - authenticator apps know no other hash
