"""Whether an ID token proves who signed in: signature, issuer, audience, times, nonce (OpenID Connect Core, 3.1.3.7)."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError, SecurityWarning

from services.crypto.secretbox import equal

#: Algorithm -> type of key. Nothing symmetric, so a public key is never taken for a secret; never `none`.
ALGORITHMS: Mapping[str, str] = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
LEEWAY = 60
"""Seconds by which the clocks may differ."""
OLDEST = 600
"""Seconds after which a token is too old, whatever it says itself."""
MAX_TOKEN = 16 << 10
MAX_SUBJECT = 255
MIN_RSA_BITS = 2048


class IdTokenRefused(Exception):
    """It proves nothing; why, is not told, and nothing of the token is in here."""


class UnknownKey(IdTokenRefused):
    """No key of the issuer has the id that the token names."""


@dataclass(frozen=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)


def subject(token: str, keys: Iterable[Mapping[str, Any]], expected: Expected, now: datetime) -> str:
    """The `sub` of a token signed by one of the keys (JWKs). Errors: IdTokenRefused, UnknownKey."""
    if len(token) > MAX_TOKEN:
        raise IdTokenRefused()
    try:
        with warnings.catch_warnings():
            # `EdDSA` has a newer name (RFC 9864) that few providers use yet.
            warnings.simplefilter("ignore", SecurityWarning)
            claims = _verified(token, keys)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise IdTokenRefused() from None
    if not claims_hold(claims, expected, int(now.timestamp())):
        raise IdTokenRefused()
    return str(claims["sub"])


def _verified(token: str, keys: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    header = jws.extract_compact(token.encode()).headers()
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise IdTokenRefused()
    key = jwk.import_key(dict(_key(keys, header.get("kid"), algorithm)), ALGORITHMS[algorithm])  # type: ignore[call-overload]
    if isinstance(key, jwk.RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
        raise IdTokenRefused()
    return jwt.decode(token, key, algorithms=[algorithm]).claims


def _key(keys: Iterable[Mapping[str, Any]], kid: object, algorithm: str) -> Mapping[str, Any]:
    """The one key that a token can be signed with. Errors: UnknownKey, IdTokenRefused when there are several."""
    fitting = [
        key
        for key in keys
        if key.get("kty") == ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]
    if not fitting:
        raise UnknownKey()
    if len(fitting) > 1:
        raise IdTokenRefused()
    return fitting[0]


def claims_hold(claims: Mapping[str, Any], expected: Expected, now: int) -> bool:
    """Whether the claims are for us, fresh, in answer to our nonce, and name somebody. `now` in POSIX seconds."""
    return (
        claims.get("iss") == expected.issuer
        and _for_us(claims, expected.client_id)
        and _fresh(claims.get("iat"), claims.get("exp"), now)
        and isinstance(nonce := claims.get("nonce"), str)
        and equal(_bytes(nonce), _bytes(expected.nonce))
        and isinstance(sub := claims.get("sub"), str)
        and 0 < len(sub) <= MAX_SUBJECT
    )


def _for_us(claims: Mapping[str, Any], client_id: str) -> bool:
    """Our client id and no other audience, since nobody else is trusted with a token for us."""
    audience = claims.get("aud")
    return audience in (client_id, [client_id]) and claims.get("azp", client_id) == client_id


def _fresh(issued: object, expires: object, now: int) -> bool:
    if not isinstance(issued, int) or not isinstance(expires, int):
        return False
    return now - OLDEST <= issued <= now + LEEWAY and now < expires + LEEWAY


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
