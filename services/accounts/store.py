"""All SQL of the accounts service. Functions take a connection inside a transaction that the edge commits."""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, case, delete, func, insert, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts.models import (
    certificates,
    credentials,
    group_keys,
    keys,
    people,
    sessions,
    sign_in_throttle,
)
from services.accounts.rules import hash_of
from services.contracts.accounts import Role
from services.crypto.canonical import dumps
from services.kit.clock import day_of

NO_STEP = -1
ENROLMENT = timedelta(hours=72)


def new_secret() -> str:
    """192 random bits as text: a session or an enrolment."""
    return secrets.token_urlsafe(24)


# --- people


async def add_person(
    conn: AsyncConnection,
    login: str,
    name: str,
    roles: Sequence[str],
    now: datetime,
    enrolment_life: timedelta = ENROLMENT,
) -> tuple[uuid.UUID, str] | None:
    """A new person: their id and one-time enrolment secret. None when the login is taken."""
    person: uuid.UUID | None = await conn.scalar(
        pg_insert(people)
        .values(id=uuid.uuid4(), login=login, name=name, roles=list(roles), active=True, created=day_of(now))
        .on_conflict_do_nothing(index_elements=["login"])
        .returning(people.c.id)
    )
    if person is None:
        return None
    secret = new_secret()
    await conn.execute(
        insert(credentials).values(
            person=person,
            totp_last_step=NO_STEP,
            totp_confirmed=False,
            enrolment_hash=hash_of(secret),
            enrolment_expires=now + enrolment_life,
        )
    )
    return person, secret


async def bootstrap_administrator(
    conn: AsyncConnection, *, login: str, name: str, now: datetime
) -> str | None:
    """The enrolment secret of the first administrator; None once an administrator has enrolled.

    A first run that was cut off before the enrolment gets a fresh secret for the same account.
    """
    # Two first runs at once must not make two administrators.
    await conn.execute(text("SELECT pg_advisory_xact_lock(hashtext('adal-accounts-bootstrap'))"))
    administrators = (
        select(people.c.id, people.c.login, credentials.c.password_phc)
        .join(credentials)
        .where(people.c.active, people.c.roles.contains([Role.ADMINISTRATOR]))
    )
    rows = (await conn.execute(administrators)).all()
    if not rows:
        added = await add_person(conn, login, name, [Role.ADMINISTRATOR], now)
        return added[1] if added else None
    if any(row.password_phc is not None for row in rows):
        return None
    waiting = next((row.id for row in rows if row.login == login), None)
    return None if waiting is None else await _renew_enrolment(conn, waiting, now)


async def _renew_enrolment(conn: AsyncConnection, person: uuid.UUID, now: datetime) -> str:
    secret = new_secret()
    await conn.execute(
        update(credentials)
        .where(credentials.c.person == person)
        .values(enrolment_hash=hash_of(secret), enrolment_expires=now + ENROLMENT)
    )
    return secret


async def person(conn: AsyncConnection, person_id: uuid.UUID) -> Row[Any] | None:
    """An active person."""
    query = select(people).where(people.c.id == person_id, people.c.active)
    return (await conn.execute(query)).one_or_none()


def _certificate_on(day: date) -> ColumnElement[Any]:
    """The certificate of the outer query's person that was stored last of those valid on a day."""
    return (
        select(certificates.c.document)
        .where(
            certificates.c.person == people.c.id,
            certificates.c.valid_from <= day,
            certificates.c.valid_until >= day,
            certificates.c.ended.is_(None),
        )
        .order_by(certificates.c.added.desc(), certificates.c.digest)
        .limit(1)
        .scalar_subquery()
    )


def _with_keys(day: date) -> Select[Any]:
    return select(
        people,
        keys.c.wrapped,
        keys.c.recipient,
        keys.c.verify_key,
        _certificate_on(day).label("certificate"),
    ).outerjoin(keys, keys.c.person == people.c.id)


async def person_with_keys(conn: AsyncConnection, person_id: uuid.UUID, day: date) -> Row[Any]:
    """A person with `wrapped`, `recipient`, `verify_key` and `certificate`, each or null."""
    row: Row[Any] = (await conn.execute(_with_keys(day).where(people.c.id == person_id))).one()
    return row


