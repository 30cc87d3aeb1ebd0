"""The door of the pages without script: form tokens instead of proof of work, and a global budget.

Above the budget reports go to a lane of their own and openings of inboxes wait. Nobody is refused, and nothing is
counted by address: all readers of an onion service look alike, and mobile operators share addresses.
"""

import collections
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto import secretbox
from services.crypto.canonical import b64u, unb64u
from services.crypto.errors import CryptoError
from services.intake import rules, store
from services.intake.door import Knock
from services.intake.models import idempotency_keys
from services.intake.settings import Settings
from services.kit import idempotency
from services.kit.i18n import N_
from services.kit.idempotency import IdempotencyKey, Kept
from services.kit.problems import Invalid, Problem

_RANDOM, _TIME, _MAC = 16, 8, 32
HOUR = timedelta(hours=1)
#: Purposes of form tokens: one of them cannot be used for another.
REPORT_FORM, ENTRY_FORM, VISIT_FORM = "report", "inbox", "inbox-write"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class StaleForm(Problem):
    """The token of a form is missing, not ours, too old, or was used: the page is shown again with a new one."""

    status, slug, title = 422, "stale-form", "Send the form again"
    detail = N_("Nothing was sent yet: this form was open for too long. Look it over and send it again.")


class UsedForm(StaleForm):
    """The token was used for something else that was sent from the same form."""

    detail = N_(
        "This form was sent before with other content, which was taken. What you see now was not sent: "
        "send it again if you mean to."
    )


class Admitted(Knock):
    """A caller whose form token was taken, or who is on a visit: no proof of work is asked."""

    def __init__(self) -> None:
        super().__init__(None, None)

    async def enter(self, conn: AsyncConnection, context: object) -> None:
        """Nothing is left to ask."""


@dataclass(frozen=True)
class FormToken:
    """A token that was read: 128 random bits and the second it was made."""

    text: str
    issued: datetime
    expires: datetime

    async def spend(self, conn: AsyncConnection) -> None:
        """Take the token out of the world, in this transaction. Errors: UsedForm."""
        digest = sha256(b"adal/v1/form-token|" + self.text.encode()).digest()
        if not await store.spend_challenge(conn, digest, self.expires):
            raise UsedForm()

    @property
    def _key(self) -> IdempotencyKey:
        return IdempotencyKey(self.text.encode())

    async def claim(
        self, conn: AsyncConnection, operation: str, content: bytes, now: datetime
    ) -> bytes | None:
        """Spend the token for this content, or the answer that the same content got before.

        A connection that broke after the commit must not cost the receipt: to load the page anew shows it again, as
        long as the token may live. Errors: UsedForm when the form was sent with other content.
        """
        key = self._key
        try:
            known = await idempotency.claim(
                conn, idempotency_keys, key, key.fingerprint(operation, content), now
            )
        except Invalid:
            raise UsedForm() from None
        if known is None:
            await self.spend(conn)
        return known

    def keep(self, operation: str, content: bytes, answer: bytes, now: datetime) -> Kept:
        """The answer, sealed under the token, for a statement that stores it with what it tells of."""
        return self._key.keep(answer, self._key.fingerprint(operation, content), now)

    async def finish(self, conn: AsyncConnection, answer: bytes) -> None:
        """Store the answer in the transaction of `claim`."""
        await idempotency.finish(conn, idempotency_keys, self._key, answer)


@dataclass(frozen=True)
class FormTokens:
    """Makes and reads form tokens: random | seconds | keyed hash with the purpose, as b64u."""

    key: bytes
    min_age: timedelta
    max_age: timedelta

    def issue(self, purpose: str, now: datetime) -> str:
        body = secrets.token_bytes(_RANDOM) + int(now.timestamp()).to_bytes(_TIME)
        return b64u(body + self._mac(purpose, body))

    def read(self, text: str, purpose: str, now: datetime) -> FormToken:
        """The token of a form that was sent. Errors: StaleForm when it is not ours or older than the maximum age."""
        try:
            raw = unb64u(text, _RANDOM + _TIME + _MAC)
        except CryptoError:
            raise StaleForm() from None
        body, tag = raw[:-_MAC], raw[-_MAC:]
        if not secretbox.equal(tag, self._mac(purpose, body)):
            raise StaleForm()
        issued = datetime.fromtimestamp(int.from_bytes(body[_RANDOM:]), UTC)
        token = FormToken(text, issued, issued + self.max_age)
        if not issued <= now + timedelta(minutes=1) or now >= token.expires:
            raise StaleForm()
        return token

    def too_young_for(self, token: FormToken, now: datetime) -> float:
        """Seconds until the token may be used: whoever is faster than a person waits, and is not refused."""
        return max(0.0, (token.issued + self.min_age - now).total_seconds())

    def _mac(self, purpose: str, body: bytes) -> bytes:
        return secretbox.mac(self.key, purpose.encode(), body)


@dataclass
class Budget:
    """What the pages of this process do at most in a while. It knows times, not senders."""

    reports_per_hour: int
    openings_per_minute: int
    filed: collections.deque[datetime] = field(default_factory=collections.deque)
    next_opening: datetime = _LONG_AGO

    def lane(self, now: datetime) -> str:
        """The lane of a report that is filed now; counted in the same step, so that parallel ones share the budget."""
        while self.filed and self.filed[0] <= now - HOUR:
            self.filed.popleft()
        lane = rules.lane(len(self.filed), self.reports_per_hour)
        if lane == rules.MAIN:
            self.filed.append(now)
        return lane

    def opening(self, now: datetime) -> float:
        """Seconds that an opening of an inbox has to wait; its place in the line is taken in the same step."""
        pace = timedelta(minutes=1) / self.openings_per_minute
        wait, self.next_opening = rules.opening_wait(self.next_opening, now, pace)
        return wait


@dataclass(frozen=True)
class PageDoor:
    """What all pages of one process share."""

    tokens: FormTokens
    budget: Budget
    note_key: bytes
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    @classmethod
    def of(cls, service_key: bytes, settings: Settings) -> "PageDoor":
        return cls(
            FormTokens(
                secretbox.hkdf(service_key, "adal/v1/form-token"),
                timedelta(seconds=settings.page_min_seconds),
                timedelta(hours=settings.page_max_hours),
            ),
            Budget(settings.page_reports_per_hour, settings.page_openings_per_minute),
            secretbox.hkdf(service_key, "adal/v1/page-note"),
        )

    async def token(self, text: str, purpose: str, now: datetime) -> FormToken:
        """A token old enough to be used, after a wait if need be. Errors: StaleForm."""
        token = self.tokens.read(text, purpose, now)
        await self.sleep(self.tokens.too_young_for(token, now))
        return token
