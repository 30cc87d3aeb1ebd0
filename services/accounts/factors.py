"""The second factor: a code, a passkey or a recovery code. Each proves once; two requests cannot use one.

First everything is gathered and committed, then all of it is looked at, then the one that holds is used up.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts import factor_store, rules, store
from services.accounts.context import NOBODY, Context
from services.accounts.passkeys import Claim, PasskeyRefused
from services.accounts.schemas import Proof
from services.accounts.store import Account
from services.crypto import secretbox, totp


@dataclass(frozen=True)
class Code:
    """A code of the authenticator: its half minute."""

    step: int

    async def use(self, conn: AsyncConnection, person: UUID) -> bool:
        return await store.use_code(conn, person, self.step)


@dataclass(frozen=True)
class Passkey:
    """A passkey that answered: its row and its counter before and after."""

    id: UUID
    before: int
    after: int

    async def use(self, conn: AsyncConnection, _person: UUID) -> bool:
        return await factor_store.move_counter(conn, self.id, self.before, self.after)


@dataclass(frozen=True)
class Recovery:
    """A recovery code, by its hash. Whoever needs it may have lost a device, so other sessions end."""

    hash: bytes = field(repr=False)

    async def use(self, conn: AsyncConnection, person: UUID) -> bool:
        if not await factor_store.use_recovery_code(conn, person, self.hash):
            return False
        await store.revoke_sessions(conn, person)
        return True


Factor = Code | Passkey | Recovery


@dataclass(frozen=True)
class Kept:
    """A challenge that the database keeps for one owner (`Context.challenge_owner`) until it is answered."""

    owner: bytes = field(repr=False)

    async def answered(self, conn: AsyncConnection, challenge: bytes, now: datetime) -> bool:
        """Whether this was open for this owner. It is gone afterwards in any case."""
        return await factor_store.spend_challenge(conn, rules.hash_of_bytes(challenge), self.owner, now)


@dataclass(frozen=True)
class Derived:
    """A challenge derived from something that the caller uses up, so nothing of it is stored."""

    challenge: bytes = field(repr=False)

    async def answered(self, _conn: AsyncConnection, challenge: bytes, _now: datetime) -> bool:
        """Whether this is the one."""
        return secretbox.equal(self.challenge, challenge)


Question = Kept | Derived


@dataclass(frozen=True)
class Gathered:
    """What the database knows of a proof, before it is looked at."""

    claim: Claim | None = None
    passkey: Row[Any] | None = None
    recovery: bytes | None = field(default=None, repr=False)


async def gather(
    conn: AsyncConnection, context: Context, account: Account, proof: Proof, question: Question, now: datetime
) -> Gathered:
    """Spend the challenge of a passkey, look a recovery code up."""
    if proof.passkey is not None:
        return await _gather_passkey(conn, account, proof.passkey, question, now)
    letters = rules.typed_recovery_code(proof.recovery_code or "")
    if letters is None:
        return Gathered()
    code_hash = context.recovery_hash(account.id, letters)
    found = await factor_store.recovery_code_exists(conn, account.id, code_hash)
    return Gathered(recovery=code_hash if found else None)


async def _gather_passkey(
    conn: AsyncConnection, account: Account, answer: dict[str, Any], question: Question, now: datetime
) -> Gathered:
    try:
        claim = Claim.of(answer)
    except PasskeyRefused:
        return Gathered()
    fresh = await question.answered(conn, claim.challenge, now)
    found = await factor_store.passkey(conn, account.id, claim.credential)
    return Gathered(claim, found) if fresh else Gathered()


def examine(
    context: Context, account: Account, proof: Proof, gathered: Gathered, now: datetime
) -> Factor | None:
    """The factor that a proof shows, or None. The code is looked at in every case: same work for every account."""
    step = _step(context, account, proof.totp or "", now)
    if proof.passkey is not None:
        return _passkey(context, proof.passkey, gathered)
    if proof.recovery_code is not None:
        return Recovery(gathered.recovery) if gathered.recovery else None
    return None if step is None else Code(step)


def _step(context: Context, account: Account, code: str, now: datetime) -> int | None:
    if account.totp_box is None:
        secret = context.open_totp(context.dummy_box, NOBODY)
    else:
        secret = context.open_totp(account.totp_box, account.id)
    return totp.verify_totp(secret, code, int(now.timestamp()), account.totp_last_step)


def _passkey(context: Context, answer: dict[str, Any], gathered: Gathered) -> Passkey | None:
    row, claim = gathered.passkey, gathered.claim
    if row is None or claim is None:
        return None
    try:
        after = context.relying_party.verify(answer, claim, row.public_key, row.sign_count)
    except PasskeyRefused:
        return None
    return Passkey(row.id, row.sign_count, after)


async def new_challenge(
    conn: AsyncConnection, context: Context, purpose: str, subject: bytes, now: datetime
) -> bytes:
    """32 random bytes that one answer may be given to, by this asker and for this purpose."""
    challenge = os.urandom(32)
    owner = context.challenge_owner(purpose, subject)
    expires = now + context.settings.challenge_life
    await factor_store.keep_challenge(conn, rules.hash_of_bytes(challenge), owner, expires)
    return challenge