async def list_people(
    conn: AsyncConnection,
    day: date,
    after: tuple[date, uuid.UUID] | None,
    limit: int,
    closed: bool = False,
) -> Sequence[Row[Any]]:
    """Active people with their keys, or those of closed accounts who have not left, in the order in which they came."""
    query = _with_keys(day).where(people.c.active.is_not(closed), people.c.left_on.is_(None))
    if after is not None:
        query = query.where(tuple_(people.c.created, people.c.id) > after)
    rows: Sequence[Row[Any]] = (
        await conn.execute(query.order_by(people.c.created, people.c.id).limit(limit))
    ).all()
    return rows


# --- sign-in


class Attempt(NamedTuple):
    """A counted attempt: its number in its window, from 1, and when that began."""

    number: int
    window_start: datetime


async def count_attempt(conn: AsyncConnection, key: bytes, now: datetime, window: timedelta) -> Attempt:
    """Count an attempt in one statement, so that attempts at the same moment are told apart."""
    row = sign_in_throttle.c
    over = row.window_start <= now - window
    statement = pg_insert(sign_in_throttle).values(key=key, window_start=now, count=1)
    found = await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "window_start": case((over, now), else_=row.window_start),
                "count": case((over, 1), else_=row["count"] + 1),
            },
        ).returning(row["count"], row.window_start)
    )
    return Attempt(*found.one())


async def forgive_attempt(conn: AsyncConnection, key: bytes, attempt: Attempt) -> None:
    """Take a successful attempt off its window. Failed ones stay, so that a sign-in gives no new guesses."""
    await conn.execute(
        update(sign_in_throttle)
        .where(
            sign_in_throttle.c.key == key,
            sign_in_throttle.c.window_start == attempt.window_start,
            sign_in_throttle.c["count"] > 0,
        )
        .values(count=sign_in_throttle.c["count"] - 1)
    )


@dataclass(frozen=True)
class Account:
    """What a sign-in is checked against."""

    id: uuid.UUID
    active: bool
    login: str
    name: str
    roles: tuple[str, ...]
    password_phc: str | None = field(repr=False)
    totp_box: bytes | None = field(repr=False)
    totp_last_step: int
    enrolment_hash: bytes | None = field(repr=False)
    enrolment_expires: datetime | None


async def account(conn: AsyncConnection, login: str) -> Account | None:
    """The account of a login, active or not."""
    query = (
        select(
            *(people.c[name] for name in ("id", "active", "login", "name", "roles")),
            *(credentials.c[name] for name in ("password_phc", "totp_box", "totp_last_step")),
            *(credentials.c[name] for name in ("enrolment_hash", "enrolment_expires")),
        )
        .join(credentials)
        .where(people.c.login == login)
    )
    row = (await conn.execute(query)).one_or_none()
    return Account(**{**row._asdict(), "roles": tuple(row.roles)}) if row else None


async def use_code(conn: AsyncConnection, person_id: uuid.UUID, step: int) -> bool:
    """Use up a step of the second factor; False when it, or a later one, was used before."""
    result = await conn.execute(
        update(credentials)
        .where(credentials.c.person == person_id, credentials.c.totp_last_step < step)
        .values(totp_last_step=step, totp_confirmed=True)
    )
    return result.rowcount == 1


async def enrol(
    conn: AsyncConnection,
    person_id: uuid.UUID,
    enrolment_hash: bytes,
    now: datetime,
    password_phc: str,
    totp_box: bytes,
) -> bool:
    """Set password and second factor and use up the enrolment; False when it was used in the meantime."""
    result = await conn.execute(
        update(credentials)
        .where(
            credentials.c.person == person_id,
            credentials.c.enrolment_hash == enrolment_hash,
            credentials.c.enrolment_expires > now,
        )
        .values(
            password_phc=password_phc,
            totp_box=totp_box,
            totp_last_step=NO_STEP,
            totp_confirmed=False,
            enrolment_hash=None,
            enrolment_expires=None,
        )
    )
    return result.rowcount == 1


# --- sessions


async def open_session(conn: AsyncConnection, person_id: uuid.UUID, now: datetime, expires: datetime) -> str:
    """A new session; its secret."""
    secret = new_secret()
    await conn.execute(
        insert(sessions).values(
            hash=hash_of(secret), person=person_id, created=now, expires=expires, revoked=False
        )
    )
    return secret


