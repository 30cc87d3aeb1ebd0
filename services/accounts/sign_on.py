"""Single sign-on (OpenID Connect): the provider says who somebody is, in place of login and password.

It makes no account, gives no role and no key, and the second factor is asked for as at every sign-in. Somebody unknown
gets the answer of a wrong factor.
"""

import json
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts import factors, rules, sign_on_store, store
from services.accounts.factors import Factor, Gathered
from services.accounts.identity_provider import CodeRefused, Provider
from services.accounts.schemas import Challenge, FinishSignOn, SignedIn, SignOnBegun
from services.accounts.signing_in import STRANGER, Door
from services.accounts.store import Account
from services.accounts.throttle import Budget
from services.crypto import secretbox
from services.kit.i18n import N_
from services.kit.problems import NotFound, Problem

SIGN_ON = "sign-on"
LIFE = timedelta(minutes=10)


class SignOnRefused(Problem):
    """Unknown or used login, wrong state or code, nobody's subject, wrong factor, closed account: which, is not told."""

    status, slug, title = 401, "sign-on", "Sign-in refused"
    detail = N_(
        "This sign-in is wrong, used or expired, the code is wrong, or your account is not linked. Begin again."
    )


@dataclass(frozen=True)
class Waiting:
    """What a login that has begun must be answered with."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def new(cls) -> "Waiting":
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


@dataclass(frozen=True)
class SignOn:
    """A door that the identity provider leads to."""

    door: Door
    provider: Provider

    @classmethod
    def at(cls, door: Door) -> "SignOn":
        """Error: NotFound where single sign-on is off."""
        if door.context.provider is None:
            raise NotFound()
        return cls(door, door.context.provider)

    async def begin(self) -> SignOnBegun:
        """An address for the browser and the secret of this login. Error: ProviderDown."""
        waiting, login = Waiting.new(), store.new_secret()
        now = self.door.now
        address = await self.provider.address(waiting.state, waiting.nonce, waiting.verifier, now)
        digest = rules.hash_of(login)
        box = secretbox.seal(self.door.context.service_key, json.dumps(vars(waiting)).encode(), digest)
        async with self.door.engine.begin() as conn:
            await sign_on_store.keep_login(conn, digest, box, now + LIFE)
        name = self.door.context.settings.oidc_name
        return SignOnBegun(authorization_url=address, login=login, name=name)

    async def challenge(self, login: str) -> Challenge:
        """A question for any passkey of this host, for a login that waits. Errors: SignOnRefused, TooManyAttempts."""
        door, digest = self.door, rules.hash_of(login)
        budget = door.context.budget("challenge", digest.hex(), door.context.settings.challenge_attempts)
        async with door.engine.begin() as conn:
            if not await sign_on_store.login_waits(conn, digest, door.now):
                raise SignOnRefused()
            attempt = await budget.count(conn, door.now)
        budget.check(attempt, door.now)
        async with door.engine.begin() as conn:
            challenge = await factors.new_challenge(conn, door.context, SIGN_ON, digest, door.now)
        return Challenge(public_key=door.context.relying_party.request(challenge))

    async def finish(self, asked: FinishSignOn) -> SignedIn:
        """A session like one of a sign-in. Errors: SignOnRefused, TooManyAttempts, ProviderDown."""
        waiting = await self._spend(asked)
        try:
            subject = await self.provider.subject(asked.code, waiting.nonce, waiting.verifier, self.door.now)
        except CodeRefused:
            raise SignOnRefused() from None
        return await self._prove(subject, asked)

    async def _spend(self, asked: FinishSignOn) -> Waiting:
        """The login, used up whether its state fits or not. Error: SignOnRefused."""
        digest = rules.hash_of(asked.login)
        async with self.door.engine.begin() as conn:
            box = await sign_on_store.spend_login(conn, digest, self.door.now)
        if box is None:
            raise SignOnRefused()
        waiting = Waiting(**json.loads(secretbox.open_box(self.door.context.service_key, box, digest)))
        if not secretbox.equal(rules.hash_of(waiting.state), rules.hash_of(asked.state)):
            raise SignOnRefused()
        return waiting

    async def _prove(self, subject: str, asked: FinishSignOn) -> SignedIn:
        door = self.door
        owner = door.context.challenge_owner(SIGN_ON, rules.hash_of(asked.login))
        async with door.engine.begin() as conn:
            login = await sign_on_store.login_of(conn, self.provider.issuer, subject)
            budgets = self._budgets(login, subject, asked)
            attempts = [await budget.count(conn, door.now) for budget in budgets]
            account = (await store.account(conn, login) if login else None) or STRANGER
            gathered = await factors.gather(conn, door.context, account, asked, owner, door.now)
        # Only now, when the count is committed, may anything be refused or looked at.
        for budget, attempt in zip(budgets, attempts, strict=True):
            budget.check(attempt, door.now)
        factor = self._check(account, asked, gathered)
        async with door.engine.begin() as conn:
            await self._use(conn, account, factor)
            for budget, attempt in zip(budgets, attempts, strict=True):
                await budget.forgive(conn, attempt)
            return await door.open_session(conn, account)

    def _budgets(self, login: str | None, subject: str, asked: FinishSignOn) -> list[Budget]:
        """Those of the account, the same as for a password; those of a subject that nobody is linked to."""
        if login is not None:
            return self.door.budgets(login, asked.recovery_code is not None)
        # A login has no such character, so no account shares this count.
        return self.door.budgets(f"\0{self.provider.issuer}\0{subject}", asked.recovery_code is not None)

    def _check(self, account: Account, asked: FinishSignOn, gathered: Gathered) -> Factor | None:
        factor = factors.examine(self.door.context, account, asked, gathered, self.door.now)
        needed = self.door.context.settings.second_factor
        enrolled = account.active and account.password_phc is not None
        if not (enrolled and (factor is not None or not needed)):
            raise SignOnRefused()
        return factor if needed else None

    async def _use(self, conn: AsyncConnection, account: Account, factor: Factor | None) -> None:
        if factor is not None and not await factor.use(conn, account.id):
            raise SignOnRefused()
