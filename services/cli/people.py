"""Which person a command is about: an id, or the exact name as the staff list shows it."""

from uuid import UUID

from services.cli.failures import Wrong
from services.cli.language import _
from services.client.errors import Problem
from services.client.staff import StaffSession


def person_of(session: StaffSession, words: str, closed: bool = False) -> str:
    """The id of a person; with `closed` also of those whose account is closed. Errors: LookupError, Wrong.

    An id is taken as it is: the server says whether there is such a person.
    """
    if _is_id(words):
        return words.lower()
    try:
        people = [*session.staff(), *(session.staff(True) if closed else ())]
    except Problem as exc:
        if exc.status == 403:
            raise Wrong(
                _("Your role does not see the list of the staff. Give the id of the person.")
            ) from None
        raise
    found: list[str] = [one.id for one in people if one.name == words]
    if len(found) > 1:
        raise Wrong(_("Several people have this name. Give the id."))
    if not found:
        raise LookupError
    return found[0]


def _is_id(words: str) -> bool:
    try:
        return str(UUID(words)) == words.lower()
    except ValueError:
        return False
