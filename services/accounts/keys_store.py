"""SQL of certificates on their way, group keys of oneself, and sub-shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, delete, exists, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounts.models import (
    certificates,
    group_keys,
    key_shares,
    keys,
    pending_certificates,
    people,
    released_shares,
    split_keys,
)

# --- certificates


async def lock_person(conn: AsyncConnection, person: UUID) -> Row[Any] | None:
    """`id`, `roles`, public keys and proposed certificate of an active person; nobody else changes them meanwhile."""
    query: Select[Any] = (
        select(
            people.c.id,
            people.c.name,
            people.c.roles,
            keys.c.recipient,
            keys.c.verify_key,
            pending_certificates.c.document.label("pending"),
            pending_certificates.c.proposed_by,
        )
        .outerjoin(keys, keys.c.person == people.c.id)
        .outerjoin(pending_certificates, pending_certificates.c.person == people.c.id)
        .where(people.c.id == person, people.c.active)
        .with_for_update(of=people)
    )
    row: Row[Any] | None = (await conn.execute(query)).one_or_none()
    return row


async def propose(
    conn: AsyncConnection, person: UUID, document: dict[str, Any], proposed_by: UUID, day: date
) -> None:
    """Keep a certificate with one signature, in place of an earlier proposal for the same person."""
    new = {"document": document, "proposed_by": proposed_by, "day": day}
    await conn.execute(
        pg_insert(pending_certificates)
        .values(person=person, **new)
        .on_conflict_do_update(index_elements=["person"], set_=new)
    )


async def forget_proposal(conn: AsyncConnection, person: UUID) -> None:
    await conn.execute(delete(pending_certificates).where(pending_certificates.c.person == person))


async def certificates_in_force(conn: AsyncConnection, person: UUID, day: date) -> Sequence[dict[str, Any]]:
    """The documents that are served, or will be, for a person."""
    rows = await conn.execute(select(certificates.c.document).where(*_in_force(person, day)))
    return rows.scalars().all()


async def end_certificates(conn: AsyncConnection, person: UUID, day: date) -> None:
    """End what is in force for a person; the documents stay as history."""
    await conn.execute(update(certificates).where(*_in_force(person, day)).values(ended=day))


def _in_force(person: UUID, day: date) -> tuple[ColumnElement[bool], ...]:
    row = certificates.c
    return row.person == person, row.ended.is_(None), row.valid_until >= day


# --- group keys


async def held_keys(conn: AsyncConnection, person: UUID) -> list[str]:
    """Ids of the group keys that are wrapped for a person."""
    rows = await conn.execute(select(group_keys.c.key_id).where(group_keys.c.person == person))
    return list(rows.scalars())


async def drop_key(conn: AsyncConnection, person: UUID, key_id: str) -> bool:
    """Delete a person's wrap of a key if somebody else at work holds it too; False when nobody does."""
    # Two holders who drop it at the same moment must not both find the other one's wrap.
    locked = select(group_keys.c.person).where(group_keys.c.key_id == key_id).order_by(group_keys.c.person)
    await conn.execute(locked.with_for_update())
    mine, other = group_keys, group_keys.alias()
    held_elsewhere = exists().where(
        other.c.key_id == key_id, other.c.person != person, people.c.id == other.c.person, people.c.active
    )
    result = await conn.execute(
        delete(mine).where(mine.c.person == person, mine.c.key_id == key_id, held_elsewhere)
    )
    return result.rowcount == 1


async def destroy_key(conn: AsyncConnection, key_id: str) -> int:
    """Delete every wrap of a key; how many there were."""
    return (await conn.execute(delete(group_keys).where(group_keys.c.key_id == key_id))).rowcount


# --- sub-shares


@dataclass(frozen=True)
class KeptSplit:
    """A statement with the sub-shares that one person may fetch: held by their keys, or released to them."""

    document: dict[str, Any]
    held: Mapping[str, bytes] = field(repr=False)
    released: Mapping[str, bytes] = field(repr=False)


async def store_split(
    conn: AsyncConnection,
    key_id: str,
    document: dict[str, Any],
    files: Mapping[str, bytes],
    person: UUID,
    day: date,
) -> None:
    """Keep the sub-shares of a key, in place of those of an earlier split."""
    for table in (released_shares, key_shares, split_keys):
        await conn.execute(delete(table).where(table.c.key_id == key_id))
    await conn.execute(insert(split_keys).values(key_id=key_id, document=document, person=person, day=day))
    rows = [{"key_id": key_id, "holder": holder, "data": data} for holder, data in files.items()]
    await conn.execute(insert(key_shares), rows)


async def splits_for(conn: AsyncConnection, person: UUID, held: Sequence[str], own: str) -> list[KeptSplit]:
    """Every split of which a person holds sub-shares, or to whom some were released."""
    mine = or_(key_shares.c.holder.in_(held), key_shares.c.holder.startswith(own, autoescape=True))
    shares = (await conn.execute(select(key_shares).where(mine))).all()
    released = (await conn.execute(select(released_shares).where(released_shares.c.person == person))).all()
    ids = {row.key_id for row in (*shares, *released)}
    query = select(split_keys).where(split_keys.c.key_id.in_(ids)).order_by(split_keys.c.key_id)
    return [
        KeptSplit(
            row.document,
            {share.holder: share.data for share in shares if share.key_id == row.key_id},
            {share.holder: share.data for share in released if share.key_id == row.key_id},
        )
        for row in (await conn.execute(query)).all()
    ]


async def release(
    conn: AsyncConnection, key_id: str, holder: str, to: UUID, by: UUID, data: bytes, day: date
) -> bool:
    """Keep a sub-share that its holder sealed to the key's new holder; False when there is no such sub-share.

    It takes the place of an earlier one of this holder: that may be sealed to a key which the person lost again.
    """
    there = select(key_shares.c.key_id).where(
        and_(key_shares.c.key_id == key_id, key_shares.c.holder == holder)
    )
    if await conn.scalar(there) is None:
        return False
    mine = (released_shares.c.key_id == key_id, released_shares.c.holder == holder)
    await conn.execute(delete(released_shares).where(*mine, released_shares.c.person == to))
    await conn.execute(
        pg_insert(released_shares)
        .values(key_id=key_id, holder=holder, person=to, released_by=by, data=data, day=day)
        .on_conflict_do_nothing()
    )
    return True
