"""Linking two cases, alone or in a triage of many: checked under lock, so that no timing makes a loop."""

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake import folder, folder_store
from services.kit.i18n import N_
from services.kit.problems import Conflict, Invalid

ITSELF = N_("A case is not linked with itself.")
_LINKED = N_("These cases are linked already. Take the link away first.")
_MANY = N_("This case has too many links.")
_CHAIN = N_(
    "Duplicates point at one case that is none itself: one of these is a duplicate already, or has duplicates of its own."
)


async def link(
    conn: AsyncConnection, case_id: UUID, other_id: UUID, kind: str, person: UUID, day: date
) -> None:
    """Link two cases that the caller may see. Errors: Invalid, Conflict."""
    if case_id == other_id:
        raise Invalid(ITSELF)
    await folder_store.lock_all(conn, [case_id, other_id])
    found = await folder_store.link_facts(conn, case_id, other_id)
    if found.linked:
        raise Conflict(_LINKED)
    # A flood has many duplicates of one case, which is the one that may have any number of links.
    if found.links >= folder.MOST_LINKS:
        raise Conflict(_MANY)
    if kind == folder.DUPLICATE and not folder.may_be_duplicate(found.duplicates, found.target_is_duplicate):
        raise Conflict(_CHAIN)
    await folder_store.add_link(conn, case_id, other_id, kind, person, day)