async def live_session(conn: AsyncConnection, secret: str, now: datetime) -> Row[Any] | None:
    """`hash`, `expires`, `stepped`, `person`, `login` and today's `roles` of a session that may go on."""
    stepped = func.coalesce(sessions.c.stepped, sessions.c.created).label("stepped")
    query: Select[Any] = (
        select(
            sessions.c.hash, sessions.c.expires, sessions.c.person, stepped, people.c.login, people.c.roles
        )
        .join(people)
        .where(
            sessions.c.hash == hash_of(secret),
            sessions.c.revoked.is_(False),
            sessions.c.expires > now,
            people.c.active,
        )
    )
    row: Row[Any] | None = (await conn.execute(query)).one_or_none()
    return row


async def renew_proof(conn: AsyncConnection, session_hash: bytes, now: datetime) -> None:
    """The person of this session gave a full proof just now."""
    await conn.execute(update(sessions).where(sessions.c.hash == session_hash).values(stepped=now))


async def sessions_of(conn: AsyncConnection, person_id: uuid.UUID, now: datetime) -> Sequence[Row[Any]]:
    """`hash` and `created` of a person's live sessions, oldest first."""
    query: Select[Any] = select(sessions.c.hash, sessions.c.created).where(
        sessions.c.person == person_id, sessions.c.revoked.is_(False), sessions.c.expires > now
    )
    ordered = query.order_by(sessions.c.created, sessions.c.hash)
    rows: Sequence[Row[Any]] = (await conn.execute(ordered)).all()
    return rows


async def revoke_sessions(
    conn: AsyncConnection, person_id: uuid.UUID, keep: bytes | None = None, name: bytes | None = None
) -> int:
    """End a person's sessions, all but the one to `keep` (a hash), or the one whose hash begins with `name` only."""
    which = [sessions.c.person == person_id, sessions.c.revoked.is_(False)]
    if keep is not None:
        which.append(sessions.c.hash != keep)
    if name is not None:
        which.append(func.substr(sessions.c.hash, 1, len(name)) == name)
    return (await conn.execute(update(sessions).where(*which).values(revoked=True))).rowcount


async def revoke_session(conn: AsyncConnection, session_hash: bytes) -> None:
    await conn.execute(update(sessions).where(sessions.c.hash == session_hash).values(revoked=True))


# --- keys


async def store_key(
    conn: AsyncConnection, person_id: uuid.UUID, wrapped: bytes, recipient: str, verify_key: bytes
) -> None:
    """A person's own key; the one before is gone."""
    new = {"wrapped": wrapped, "recipient": recipient, "verify_key": verify_key}
    await conn.execute(
        pg_insert(keys)
        .values(person=person_id, **new)
        .on_conflict_do_update(index_elements=["person"], set_=new)
    )


async def store_certificate(
    conn: AsyncConnection,
    person_id: uuid.UUID,
    document: dict[str, Any],
    valid_from: date,
    valid_until: date,
    now: datetime,
) -> None:
    """Add a certificate to a person's history; the same one again becomes the latest."""
    digest = hashlib.sha256(dumps(document)).digest()
    await conn.execute(
        pg_insert(certificates)
        .values(
            person=person_id,
            digest=digest,
            document=document,
            valid_from=valid_from,
            valid_until=valid_until,
            added=now,
        )
        .on_conflict_do_update(index_elements=["person", "digest"], set_={"added": now, "ended": None})
    )


async def store_group_key(conn: AsyncConnection, person_id: uuid.UUID, key_id: str, data: bytes) -> None:
    """A group key wrapped for a person, in place of an earlier one with the same id."""
    await conn.execute(
        pg_insert(group_keys)
        .values(person=person_id, key_id=key_id, data=data)
        .on_conflict_do_update(index_elements=["person", "key_id"], set_={"data": data})
    )


async def group_keys_of(conn: AsyncConnection, person_id: uuid.UUID) -> Sequence[Row[Any]]:
    query = select(group_keys).where(group_keys.c.person == person_id).order_by(group_keys.c.key_id)
    return (await conn.execute(query)).all()


# --- housekeeping


async def forget_expired(conn: AsyncConnection, now: datetime, throttle_window: timedelta) -> int:
    """Drop ended sessions, enrolments nobody used and old counters; the number of rows."""
    ended = await conn.execute(delete(sessions).where(sessions.c.expires <= now))
    unused = await conn.execute(
        update(credentials)
        .where(credentials.c.enrolment_expires <= now)
        .values(enrolment_hash=None, enrolment_expires=None)
    )
    counters = await conn.execute(
        delete(sign_in_throttle).where(sign_in_throttle.c.window_start <= now - throttle_window)
    )
    return ended.rowcount + unused.rowcount + counters.rowcount
