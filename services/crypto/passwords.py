"""Sign-in passwords at rest: Argon2id, so that whoever steals the table pays 19 MiB and 35 ms a guess.

Verifying costs the same for a right password, a wrong one and, with `DUMMY`, an account that does not exist.
"""

import os
import re
import unicodedata

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from services.crypto.canonical import b64
from services.crypto.errors import CryptoError, FormatError, Refused

MAX_LENGTH = 1024
_MEMORY, _ITERATIONS, _LANES = 19_456, 2, 1
_PREFIX = f"$argon2id$v=19$m={_MEMORY},t={_ITERATIONS},p={_LANES}$"
_PHC = re.compile(
    r"\$argon2id\$v=19\$m=(?P<m>[1-9][0-9]{0,5}),t=(?P<t>[1-9]),p=[1-4]\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
)
# What a stored hash may ask of us: otherwise a changed row could take all memory of the service.
_MAX_MEMORY, _MAX_ITERATIONS = 131_072, 6


def _part(size: int) -> str:
    return b64(os.urandom(size)).rstrip("=")


DUMMY = f"{_PREFIX}{_part(16)}${_part(32)}"
"""To verify against when there is no such account: same work, and random bytes that no password hashes to."""


def hash_password(text: str) -> str:
    """PHC string of Argon2id (19 MiB, t=2, p=1, 16 random bytes of salt, 32 of hash); about 35 ms.

    Raises FormatError for text that is not Unicode, Refused when it is empty or over 1,024 bytes.
    """
    password = _password_bytes(text)
    kdf = Argon2id(salt=os.urandom(16), length=32, iterations=_ITERATIONS, lanes=_LANES, memory_cost=_MEMORY)
    return kdf.derive_phc_encoded(password)


def verify_password(phc: str, text: str) -> bool:
    """Whether `text` is the password behind a PHC string. Raises FormatError for a malformed string."""
    match = _PHC.fullmatch(phc)
    if match is None or int(match["m"]) > _MAX_MEMORY or int(match["t"]) > _MAX_ITERATIONS:
        raise FormatError("not a password hash")
    try:
        password = _password_bytes(text)
    except CryptoError:  # no account has such a password
        return False
    try:
        Argon2id.verify_phc_encoded(password, phc)
    except InvalidKey:
        return False
    except ValueError:
        raise FormatError("not a password hash") from None
    return True


def needs_rehash(phc: str) -> bool:
    """Whether the hash was made with other costs than today's: hash again at the next right password."""
    return not phc.startswith(_PREFIX)


def _password_bytes(text: str) -> bytes:
    # One keyboard composes a letter such as й or ё, another sends letter and mark apart: fold them together.
    try:
        password = unicodedata.normalize("NFKC", text).encode()
    except UnicodeEncodeError:
        raise FormatError("the password is not Unicode text") from None
    if not 0 < len(password) <= MAX_LENGTH:
        raise Refused("the password is empty or too long")
    return password
