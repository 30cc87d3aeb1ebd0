"""Sign-in and enrolment: one answer and the same work whatever is wrong, and no two uses of one secret.

An attempt is counted and committed before the password is looked at, so that attempts sent at the same moment cannot
pass together. No database connection is held while a password is hashed.
"""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.accounts import factors, rules, store
from services.accounts.context import NOBODY, Context
from services.accounts.factors import Factor, Gathered, Kept
from services.accounts.schemas import Challenge, Enrolled, Enrolment, Person, SignedIn, SignIn, Token
from services.accounts.store import Account
from services.accounts.throttle import Budget
from services.contracts.accounts import Role, TokenClaims
from services.crypto import passwords, secretbox, tokens, totp
from services.kit.i18n import N_
from services.kit.problems import FieldError, Invalid, Problem, Unauthorised


class SignInRefused(Problem):
    """Unknown login, wrong password, wrong or used code, inactive account: which, is not told."""

    status, slug, title = 401, "sign-in", "Sign-in refused"
    detail = N_("The login, the password or the code is wrong. A code works once; wait for the next one.")


class EnrolmentRefused(Problem):
    """Unknown login, wrong, used or expired enrolment secret: which, is not told."""

    status, slug, title = 401, "enrolment", "Enrolment refused"
    detail = N_(
        "The login or the enrolment code is wrong, used or expired. Ask an administrator for a new account."
    )


class StepUpRefused(Problem):
    """Wrong or used code, a passkey that proves nothing: which, is not told. The session goes on."""

    status, slug, title = 401, "step-up-refused", "Proof refused"
    detail = N_("The code or the passkey is wrong or was used. A code works once; wait for the next one.")


SIGN_IN, STEP_UP = "sign-in", "step-up"

#: Checked in place of an account that does not exist.
STRANGER = Account(
    id=NOBODY,
    active=False,
    login="",
    name="",
    roles=(),
    password_phc=None,
    totp_box=None,
    totp_last_step=store.NO_STEP,
    enrolment_hash=None,
    enrolment_expires=None,
)


@dataclass(frozen=True)
class Door:
    """Where staff come in, at one instant."""

    engine: AsyncEngine
    context: Context
    now: datetime

    async def sign_in(self, asked: SignIn) -> SignedIn:
        """A session and its first token. Errors: SignInRefused, TooManyAttempts."""
        budgets = self.budgets(asked.login, asked.recovery_code is not None)
        question = Kept(self.context.challenge_owner(SIGN_IN, asked.login.encode()))
        async with self.engine.begin() as conn:
            attempts = [await budget.count(conn, self.now) for budget in budgets]
            account = await store.account(conn, asked.login) or STRANGER
            gathered = await factors.gather(conn, self.context, account, asked, question, self.now)
        # Only now, when the count is committed, may anything be refused or looked at.
        for budget, attempt in zip(budgets, attempts, strict=True):
            budget.check(attempt, self.now)
        factor = await self._check(account, asked, gathered)
        async with self.engine.begin() as conn:
            await self._use(conn, account, factor)
            for budget, attempt in zip(budgets, attempts, strict=True):
                await budget.forgive(conn, attempt)
            return await self.open_session(conn, account)

    async def challenge(self, login: str) -> Challenge:
        """A question for any passkey of this host, the same whether the login exists. Error: TooManyAttempts."""
        budget = self.context.budget("challenge", login, self.context.settings.challenge_attempts)
        async with self.engine.begin() as conn:
            attempt = await budget.count(conn, self.now)
        budget.check(attempt, self.now)
        async with self.engine.begin() as conn:
            challenge = await factors.new_challenge(conn, self.context, SIGN_IN, login.encode(), self.now)
        return Challenge(public_key=self.context.relying_party.request(challenge))

    async def enrol(self, asked: Enrolment) -> Enrolled:
        """Set the password and hand out the second factor, once. Errors: Invalid, EnrolmentRefused."""
        problem = rules.password_problem(asked.password, asked.login)
        if problem:
            raise Invalid(errors=[FieldError("/password", problem)])
        digest = rules.hash_of(asked.enrolment)
        async with self.engine.begin() as conn:
            account = await store.account(conn, asked.login) or STRANGER
        if not self._may_enrol(account, digest):
            raise EnrolmentRefused()
        phc = await self.context.hash(passwords.hash_password, asked.password)
        secret = totp.new_secret()
        box = self.context.seal_totp(secret, account.id)
        async with self.engine.begin() as conn:
            if not await store.enrol(conn, account.id, digest, self.now, phc, box):
                raise EnrolmentRefused()
        return Enrolled(
            totp_uri=totp.uri(secret, account.login, self.context.settings.issuer),
            totp_secret=base64.b32encode(secret).decode(),
        )

    def budgets(self, login: str, recovery: bool) -> list[Budget]:
        """What an attempt is counted against: the login, and its recovery codes if one is tried."""
        settings = self.context.settings
        sign_in = Budget(
            self.context.throttle_key(login), settings.throttle_attempts, settings.throttle_window
        )
        if not recovery:
            return [sign_in]
        return [sign_in, self.context.budget("recovery", login, settings.recovery_attempts)]

    async def _check(self, account: Account, asked: SignIn, gathered: Gathered) -> Factor | None:
        """The second factor, None when none is asked. All of it is looked at before anything is decided."""
        phc = account.password_phc or passwords.DUMMY
        password = await self.context.hash(passwords.verify_password, phc, asked.password)
        factor = factors.examine(self.context, account, asked, gathered, self.now)
        needed = self.context.settings.second_factor
        if not (account.active and password and (factor is not None or not needed)):
            raise SignInRefused()
        return factor if needed else None

    async def _use(self, conn: AsyncConnection, account: Account, factor: Factor | None) -> None:
        """Two requests with one code arrive here together: the database lets one through."""
        if factor is not None and not await factor.use(conn, account.id):
            raise SignInRefused()

    async def open_session(self, conn: AsyncConnection, account: Account) -> SignedIn:
        """A session and its first token for somebody who proved who they are."""
        expires = self.now + self.context.settings.session_life
        secret = await store.open_session(conn, account.id, self.now, expires)
        token = issue_token(self.context, account.id, account.roles, self.now, expires, self.now)
        person = Person(
            id=account.id,
            login=account.login,
            name=account.name,
            roles=[Role(role) for role in account.roles],
        )
        return SignedIn(session=secret, person=person, **vars(token))

    def _may_enrol(self, account: Account, digest: bytes) -> bool:
        return (
            account.active
            and account.enrolment_hash is not None
            and account.enrolment_expires is not None
            and secretbox.equal(account.enrolment_hash, digest)
            and self.now < account.enrolment_expires
        )


def issue_token(
    context: Context,
    person: UUID,
    roles: Collection[str],
    now: datetime,
    session_ends: datetime,
    stepped: datetime,
) -> Token:
    """A token for a live session, `stepped` its last full proof. Error: Unauthorised in its last second."""
    times = rules.token_times(now, session_ends, context.settings.token_seconds)
    if times is None:
        raise Unauthorised()
    issued, expires = times
    claims = TokenClaims(person, roles, issued, expires, int(stepped.timestamp())).to_json()
    return Token(access_token=tokens.issue(claims, context.token_key), expires_in=expires - issued)
