"""Sign-in and enrolment: one answer and the same work whatever is wrong, and no two uses of one secret.

An attempt is counted and committed before the password is looked at, so that attempts sent at the same moment cannot
pass together. No database connection is held while a password is hashed.
"""

import base64
import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.accounts import rules, store
from services.accounts.context import NOBODY, Context
from services.accounts.schemas import Enrolled, Enrolment, Person, SignedIn, SignIn, Token
from services.accounts.store import Account, Attempt
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


class TooManyAttempts(Problem):
    """This login, known or not, was tried too often; the header tells when to come back."""

    status, slug, title = 429, "too-many-attempts", "Too many attempts"
    detail = N_("There were too many attempts with this login. Wait and try again.")


#: Checked in place of an account that does not exist.
_NOBODY = Account(
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
        key = self.context.throttle_key(asked.login)
        window = self.context.settings.throttle_window
        async with self.engine.begin() as conn:
            attempt = await store.count_attempt(conn, key, self.now, window)
            account = await store.account(conn, asked.login) or _NOBODY
        # Only now, when the count is committed, may anything be refused or looked at.
        self._check_attempts(attempt)
        step = await self._check(account, asked)
        async with self.engine.begin() as conn:
            await self._use_code(conn, account, step)
            await store.forgive_attempt(conn, key, attempt)
            return await self._open_session(conn, account)

    async def enrol(self, asked: Enrolment) -> Enrolled:
        """Set the password and hand out the second factor, once. Errors: Invalid, EnrolmentRefused."""
        problem = rules.password_problem(asked.password, asked.login)
        if problem:
            raise Invalid(errors=[FieldError("/password", problem)])
        digest = rules.hash_of(asked.enrolment)
        async with self.engine.begin() as conn:
            account = await store.account(conn, asked.login) or _NOBODY
        if not self._may_enrol(account, digest):
            raise EnrolmentRefused()
        phc = await self.context.hash(passwords.hash_password, asked.password)
        secret = totp.new_secret()
        box = self.context.seal_totp(secret, account.id)
        async with self.engine.begin() as conn:
            if not await store.enrol(conn, account.id, digest, self.now, phc, box):
                raise EnrolmentRefused()
        issuer = "Adal (development)" if self.context.settings.development else "Adal"
        return Enrolled(
            totp_uri=totp.uri(secret, account.login, issuer),
            totp_secret=base64.b32encode(secret).decode(),
        )

    def _check_attempts(self, attempt: Attempt) -> None:
        settings = self.context.settings
        if attempt.number > settings.throttle_attempts:
            wait = (attempt.window_start + settings.throttle_window - self.now).total_seconds()
            raise TooManyAttempts(headers={"Retry-After": str(max(1, math.ceil(wait)))})

    async def _check(self, account: Account, asked: SignIn) -> int | None:
        """The step of the code, None when none is asked. All of it is looked at before anything is decided."""
        phc = account.password_phc or passwords.DUMMY
        password = await self.context.hash(passwords.verify_password, phc, asked.password)
        step = self._step(account, asked.totp or "")
        factor = step is not None or not self.context.settings.second_factor
        if not (account.active and password and factor):
            raise SignInRefused()
        return step

    def _step(self, account: Account, code: str) -> int | None:
        if account.totp_box is None:
            secret = self.context.open_totp(self.context.dummy_box, NOBODY)
        else:
            secret = self.context.open_totp(account.totp_box, account.id)
        return totp.verify_totp(secret, code, int(self.now.timestamp()), account.totp_last_step)

    async def _use_code(self, conn: AsyncConnection, account: Account, step: int | None) -> None:
        """Two requests with one code arrive here together: the database lets one through."""
        if step is None or not self.context.settings.second_factor:
            return
        if not await store.use_code(conn, account.id, step):
            raise SignInRefused()

    async def _open_session(self, conn: AsyncConnection, account: Account) -> SignedIn:
        expires = self.now + self.context.settings.session_life
        secret = await store.open_session(conn, account.id, self.now, expires)
        token = issue_token(self.context, account.id, account.roles, self.now, expires)
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
    context: Context, person: UUID, roles: Collection[str], now: datetime, session_ends: datetime
) -> Token:
    """A token for a live session. Error: Unauthorised in its last second."""
    times = rules.token_times(now, session_ends, context.settings.token_seconds)
    if times is None:
        raise Unauthorised()
    issued, expires = times
    claims = TokenClaims(person, roles, issued, expires).to_json()
    return Token(access_token=tokens.issue(claims, context.token_key), expires_in=expires - issued)
