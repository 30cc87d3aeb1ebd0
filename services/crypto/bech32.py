"""Bech32 text (BIP-173) for keys: a readable prefix and a checksum, with exactly one spelling per case.

Unlike BIP-173 there is no limit of 90 characters, as age asks: a hybrid recipient has 1,959. The checksum is
sure to catch four wrong characters only below that limit; beyond it, it misses one error in 2^30.
"""

import base64
import binascii
from collections.abc import Iterable

from services.crypto.errors import FormatError

_LETTERS = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FROM_BASE32 = bytes.maketrans(_BASE32, _LETTERS)
_TO_BASE32 = bytes.maketrans(_LETTERS, _BASE32)
_TO_VALUES = bytes.maketrans(_LETTERS, bytes(range(32)))
_CHECKSUM = 6
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _combination(top: int) -> int:
    total = 0
    for bit, generator in enumerate(_GENERATOR):
        total ^= generator if top >> bit & 1 else 0
    return total


_STEPS = [_combination(top) for top in range(32)]


def encode(hrp: str, data: bytes) -> str:
    """Lower-case bech32 of `data` under the readable prefix `hrp`; FormatError for an unusable prefix."""
    _check_hrp(hrp)
    letters = _letters(data)
    state = _polymod(hrp, letters.translate(_TO_VALUES) + bytes(_CHECKSUM)) ^ 1
    checksum = bytes(_LETTERS[state >> 5 * place & 31] for place in reversed(range(_CHECKSUM)))
    return f"{hrp}1{(letters + checksum).decode()}"


def decode(text: str) -> tuple[str, bytes]:
    """The prefix (in lower case) and the bytes.

    FormatError for mixed case, a strange character, a wrong checksum or spare bits that are not zero.
    """
    # Only ASCII: lower() would turn a Kelvin sign into a k.
    if not text.isascii() or text not in (text.lower(), text.upper()):
        raise FormatError("bech32: mixed case or not ASCII")
    hrp, separator, rest = text.lower().rpartition("1")
    if not separator or len(rest) < _CHECKSUM:
        raise FormatError("bech32: no prefix or no checksum")
    _check_hrp(hrp)
    letters = rest.encode()
    if letters.translate(None, _LETTERS):
        raise FormatError("bech32: character outside the alphabet")
    if _polymod(hrp, letters.translate(_TO_VALUES)) != 1:
        raise FormatError("bech32: wrong checksum")
    return hrp, _bytes(letters[:-_CHECKSUM])


def _check_hrp(hrp: str) -> None:
    if not hrp or hrp != hrp.lower() or any(not 33 <= ord(letter) <= 126 for letter in hrp):
        raise FormatError("bech32: unusable prefix")


def _polymod(hrp: str, values: bytes) -> int:
    state = 1
    for value in _expanded(hrp, values):
        state = (state & 0x1FFFFFF) << 5 ^ value ^ _STEPS[state >> 25]
    return state


def _expanded(hrp: str, values: bytes) -> Iterable[int]:
    codes = hrp.encode()
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes), *values]


def _letters(data: bytes) -> bytes:
    # The bits are cut as in base32; only the alphabet differs.
    return base64.b32encode(data).rstrip(b"=").translate(_FROM_BASE32)


def _bytes(letters: bytes) -> bytes:
    try:
        data = base64.b32decode(letters.translate(_TO_BASE32) + b"=" * (-len(letters) % 8))
    except binascii.Error:
        raise FormatError("bech32: impossible length") from None
    if _letters(data) != letters:
        raise FormatError("bech32: non-canonical padding")
    return data
