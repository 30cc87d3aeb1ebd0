"""Step-up: a fresh proof of who holds a session, before what must not be done with a screen left open."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.accounts import factor_store, factors, store
from services.accounts.context import Context
from services.accounts.factors import Factor, Gathered, Kept
from services.accounts.schemas import Challenge, StepUp, Token
from services.accounts.signing_in import STEP_UP, StepUpRefused, issue_token
from services.accounts.store import Account
from services.accounts.throttle import Budget
from services.crypto import passwords
from services.kit.problems import Unauthorised


@dataclass(frozen=True)
class Step:
    """One live session (a row of `store.live_session`), at one instant."""

    engine: AsyncEngine
    context: Context
    now: datetime
    session: Any

    async def prove(self, asked: StepUp) -> Token:
        """A token that says the proof is fresh. Errors: StepUpRefused, TooManyAttempts, Unauthorised."""
        budget = self._budget("step-up", self.context.settings.step_up_attempts)
        question = Kept(self.context.challenge_owner(STEP_UP, self.session.hash))
        async with self.engine.begin() as conn:
            attempt = await budget.count(conn, self.now)
            account = await store.account(conn, self.session.login)
            if account is None or not account.active:
                raise Unauthorised()
            gathered = await factors.gather(conn, self.context, account, asked, question, self.now)
        budget.check(attempt, self.now)
        factor = await self._check(account, asked, gathered)
        async with self.engine.begin() as conn:
            await self._use(conn, account, factor)
            await budget.forgive(conn, attempt)
            await store.renew_proof(conn, self.session.hash, self.now)
        return issue_token(self.context, account.id, account.roles, self.now, self.session.expires, self.now)

    async def challenge(self) -> Challenge:
        """A question for this person's passkeys. Error: TooManyAttempts."""
        budget = self._budget("challenge", self.context.settings.challenge_attempts)
        async with self.engine.begin() as conn:
            attempt = await budget.count(conn, self.now)
        budget.check(attempt, self.now)
        async with self.engine.begin() as conn:
            subject = self.session.hash
            challenge = await factors.new_challenge(conn, self.context, STEP_UP, subject, self.now)
            known = [row.credential for row in await factor_store.passkeys_of(conn, self.session.person)]
        return Challenge(public_key=self.context.relying_party.request(challenge, known))

    def _budget(self, kind: str, attempts: int) -> Budget:
        return self.context.budget(kind, str(self.session.person), attempts)

    async def _check(self, account: Account, asked: StepUp, gathered: Gathered) -> Factor | None:
        factor = factors.examine(self.context, account, asked, gathered, self.now)
        if factor is not None:
            return factor
        if self.context.settings.second_factor:
            raise StepUpRefused()
        # Without a second factor, in development only, the password stands in for it.
        phc = account.password_phc or passwords.DUMMY
        if not await self.context.hash(passwords.verify_password, phc, asked.password or ""):
            raise StepUpRefused()
        return None

    async def _use(self, conn: AsyncConnection, account: Account, factor: Factor | None) -> None:
        if factor is not None and not await factor.use(conn, account.id):
            raise StepUpRefused()
