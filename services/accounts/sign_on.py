"""Single sign-on (OpenID Connect): the provider says who somebody is, in place of login and password.

It makes no account, gives no role and no key, and the second factor is asked for as at every sign-in. Somebody unknown
gets the answer of a wrong factor. Nothing is stored for somebody who only begins: what waits travels sealed in the
login itself, so that no number of strangers can fill a table or use up what others need.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts import factors, rules, sign_on_store, store
from services.accounts.factors import Derived, Factor, Gathered
from services.accounts.identity_provider import CodeRefused, Provider
from services.accounts.schemas import Challenge, FinishSignOn, SignedIn, SignOnBegun
from services.accounts.signing_in import STRANGER, Door
from services.accounts.store import Account
from services.accounts.throttle import Budget
from services.crypto import secretbox
from services.crypto.canonical import b64u, unb64u
from services.crypto.errors import CryptoError
from services.kit.i18n import N_
from services.kit.problems import NotFound, Problem

LABEL = b"adal/v1/accounts/sign-on"
LIFE = timedelta(minutes=10)


class SignOnRefused(Problem):
    """Unknown or used login, wrong state or code, nobody's subject, wrong factor, closed account: which, is not told."""

    status, slug, title = 401, "sign-on", "Sign-in refused"
    detail = N_(
        "This sign-in is wrong, used or expired, the code is wrong, or your account is not linked. Begin again."
    )


@dataclass(frozen=True)
class Waiting:
    """A login that has begun: a box that only this service makes and opens, and until when it is good.

    What must come back is derived from the box, so whoever holds the login knows neither nonce nor verifier.
    """

    key: bytes = field(repr=False)
    box: bytes = field(repr=False)
    expires: datetime

    @classmethod
    def new(cls, key: bytes, now: datetime) -> "Waiting":
        expires = now.replace(microsecond=0) + LIFE
        return cls(key, secretbox.seal(key, int(expires.timestamp()).to_bytes(8), LABEL), expires)

    @classmethod
    def of(cls, key: bytes, login: str, now: datetime) -> "Waiting":
        """Error: SignOnRefused for what this service did not make, or too late."""
        try:
            box = unb64u(login)
            expires = datetime.fromtimestamp(int.from_bytes(secretbox.open_box(key, box, LABEL)), now.tzinfo)
        except CryptoError:
            raise SignOnRefused() from None
        if expires <= now:
            raise SignOnRefused()
        return cls(key, box, expires)

    @property
    def login(self) -> str:
        """The secret of this login, as the browser keeps it."""
        return b64u(self.box)

    @property
    def digest(self) -> bytes:
        """What a used login is remembered by."""
        return rules.hash_of_bytes(self.box)

    @property
    def state(self) -> str:
        return b64u(self._derived(b"state"))

    @property
    def nonce(self) -> str:
        return b64u(self._derived(b"nonce"))

    @property
    def verifier(self) -> str:
        """PKCE: 43 characters."""
        return b64u(self._derived(b"verifier"))

    @property
    def challenge(self) -> bytes:
        """What a passkey signs. It answers once, because the login is used once."""
        return self._derived(b"challenge")

    def _derived(self, use: bytes) -> bytes:
        return secretbox.mac(self.key, LABEL, use, self.box)


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
        waiting = Waiting.new(self.door.context.service_key, self.door.now)
        address = await self.provider.address(waiting.state, waiting.nonce, waiting.verifier, self.door.now)
        name = self.door.context.settings.oidc_name
        return SignOnBegun(authorization_url=address, login=waiting.login, name=name)

    async def challenge(self, login: str) -> Challenge:
        """A question for any passkey of this host, for a login that waits. Error: SignOnRefused."""
        waiting = await self._waiting(login)
        return Challenge(public_key=self.door.context.relying_party.request(waiting.challenge))

    async def finish(self, asked: FinishSignOn) -> SignedIn:
        """A session like one of a sign-in. Errors: SignOnRefused, TooManyAttempts, ProviderDown.

        A login is used up by the first subject that the provider names for it, whatever becomes of the second factor.
        """
        waiting = await self._waiting(asked.login)
        if not secretbox.equal(rules.hash_of(waiting.state), rules.hash_of(asked.state)):
            raise SignOnRefused()
        try:
            subject = await self.provider.subject(asked.code, waiting.nonce, waiting.verifier, self.door.now)
        except CodeRefused:
            raise SignOnRefused() from None
        async with self.door.engine.begin() as conn:
            if not await sign_on_store.use_login(conn, waiting.digest, waiting.expires):
                raise SignOnRefused()
        return await self._prove(subject, asked, waiting)

    async def _waiting(self, login: str) -> Waiting:
        """Error: SignOnRefused for a login that is used, late, or none."""
        waiting = Waiting.of(self.door.context.service_key, login, self.door.now)
        async with self.door.engine.begin() as conn:
            if await sign_on_store.login_used(conn, waiting.digest):
                raise SignOnRefused()
        return waiting

    async def _prove(self, subject: str, asked: FinishSignOn, waiting: Waiting) -> SignedIn:
        door, question = self.door, Derived(waiting.challenge)
        async with door.engine.begin() as conn:
            login = await sign_on_store.login_of(conn, self.provider.issuer, subject)
            budgets = self._budgets(login, subject, asked)
            attempts = [await budget.count(conn, door.now) for budget in budgets]
            account = (await store.account(conn, login) if login else None) or STRANGER
            gathered = await factors.gather(conn, door.context, account, asked, question, door.now)
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
