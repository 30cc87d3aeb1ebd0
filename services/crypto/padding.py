"""Sizes tell little: Padme padding with zero bytes, and nothing else accepted as padding.

Padme (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019) costs at most 12 % and
leaves O(log log n) bits of the length to see.
"""

from services.crypto.errors import FormatError, Refused

LEAST = 4096
_PREFIX = 4


def padme(n: int) -> int:
    """`n` bytes rounded up to the next Padme size."""
    if n <= 1:
        return n
    exponent = n.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-n // step) * step


def padded(n: int, minimum: int = 0) -> int:
    """The Padme size of `n` bytes, never below that of `minimum`."""
    return padme(max(n, minimum))


def pad(data: bytes, total: int) -> bytes:
    """`data` and zeros, `total` bytes. Error: Refused if it does not fit."""
    if len(data) > total:
        raise Refused("too long for its padding")
    return data.ljust(total, b"\0")


def unpad_check(data: bytes, size: int, total: int) -> bytes:
    """The first `size` bytes of `data`, which has `total` bytes, zeros after those. Error: FormatError."""
    if not 0 <= size <= total or len(data) != total:
        raise FormatError("wrong padded length")
    if data.count(0, size) != total - size:
        raise FormatError("padding is not zero")
    return data[:size]


def frame(document: bytes, exact: int | None = None) -> bytes:
    """`u32 length | document | zeros`, `exact` bytes or the Padme size of at least 4096. Error: Refused."""
    content = len(document).to_bytes(_PREFIX, "big") + document
    return pad(content, padded(len(content), LEAST) if exact is None else exact)


def unframe(data: bytes, exact: int | None = None) -> bytes:
    """The document inside `frame`. Error: FormatError."""
    if len(data) < _PREFIX:
        raise FormatError("too short")
    size = _PREFIX + int.from_bytes(data[:_PREFIX], "big")
    return unpad_check(data, size, padded(size, LEAST) if exact is None else exact)[_PREFIX:]
