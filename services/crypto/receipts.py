"""A receipt is 24 digits a person can say over the phone; from it come the reporter's keys.

One wrong digit or two neighbours swapped are caught while typing (Damm, "Total anti-symmetrische
Quasigruppen", 2004). Argon2id makes guessing dear; the salt is fixed, because a reporter carries the digits only.
"""

import secrets
import unicodedata
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.crypto.age import HybridIdentity
from services.crypto.errors import CryptoError
from services.crypto.signatures import SigningKey

LENGTH = 24
MAX_INPUT = 256
SALT = sha256(b"adal/v1/receipt").digest()[:16]
DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)
# Separators people and programs put between groups. Categories cover spaces and dashes; the rest are controls,
# the soft hyphen, zero-width and direction marks, hyphen bullet, minus sign and byte order mark.
_DROPPED_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Pd"})
_DROPPED = frozenset("\t\n\v\f\r\x85\xad\u200b\u200c\u200d\u200e\u200f\u2043\u2060\u2212\ufeff")


class ReceiptError(CryptoError):
    """What was typed is no receipt: `reason` is "length" (not 24 digits) or "check" (a digit is wrong)."""

    def __init__(self, reason: str) -> None:
        super().__init__("the receipt has a wrong length" if reason == "length" else "a digit is wrong")
        self.reason = reason


@dataclass(frozen=True)
class ReceiptKeys:
    """What the digits give: the lookup value (32 bytes), the reporter's age identity and signing key."""

    lookup: bytes
    identity: HybridIdentity
    signing: SigningKey

    def __repr__(self) -> str:
        return "ReceiptKeys(...)"


def damm(digits: str) -> int:
    """The Damm check digit of ASCII digits; 0 for digits that end in their own check digit."""
    interim = 0
    for digit in digits:
        interim = DAMM[interim][int(digit)]
    return interim


def new_receipt() -> str:
    """24 digits: 23 random ones (76 bits) and their check digit."""
    digits = f"{secrets.randbelow(10 ** (LENGTH - 1)):0{LENGTH - 1}d}"
    return digits + str(damm(digits))


def parse_receipt(text: str) -> str:
    """The 24 digits meant by `text`; spaces, dashes and wide digits are forgiven. Error: ReceiptError."""
    if len(text) > MAX_INPUT:
        raise ReceiptError("length")
    digits = "".join(char for char in unicodedata.normalize("NFKC", text) if not _dropped(char))
    if len(digits) != LENGTH or not (digits.isascii() and digits.isdigit()):
        raise ReceiptError("length")
    if damm(digits) != 0:
        raise ReceiptError("check")
    return digits


def format_receipt(receipt: str) -> str:
    """Six groups of four, as shown and read out."""
    return " ".join(receipt[i : i + 4] for i in range(0, len(receipt), 4))


def derive(receipt: str) -> ReceiptKeys:
    """The keys of a receipt: about 35 ms and 19 MiB, other threads run meanwhile. Error: ReceiptError."""
    digits = parse_receipt(receipt)[: LENGTH - 1]
    stretch = Argon2id(salt=SALT, length=32, iterations=2, lanes=1, memory_cost=19456)
    secret = stretch.derive(digits.encode("ascii"))
    return ReceiptKeys(
        _expand(secret, b"lookup"),
        HybridIdentity.from_seed(_expand(secret, b"recipient")),
        SigningKey.from_seed(_expand(secret, b"sign")),
    )


def _expand(secret: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"adal/v1/receipt/" + label).derive(secret)


def _dropped(char: str) -> bool:
    return char in _DROPPED or unicodedata.category(char) in _DROPPED_CATEGORIES
