"""SQL of second factors: passkeys, their challenges, recovery codes."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts.models import challenges, credentials, passkeys, people, recovery_codes
from services.accounts.passkeys import Registered
from services.accounts.store import NO_STEP
from services.kit.clock import day_of

# --- challenges


async def keep_challenge(
    conn: AsyncConnection, challenge_hash: bytes, owner: bytes, expires: datetime
) -> None:
    await conn.execute(insert(challenges).values(hash=challenge_hash, owner=owner, expires=expires))


async def spend_challenge(conn: AsyncConnection, challenge_hash: bytes, owner: bytes, now: datetime) -> bool:
    """Whether this challenge was open for this owner. It is gone afterwards in any case."""
    found = await conn.execute(
        delete(challenges)
        .where(challenges.c.hash == challenge_hash)
        .returning(challenges.c.owner, challenges.c.expires)
    )
    row = found.one_or_none()
    return row is not None and row.owner == owner and row.expires > now


# --- passkeys


async def passkeys_of(conn: AsyncConnection, person: uuid.UUID) -> Sequence[Row[Any]]:
    """`id`, `name`, `created`, `credential` of a person's passkeys, oldest first."""
    columns = (passkeys.c.id, passkeys.c.name, passkeys.c.created, passkeys.c.credential)
    query: Select[Any] = select(*columns).where(passkeys.c.person == person)
    ordered = query.order_by(passkeys.c.created, passkeys.c.id)
    rows: Sequence[Row[Any]] = (await conn.execute(ordered)).all()
    return rows


async def passkey(conn: AsyncConnection, person: uuid.UUID, credential: bytes) -> Row[Any] | None:
    """A person's passkey with `public_key` and `sign_count`."""
    query = select(passkeys).where(passkeys.c.person == person, passkeys.c.credential == credential)
    return (await conn.execute(query)).one_or_none()


async def add_passkey(
    conn: AsyncConnection, person: uuid.UUID, name: str, new: Registered, now: datetime, most: int
) -> uuid.UUID | None:
    """The id of a new passkey; None when the credential is known or the person has `most` already."""
    # The row of the person stands for the set: two registrations at once must not pass the limit together.
    await conn.execute(select(people.c.id).where(people.c.id == person).with_for_update())
    held = await conn.scalar(select(func.count()).select_from(passkeys).where(passkeys.c.person == person))
    if held is None or held >= most:
        return None
    statement = pg_insert(passkeys).values(
        id=uuid.uuid4(),
        person=person,
        credential=new.credential,
        public_key=new.public_key,
        sign_count=new.sign_count,
        name=name,
        created=day_of(now),
    )
    added: uuid.UUID | None = await conn.scalar(
        statement.on_conflict_do_nothing(index_elements=["credential"]).returning(passkeys.c.id)
    )
    return added


async def move_counter(conn: AsyncConnection, passkey_id: uuid.UUID, before: int, after: int) -> bool:
    """Move a passkey's counter on; False when another request moved it, or the passkey was removed."""
    result = await conn.execute(
        update(passkeys)
        .where(passkeys.c.id == passkey_id, passkeys.c.sign_count == before)
        .values(sign_count=after)
    )
    return result.rowcount == 1


async def remove_passkey(conn: AsyncConnection, person: uuid.UUID, passkey_id: uuid.UUID) -> bool:
    result = await conn.execute(
        delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.person == person)
    )
    return result.rowcount == 1


# --- codes


async def replace_recovery_codes(conn: AsyncConnection, person: uuid.UUID, hashes: Collection[bytes]) -> None:
    """New codes; those before are void."""
    await conn.execute(select(people.c.id).where(people.c.id == person).with_for_update())
    await conn.execute(delete(recovery_codes).where(recovery_codes.c.person == person))
    await conn.execute(insert(recovery_codes), [{"person": person, "hash": each} for each in hashes])


async def recovery_code_exists(conn: AsyncConnection, person: uuid.UUID, code_hash: bytes) -> bool:
    query = select(recovery_codes.c.hash).where(
        recovery_codes.c.person == person, recovery_codes.c.hash == code_hash
    )
    return (await conn.execute(query)).one_or_none() is not None


async def use_recovery_code(conn: AsyncConnection, person: uuid.UUID, code_hash: bytes) -> bool:
    """Use a code up; False when another request did."""
    result = await conn.execute(
        delete(recovery_codes).where(recovery_codes.c.person == person, recovery_codes.c.hash == code_hash)
    )
    return result.rowcount == 1


async def recovery_codes_left(conn: AsyncConnection, person: uuid.UUID) -> int:
    query = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.person == person)
    return int(await conn.scalar(query) or 0)


async def replace_totp(conn: AsyncConnection, person: uuid.UUID, box: bytes) -> None:
    """A new secret of the authenticator; the one before is void."""
    await conn.execute(
        update(credentials)
        .where(credentials.c.person == person)
        .values(totp_box=box, totp_last_step=NO_STEP, totp_confirmed=False)
    )


async def forget_factors(conn: AsyncConnection, person: uuid.UUID) -> None:
    """No password, no second factor, no passkey, no recovery code: nobody signs in with what was."""
    await conn.execute(delete(passkeys).where(passkeys.c.person == person))
    await conn.execute(delete(recovery_codes).where(recovery_codes.c.person == person))
    await conn.execute(
        update(credentials)
        .where(credentials.c.person == person)
        .values(
            password_phc=None,
            totp_box=None,
            totp_last_step=NO_STEP,
            totp_confirmed=False,
            enrolment_hash=None,
            enrolment_expires=None,
        )
    )


async def forget_challenges(conn: AsyncConnection, now: datetime) -> int:
    return (await conn.execute(delete(challenges).where(challenges.c.expires <= now))).rowcount
