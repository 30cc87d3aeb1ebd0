"""Shamir's scheme over GF(2^8), polynomial 0x11B, shares in Vault's layout: the y bytes, then one byte x.

Splitting is our own because every report does it and `pyshamir` takes 10 ms of pure Python for 4 of 7; with
tables it is 0.1 ms. Tables leak timing to whoever shares the processor cache, but the secret is fresh, split
once and then forgotten. Rebuilding is rare and stays with `pyshamir`, so each half is checked by code that the
other did not come from.
"""

import secrets
from collections.abc import Sequence

import pyshamir

from services.crypto.errors import Refused

_GENERATOR = 3


def _tables() -> tuple[list[int], list[int]]:
    powers, logs, value = [0] * 510, [0] * 256, 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logs[value] = exponent
        double = value << 1
        value ^= double ^ 0x11B if double & 0x100 else double
    return powers, logs


_POWERS, _LOGS = _tables()


def split(secret: bytes, n: int, k: int) -> list[bytes]:
    """`n` shares of `len(secret) + 1` bytes, any `k` of which give the secret. Refused unless 2 <= k <= n <= 255."""
    if not secret or not 2 <= k <= n <= 255:
        raise Refused("impossible threshold")
    points = secrets.SystemRandom().sample(range(1, 256), n)
    higher = [secrets.token_bytes(len(secret)) for _ in range(k - 1)]
    return [_at(x, secret, higher) for x in points]


def combine(shares: Sequence[bytes]) -> bytes:
    """The secret of exactly k shares. Refused for fewer than two, unequal lengths, a repeated x or x = 0.

    Too few shares, or a false one, give a wrong secret without a sign of it: the caller must check the result.
    """
    points = [share[-1] if share else 0 for share in shares]
    if len(shares) < 2 or len({len(share) for share in shares}) != 1 or len(shares[0]) < 2:
        raise Refused("impossible shares")
    if 0 in points:
        # At x = 0 the polynomial is the secret itself: such a share decides it alone.
        raise Refused("a share with x = 0")
    if len(set(points)) != len(points):
        raise Refused("two shares with one x")
    return bytes(pyshamir.combine([bytearray(share) for share in shares]))


def _at(x: int, secret: bytes, higher: Sequence[bytes]) -> bytes:
    values = bytearray(secret)
    for degree, coefficients in enumerate(higher, start=1):
        shift = _LOGS[x] * degree % 255
        for place, coefficient in enumerate(coefficients):
            if coefficient:
                values[place] ^= _POWERS[_LOGS[coefficient] + shift]
    return bytes(values) + bytes([x])
