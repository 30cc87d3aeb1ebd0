"""SQL of certificates in the log and of desk grants by the day they were given."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, case, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake.models import certificates_logged, directories, grants, reports


async def note_certificate(conn: AsyncConnection, digest: bytes, day: date) -> bool:
    """Remember a certificate; False when it was there already."""
    added = await conn.scalar(
        pg_insert(certificates_logged)
        .values(digest=digest, day=day)
        .on_conflict_do_nothing()
        .returning(certificates_logged.c.digest)
    )
    return added is not None


async def desk_grants(conn: AsyncConnection) -> Sequence[Row[Any]]:
    """How many `grants` in the name of a desk (`holder`) are left, by `day` and the `dir_seq` they were made under.

    A grant of a later key was made under a later directory than the report's: the newest knows all months.
    """
    newest = select(func.max(directories.c.sequence)).scalar_subquery()
    dir_seq = case((grants.c.key_n > literal_column("0"), newest), else_=reports.c.dir_seq)
    query = (
        select(grants.c.holder, grants.c.day, dir_seq.label("dir_seq"), func.count().label("grants"))
        .join(reports, reports.c.id == grants.c.report_id)
        .where(grants.c.role == "desk")
        .group_by(grants.c.holder, grants.c.day, dir_seq)
    )
    return (await conn.execute(query)).all()
