"""Access tokens: who a member of staff is, checked by every service without asking anybody, for five minutes.

A token is `b64u(canonical(claims)) "." b64u(signature)`, the signature of type `access-token`. There is no
algorithm field: what a token says can never choose how it is checked.
"""

from collections.abc import Collection
from typing import Any

from services.crypto.canonical import b64u, dumps, loads, unb64u
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.signatures import SigningKey, verify

TYPE = "access-token"
MAX_LIFETIME = 300
"""Longest life of a token in seconds: how long a dismissed member of staff can go on."""
CLOCK_SKEW = 5
"""How many seconds the clock of the issuer may be ahead of the reader's."""
MAX_LENGTH = 8192


def issue(claims: dict[str, Any], key: SigningKey) -> str:
    """Sign claims, a JSON object with whole POSIX seconds `iat` and `exp`, exp - iat in 1..300.

    Raises FormatError without those times or for what canonical JSON refuses, Refused for a longer life.
    """
    _lifetime(claims)
    token = b64u(dumps(claims)) + "." + b64u(key.sign(TYPE, claims))
    if len(token) > MAX_LENGTH:
        raise Refused("the token is too long")
    return token


def read(token: str, keys: Collection[bytes], now: int) -> dict[str, Any]:
    """Claims of a token that one of `keys` (32-byte verify keys) signed and that is valid at `now`.

    Raises FormatError when malformed, BadSignature when none of the keys signed it, Refused when expired,
    issued in the future or longer-lived than 300 s.
    """
    payload, dot, signature = token.partition(".")
    if not dot or len(token) > MAX_LENGTH:
        raise FormatError("not an access token")
    claims = loads(unb64u(payload))
    if not isinstance(claims, dict):
        raise FormatError("not an access token")
    _check_signature(claims, unb64u(signature, 64), keys)
    issued, expires = _lifetime(claims)
    if issued > now + CLOCK_SKEW:
        raise Refused("the token is from the future")
    if now >= expires:
        raise Refused("the token has expired")
    return claims


def _check_signature(claims: dict[str, Any], signature: bytes, keys: Collection[bytes]) -> None:
    for key in keys:
        try:
            verify(key, TYPE, claims, signature)
        except BadSignature:
            continue
        return
    raise BadSignature("the token is signed by no known key")


def _lifetime(claims: dict[str, Any]) -> tuple[int, int]:
    issued, expires = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(expires) is not int:  # a bool is an int to isinstance
        raise FormatError("the token has no times")
    if not 0 < expires - issued <= MAX_LIFETIME:
        raise Refused("the token lives too long or not at all")
    return issued, expires
