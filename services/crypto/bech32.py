"""Bech32 text (BIP-173) for keys: a readable prefix and a checksum, with exactly one spelling per case.

Unlike BIP-173 there is no limit of 90 characters, as age asks: a hybrid recipient has 1,959. The checksum is
sure to catch four wrong characters only below that limit; beyond it, it misses one error in 2^30.
"""

from services.crypto.errors import FormatError

_LETTERS = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_DIGITS = b"0123456789abcdefghijklmnopqrstuv"
_TO_DIGITS = bytes.maketrans(_LETTERS, _DIGITS)
_FROM_VALUES = bytes.maketrans(bytes(range(32)), _DIGITS)
_PAIRS = [bytes((high, low)) for high in _LETTERS for low in _LETTERS]
_CHECKSUM = 6
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _combination(top: int) -> int:
    total = 0
    for bit, generator in enumerate(_GENERATOR):
        total ^= generator if top >> bit & 1 else 0
    return total


_STEP = [_combination(top) for top in range(32)]


def _one(state: int, value: int) -> int:
    return (state & 0x1FFFFFF) << 5 ^ value ^ _STEP[state >> 25]


# The checksum is linear, and a hybrid recipient is long: each bit of the state after a block of characters is the
# parity of some bits of the state before and of the block. `_MASKS` says of which ones, highest bit of the state first.
_BLOCK = 256


def _masks() -> list[int]:
    bits = [bytearray() for _ in range(30)]
    states = [1 << bit for bit in range(5)]  # what one bit of the last character does
    for _ in range(_CHECKSUM + _BLOCK):
        for state in states:
            for place, out in enumerate(bits):
                out.append(48 + (state >> place & 1))
        states = [_one(state, 0) for state in states]  # and of the character before it
    return [int(out[::-1], 2) for out in reversed(bits)]


_MASKS = _masks()


def encode(hrp: str, data: bytes) -> str:
    """Lower-case bech32 of `data` under the readable prefix `hrp`; FormatError for an unusable prefix."""
    _check_hrp(hrp)
    letters = _letters(data)
    state = _polymod(hrp, letters + _LETTERS[:1] * _CHECKSUM) ^ 1
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
    if _polymod(hrp, letters) != 1:
        raise FormatError("bech32: wrong checksum")
    return hrp, _bytes(letters[:-_CHECKSUM])


def _check_hrp(hrp: str) -> None:
    if not hrp or hrp != hrp.lower() or any(not 33 <= ord(letter) <= 126 for letter in hrp):
        raise FormatError("bech32: unusable prefix")


def _polymod(hrp: str, letters: bytes) -> int:
    codes = hrp.encode()
    prefix = bytes([1, *(code >> 5 for code in codes), 0, *(code & 31 for code in codes)])
    bits = int(prefix.translate(_FROM_VALUES) + letters.translate(_TO_DIGITS), 32)
    state, block = 0, (1 << 5 * _BLOCK) - 1
    for at in reversed(range(0, len(prefix) + len(letters), _BLOCK)):
        seen = state << 5 * _BLOCK | bits >> 5 * at & block
        state = 0
        for mask in _MASKS:
            state = state << 1 | (seen & mask).bit_count() & 1
    return state


def _letters(data: bytes) -> bytes:
    count = -(-len(data) * 8 // 10)
    bits = f"{int.from_bytes(data) << count * 10 - len(data) * 8:0{count * 10}b}" if data else ""
    pairs = b"".join([_PAIRS[int(bits[at : at + 10], 2)] for at in range(0, len(bits), 10)])
    return pairs[: -(-len(data) * 8 // 5)]


def _bytes(letters: bytes) -> bytes:
    size, spare = divmod(len(letters) * 5, 8)
    number = int(letters.translate(_TO_DIGITS), 32) if letters else 0
    if spare >= 5:
        raise FormatError("bech32: impossible length")
    if number & (1 << spare) - 1:
        raise FormatError("bech32: non-canonical padding")
    return (number >> spare).to_bytes(size)
