"""Sign-in and enrolment: one answer and the same work whatever is wrong, and no two uses of one secret.

An attempt is counted and committed before the password is looked at, so that attempts sent at the same moment cannot
pass together. No database connection is held while a password is hashed.
"""

import base64
import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounts import rules, store
from services.accounts.context import NOBODY, Context
from services.accounts.schemas import Enrolled, Enrolment, Person, SignedIn, SignIn, Token
from services.accounts.store import Account, Attempt
from services.contracts.accounts import TokenClaims
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
    detail = N_("The login or the enrolment code is wrong, used or expired. Ask an administrator for a new one.")


class TooManyAttempts(Problem):
    """This login, known or not, was tried too often; the header tells when to come back."""

    status, slug, title = 429, "too-many-attempts", "Too many attempts"
    detail = N_("There were too many attempts with this login. Wait and try again.")


#: Checked in place of an account that does not exist, or has not enrolled yet.
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


class _Checked(NamedTuple):
    password: bool
    step: int | None


@dataclass(frozen=True)
class Door:
    """Sign-in and enrolment at one instant."""

    engine: AsyncEngine
    context: Context
    now: datetime

    async def sign_in(self, asked: SignIn) -> SignedIn:
        """A session and its first token. Errors: SignInRefused, TooManyAttempts."""
        key = self.context.throttle_key(asked.login)
        async with self.engine.begin() as conn:
            attempt = await self._count(key)
            found = await store.account(conn, asked.login)
        return await self._open(asked, found or _NOBODY, key, attempt)
