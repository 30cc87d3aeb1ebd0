"""Telling a reporter that there is something new: one event for the notifier, with the address as it was sealed."""

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake import events, notice_store

KIND = "something-new"


async def tell(conn: AsyncConnection, report_id: UUID, day: date) -> None:
    """Have the notifier tell the reporter of a locked report, if an address was left.

    One notice that waits is enough, however much is new: their number would tell how lively a case is.
    """
    sealed = await notice_store.address_of(conn, report_id)
    if sealed is not None and not await notice_store.waits(conn, sealed):
        await events.put(conn, events.NOTIFIER, KIND, sealed, day)
