"""Signed webhooks after the Standard Webhooks specification: whoever has the secret knows that it was us, and when.

The body says what kind of thing happened and on which day; there is no more to say.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from services.contracts.feed import FeedEvent
from services.kit.settings import SettingsError, read_secret
from services.sender.channels import DeliveryFailed, Gone

PREFIX = b"whsec_"
SECONDS = 15


def read_webhook_secret(path: Path, name: str) -> bytes:
    """24 to 64 bytes from a file that holds `whsec_` and their base64. Errors: SettingsError."""
    text = read_secret(path, name)
    try:
        secret = binascii.a2b_base64(text.removeprefix(PREFIX), strict_mode=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(PREFIX) or not 24 <= len(secret) <= 64:
        raise SettingsError(f"the secret file of {name} does not hold whsec_ and 24 to 64 bytes in base64")
    return secret


def sign(secret: bytes, id: str, timestamp: int, body: bytes) -> str:  # noqa: A002 - the name of the specification
    """The value of `webhook-signature`: HMAC-SHA256 over id, timestamp (POSIX seconds) and body."""
    signed = b".".join((id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def body_of(event: FeedEvent) -> bytes:
    """What is posted; the time is the beginning of the day in Kazakhstan, since no finer one is known."""
    day = event.day.isoformat()
    body = {"data": {"day": day}, "timestamp": f"{day}T00:00:00+05:00", "type": event.kind}
    return json.dumps(body, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Webhook:
    """One endpoint."""

    name: str
    url: str = field(repr=False)
    secret: bytes = field(repr=False)
    client: httpx2.AsyncClient = field(repr=False)

    async def deliver(self, event: FeedEvent, now: int) -> None:
        """Post an event at `now`, in POSIX seconds. Errors: DeliveryFailed, or Gone when it is not wanted any more."""
        body = body_of(event)
        headers = {
            "content-type": "application/json",
            "webhook-id": str(event.id),
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self.secret, str(event.id), now, body),
        }
        try:
            # The answer's body is never read: it may be of any length and says nothing we need.
            async with (
                asyncio.timeout(SECONDS),
                self.client.stream("POST", self.url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx2.HTTPError, TimeoutError) as exc:
            raise DeliveryFailed(type(exc).__name__) from None
        if status == 410:
            raise Gone("410")
        if not 200 <= status < 300:
            raise DeliveryFailed(str(status))

    def covers(self, event: FeedEvent, other: FeedEvent) -> bool:
        """Whether delivering `event` makes `other` needless: each webhook stands for itself."""
        return event.id == other.id


def make_client() -> httpx2.AsyncClient:
    """A client that follows no redirect (it could lead inwards) and asks no proxy."""
    return httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS)
