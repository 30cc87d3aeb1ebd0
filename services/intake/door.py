"""The door: proof of work instead of limits by address, adaptive, single use, off for trusted channels."""

import base64
import binascii
import collections
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import altcha
from fastapi import Header, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.concurrency import run_in_threadpool

from services.crypto import secretbox
from services.intake import rules, store
from services.intake.context import Context
from services.intake.drafts import BEARER
from services.kit.i18n import N_
from services.kit.problems import Forbidden, Problem
from services.kit.staff import Caller, identify, is_access_token

VALID = timedelta(minutes=20)
WINDOW = timedelta(minutes=5)
ALGORITHM = "PBKDF2/SHA-256"
#: One byte of zeros: 256 tries on average, each `cost` iterations.
PREFIX = "00"


class ChallengeRefused(Problem):
    """No proof of work, a wrong one, or one that was used before."""

    status, slug, title = 403, "challenge", "Proof of work needed"
    detail = N_("Fetch a challenge, solve it and send it once, in the Adal-Challenge header.")


def _events() -> collections.deque[datetime]:
    return collections.deque(maxlen=20_000)


@dataclass
class Pressure:
    """Filings and wrong codes of the last minutes in this process. It knows times, not senders."""

    filed: collections.deque[datetime] = field(default_factory=_events)
    unknown: collections.deque[datetime] = field(default_factory=_events)

    def level(self, now: datetime) -> int:
        for events in (self.filed, self.unknown):
            while events and events[0] < now - WINDOW:
                events.popleft()
        return rules.challenge_level(len(self.filed), len(self.unknown))


@dataclass(frozen=True)
class Door:
    """Makes and checks challenges with one key."""

    key: bytes
    cost: int
    channels: dict[str, str]
    pressure: Pressure = field(default_factory=Pressure)

    def challenge(self, now: datetime) -> dict[str, Any] | None:
        """A fresh challenge (altcha v2), or None when none is asked."""
        if self.cost == 0:
            return None
        made = altcha.create_challenge(
            ALGORITHM,
            self.cost << self.pressure.level(now),
            key_prefix=PREFIX,
            expires_at=now + VALID,
            hmac_secret=self.key,
        )
        found: dict[str, Any] = made.to_dict()
        return found

    def trusts(self, token: str | None) -> bool:
        """Whether this is the token of a trusted channel."""
        if not token:
            return False
        digest = hashlib.sha256(token.encode()).digest()
        known = [base64.urlsafe_b64decode(value + "=") for value in self.channels.values()]
        return any(secretbox.equal(digest, one) for one in known)

    def verify(self, payload: str | None) -> tuple[bytes, datetime]:
        """The digest and expiry of a correctly solved challenge. Errors: ChallengeRefused."""
        if not payload or len(payload) > 4096:
            raise ChallengeRefused()
        result = altcha.verify_solution(payload, self.key)
        if not result.verified:
            raise ChallengeRefused()
        try:
            challenge = json.loads(base64.b64decode(payload))["challenge"]
            parameters = challenge["parameters"]
            expires = datetime.fromtimestamp(parameters["expiresAt"], UTC)
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise ChallengeRefused() from None
        # The signature names the challenge whatever else is in the payload, so it is what can be spent once.
        return hashlib.sha256(str(challenge["signature"]).encode()).digest(), expires


class ChannelRefused(Problem):
    """A way of reporting that is not the caller's: nobody passes for a call to 1424 who is none."""

    status, slug, title = 403, "channel", "Not your channel"
    detail = N_("You cannot file a report under this channel. Name the one it came by.")


def check_channel(channel: str, channels: frozenset[str]) -> None:
    """Return if a report that came by `channel` may be filed by a caller who has these. Error: ChannelRefused."""
    if channel not in channels:
        raise ChannelRefused()


@dataclass(frozen=True)
class Knock:
    """What a caller brought to the door; `identify` tells whose access token came along, if one did."""

    payload: str | None
    channel: str | None
    identify: Callable[[], Caller] | None = None

    def channels(self) -> frozenset[str]:
        """The channels under which this caller may file. Errors: Unauthorised; Forbidden for other staff."""
        if self.identify is None:
            return rules.PUBLIC_CHANNELS
        found = rules.channels_of(self.identify().roles)
        if not found:
            raise Forbidden()
        return found

    async def ticket(self, context: Context) -> store.Ticket | None:
        """The challenge that lets the caller in, solved and still to be spent; None where none is asked.

        Whoever files for others is let in by their token instead, which `channels` has checked.
        Errors: ChallengeRefused.
        """
        door: Door = context.door
        if door.cost == 0 or door.trusts(self.channel) or (self.identify and self.channels()):
            return None
        return store.Ticket(*await run_in_threadpool(door.verify, self.payload))

    async def enter(self, conn: AsyncConnection, context: Context) -> None:
        """Let the caller in, spending the challenge in this transaction. Errors: ChallengeRefused."""
        ticket = await self.ticket(context)
        if ticket and not await store.spend_challenge(conn, ticket.digest, ticket.expires):
            raise ChallengeRefused()


async def knock(
    _request: Request,
    payload: Annotated[str | None, Header(alias="Adal-Challenge")] = None,
    channel: Annotated[str | None, Header(alias="Adal-Channel")] = None,
) -> Knock:
    """The headers of a caller, as a dependency."""
    return Knock(payload, channel)


async def knock_to_file(
    request: Request,
    payload: Annotated[str | None, Header(alias="Adal-Challenge")] = None,
    channel: Annotated[str | None, Header(alias="Adal-Channel")] = None,
    authorization: Annotated[str | None, Header(description=BEARER)] = None,
) -> Knock:
    """The same where operators, the desk and systems file for others; their token is looked at when it is needed."""
    named = partial(identify, request, authorization) if is_access_token(authorization) else None
    return Knock(payload, channel, named)
