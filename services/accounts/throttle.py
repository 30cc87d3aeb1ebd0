"""Guessing is bounded for each account, never for an address: attempts are counted before anything is looked at."""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts import store
from services.accounts.store import Attempt
from services.kit.i18n import N_
from services.kit.problems import Problem


class TooManyAttempts(Problem):
    """This account, known or not, was tried too often; the header tells when to come back."""

    status, slug, title = 429, "too-many-attempts", "Too many attempts"
    detail = N_("There were too many attempts with this login. Wait and try again.")


@dataclass(frozen=True)
class Budget:
    """How many attempts one subject has in a window. Callers commit `count` before they `check` and look."""

    key: bytes = field(repr=False)
    attempts: int
    window: timedelta

    async def count(self, conn: AsyncConnection, now: datetime) -> Attempt:
        """Count an attempt, atomically."""
        return await store.count_attempt(conn, self.key, now, self.window)

    def check(self, attempt: Attempt, now: datetime) -> None:
        """Error: TooManyAttempts above the budget."""
        if attempt.number > self.attempts:
            wait = (attempt.window_start + self.window - now).total_seconds()
            raise TooManyAttempts(headers={"Retry-After": str(max(1, math.ceil(wait)))})

    async def forgive(self, conn: AsyncConnection, attempt: Attempt) -> None:
        """Take a successful attempt off; failed ones stay."""
        await store.forgive_attempt(conn, self.key, attempt)
