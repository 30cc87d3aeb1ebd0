"""The identity provider of an organisation, over HTTP: it says who somebody is, and nothing else is taken from it.

Only the configured issuer is asked, without redirects, with bounds on size and time. No code, token or subject reaches
an error or a log.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import anyio
import httpx2

from services.accounts import id_tokens
from services.accounts.id_tokens import Expected, IdTokenRefused, UnknownKey
from services.kit.i18n import N_
from services.kit.problems import Unavailable

MAX_ANSWER = 256 << 10
SECONDS = 10
KEEP = timedelta(hours=1)
PAUSE = timedelta(seconds=5)
"""How long nobody asks again what the issuer publishes when it just failed to say so."""


class ProviderDown(Unavailable):
    """The identity provider does not answer, or not as OpenID Connect says."""

    slug, title = "identity-provider", "Identity provider unavailable"
    detail = N_("The identity provider of your organisation does not answer as it should. Try again later.")


class CodeRefused(Exception):
    """The provider gives no ID token for this code, or one that proves nothing."""


@dataclass(frozen=True)
class Known:
    """What the issuer published: two addresses and its keys (JWKs), and when it was fetched."""

    authorization: str
    token: str
    keys: tuple[dict[str, Any], ...]
    fetched: datetime


@dataclass
class Provider:
    """One issuer and what this service is called there. `secret` is None for a public client."""

    issuer: str
    client_id: str
    redirect_uri: str
    secret: str | None = field(default=None, repr=False)
    _known: Known | None = field(default=None, repr=False)
    _failed: datetime | None = field(default=None, repr=False)
    _asking: anyio.Lock = field(default_factory=anyio.Lock, repr=False)

    async def address(self, state: str, nonce: str, verifier: str, now: datetime) -> str:
        """Where the browser goes. Error: ProviderDown."""
        known = await self._published(now)
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return f"{known.authorization}{'&' if '?' in known.authorization else '?'}{urlencode(query)}"

    async def subject(self, code: str, nonce: str, verifier: str, now: datetime) -> str:
        """Who signed in: the `sub` of a verified ID token. Errors: CodeRefused, ProviderDown."""
        known = await self._published(now)
        token = await self._redeem(known, code, verifier)
        expected = Expected(self.issuer, self.client_id, nonce)
        try:
            try:
                return id_tokens.subject(token, known.keys, expected, now)
            except UnknownKey:
                # The issuer may have changed its keys within the hour: once more, and not again.
                known = await self._published(now, anew=True)
                return id_tokens.subject(token, known.keys, expected, now)
        except IdTokenRefused:
            raise CodeRefused() from None

    async def _published(self, now: datetime, anew: bool = False) -> Known:
        """What the issuer published. One request asks for all who wait: strangers cannot make us flood the issuer."""
        seen = self._known
        if seen is not None and not anew and timedelta(0) <= now - seen.fetched < KEEP:
            return seen
        async with self._asking:
            if self._known is not None and self._known is not seen:
                return self._known
            if self._failed is not None and abs(now - self._failed) < PAUSE:
                raise ProviderDown()
            try:
                self._known = await self._discover(now)
            except ProviderDown:
                self._failed = now
                raise
            return self._known

    async def _discover(self, now: datetime) -> Known:
        document = await self._get(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self.issuer:
            raise ProviderDown()
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        authorization, token, jwks = (self._own(document.get(name)) for name in names)
        keys = (await self._get(jwks)).get("keys")
        if not isinstance(keys, list):
            raise ProviderDown()
        return Known(authorization, token, tuple(key for key in keys if isinstance(key, dict)), now)

    def _own(self, address: object) -> str:
        """An address at the issuer's own origin. Error: ProviderDown."""
        try:
            if isinstance(address, str) and urlsplit(address)[:2] == urlsplit(self.issuer)[:2]:
                return address
        except ValueError:
            pass
        raise ProviderDown()

    async def _redeem(self, known: Known, code: str, verifier: str) -> str:
        """The ID token for a code. Errors: CodeRefused, ProviderDown."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        if self.secret is None:
            form["client_id"] = self.client_id
        else:
            # RFC 6749, 2.3.1: both halves are form-encoded before they are joined.
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        status, answer = await _ask("POST", known.token, headers, form)
        if status in (400, 403):
            raise CodeRefused()
        token = answer.get("id_token") if status == 200 else None
        if not isinstance(token, str):
            raise ProviderDown()
        return token

    async def _get(self, address: str) -> dict[str, Any]:
        status, answer = await _ask("GET", address, {"Accept": "application/json"})
        if status != 200:
            raise ProviderDown()
        return answer


def challenge_of(verifier: str) -> str:
    """PKCE: base64url of the SHA-256 of the verifier (RFC 7636, S256)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def _ask(
    method: str, address: str, headers: dict[str, str], form: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of an answer. Error: ProviderDown, without a word of what was sent or came."""
    try:
        with anyio.fail_after(SECONDS):
            async with (
                httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS) as client,
                client.stream(method, address, headers=headers, data=form) as answer,
            ):
                found = json.loads(await _bounded(answer))
                return answer.status_code, found if isinstance(found, dict) else {}
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, RecursionError):
        raise ProviderDown() from None


async def _bounded(answer: httpx2.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > MAX_ANSWER:
            raise ValueError("too long")
    return bytes(body)
