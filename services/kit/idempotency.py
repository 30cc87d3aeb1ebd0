"""`Idempotency-Key`: a repeated request gets the same answer, and the store of answers is of no use to a thief.

The answer (it may hold a receipt code) is sealed under a key derived from the caller's own random key, of which only
a hash is kept, for 24 hours. The fingerprint of the request is keyed in the same way, so that a short text cannot be
guessed from it.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated

from fastapi import Header
from sqlalchemy import Table, TextClause, delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto import secretbox
from services.kit.i18n import N_
from services.kit.problems import Invalid, Malformed

KEEP = timedelta(hours=24)
_FORM = re.compile(r"[A-Za-z0-9_-]{22,64}")
_MISSING = N_(
    "Send an Idempotency-Key header of 22 to 64 letters, digits, - or _, made at random for this request."
)
_REUSED = N_("This Idempotency-Key was used for another request. Make a new one.")


@dataclass(frozen=True)
class Kept:
    """An answer as it is stored: sealed, under the hash of the caller's key, beside a keyed hash of what was asked."""

    key_hash: bytes
    fingerprint: bytes
    answer: bytes
    expires: datetime


@dataclass(frozen=True)
class IdempotencyKey:
    """The caller's key for one request."""

    secret: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(b"adal/v1/idempotency|" + self.secret).digest()

    def fingerprint(self, operation: str, body: bytes) -> bytes:
        """A keyed hash of what was asked."""
        key = secretbox.hkdf(self.secret, "adal/v1/idempotency/fingerprint")
        return secretbox.mac(key, operation.encode(), b"|", body)

    def seal(self, answer: bytes) -> bytes:
        """The answer, sealed so that only a repeat of the request opens it."""
        return secretbox.seal(self._box_key(), answer, self.digest)

    def keep(self, answer: bytes, fingerprint: bytes, now: datetime) -> Kept:
        """The whole row, for a statement that takes the key and stores the answer at once."""
        return Kept(self.digest, fingerprint, self.seal(answer), _expiry(now))

    def open_kept(self, sealed: bytes) -> bytes:
        """The answer that was kept."""
        return secretbox.open_box(self._box_key(), sealed, self.digest)

    def _box_key(self) -> bytes:
        return secretbox.hkdf(self.secret, "adal/v1/idempotency/answer")


async def idempotency_key(
    value: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> IdempotencyKey:
    """The header as a dependency. Errors: Malformed when missing or too weak."""
    if value is None or not _FORM.fullmatch(value):
        raise Malformed(_MISSING)
    return IdempotencyKey(value.encode())


@cache
def _claiming(table: Table) -> TextClause:
    """Built once for each table: composing a statement costs more than running this one."""
    return text(
        f"INSERT INTO {table.fullname} (key_hash, fingerprint, expires) "  # noqa: S608
        "VALUES (:key_hash, :fingerprint, :expires) ON CONFLICT DO NOTHING RETURNING key_hash"
    )


@cache
def _finishing(table: Table) -> TextClause:
    return text(f"UPDATE {table.fullname} SET answer = :answer WHERE key_hash = :key_hash")  # noqa: S608


async def claim(
    conn: AsyncConnection, table: Table, key: IdempotencyKey, fingerprint: bytes, now: datetime
) -> bytes | None:
    """Take the key for this transaction, or return the answer it already has.

    A second request with the same key waits here until the first one has committed or failed.
    Errors: Invalid when the key was used for something else.
    """
    values = {"key_hash": key.digest, "fingerprint": fingerprint, "expires": _expiry(now)}
    if await conn.scalar(_claiming(table), values) is not None:
        return None
    return await known(conn, table, key, fingerprint)


async def known(conn: AsyncConnection, table: Table, key: IdempotencyKey, fingerprint: bytes) -> bytes | None:
    """The answer that the key has already. Errors: Invalid when the key was used for something else."""
    query = select(table).where(table.c.key_hash == key.digest).with_for_update()
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    if not secretbox.equal(row.fingerprint, fingerprint):
        raise Invalid(_REUSED)
    if row.answer is None:  # the request before was refused by a problem that commits
        return None
    return key.open_kept(row.answer)


async def finish(conn: AsyncConnection, table: Table, key: IdempotencyKey, answer: bytes) -> None:
    """Store the answer, in the same transaction as what it tells of."""
    await conn.execute(_finishing(table), {"key_hash": key.digest, "answer": key.seal(answer)})


def _expiry(now: datetime) -> datetime:
    """Whole hours: the exact minute of a filing is nobody's business."""
    return (now + KEEP).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


async def forget(conn: AsyncConnection, table: Table, now: datetime) -> int:
    """Drop answers older than their 24 hours; the number dropped."""
    result = await conn.execute(delete(table).where(table.c.expires <= now))
    return result.rowcount


__all__ = ["IdempotencyKey", "Kept", "claim", "finish", "forget", "idempotency_key", "known"]
