"""Retention from the desk's side: saying what was read, holds, and deletions that two people decide on.

That a case was read is said only once it was opened, checked and shown here, and only up to the first part of the
reporter that did not hold: the server keeps whatever nobody could read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.client.cases import OpenedCase
from services.client.directory import INTAKE
from services.client.errors import Problem, understood
from services.client.form_words import names_of
from services.client.http import part_of_path
from services.client.staff import StaffSession
from services.crypto import rules

_STAFF = f"{INTAKE}/staff"


@dataclass(frozen=True)
class Words:
    """Codes of grounds and of reasons with their text in one language; `backup_days` as the service says."""

    grounds: dict[str, str]
    reasons: dict[str, str]
    backup_days: int


@dataclass(frozen=True)
class Proposal:
    """A deletion that waits for a second person."""

    id: str
    ground: str
    by: str
    day: date

    @classmethod
    def from_json(cls, value: Any) -> "Proposal":
        """Read a proposal of the API. Errors: KeyError, FormatError."""
        return cls(str(value["id"]), str(value["ground"]), str(value["by"]), rules.day(value["day"]))


@dataclass(frozen=True)
class DeletionState:
    """Whether a case may be deleted: `reasons` against it (codes), the day its time is over, hold, proposal.

    `months` of keeping is None while the case has not ended; `confirmed` says whether a source was seen for it.
    """

    reasons: tuple[str, ...]
    due: date | None
    months: int | None
    confirmed: bool
    read_up_to: int | None
    held_by: str | None
    proposal: Proposal | None


@dataclass(frozen=True)
class Deleted:
    """What stays of a deleted report; complete once the last backup that may hold it has expired."""

    id: str
    day: date
    ground: str
    proposed_by: str
    approved_by: str
    complete_on: date

    @classmethod
    def from_json(cls, value: Any) -> "Deleted":
        """Read a deletion of the API. Errors: KeyError, FormatError."""
        return cls(
            str(value["id"]), rules.day(value["day"]), str(value["ground"]), str(value["proposed_by"]),
            str(value["approved_by"]), rules.day(value["complete_on"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Due:
    """A case whose time of keeping is over and that nothing forbids to delete."""

    case: str
    reference: str
    state: str
    due: date


def read_up_to(case: OpenedCase) -> int:
    """The last part that was opened here: all of them, or those before the first of the reporter's that did not hold."""
    reporters = {part.number for part in case.sealed.parts if part.by == "reporter"}
    failed = [part.number for part in case.rejected if part.number in reporters]
    return min(failed, default=case.sealed.parts[-1].number + 1) - 1


def confirm_read(session: StaffSession, case: OpenedCase) -> int | None:
    """Say that an opened case was shown to whoever is signed in; up to which part, None for who lacks its newest key."""
    path = f"{_path(case.line.id)}/read"
    try:
        answer = session.call("POST", path, {"up_to": read_up_to(case)}).json()
    except Problem as exc:
        if exc.slug != "forbidden":
            raise
        return None
    with understood():
        return rules.integer(answer["up_to"])


def words(session: StaffSession, language: str) -> Words:
    """The words of grounds and reasons."""
    found = session.call("GET", f"{_STAFF}/retention").json()
    with understood():
        lists = [names_of(found[name], language) for name in ("grounds", "reasons")]
        return Words(lists[0], lists[1], rules.integer(found["backup_days"]))


def state(session: StaffSession, case_id: str) -> DeletionState:
    """Whether a case may be deleted. Error: Problem."""
    found = session.call("GET", f"{_path(case_id)}/deletion").json()
    with understood():
        period, read, hold, proposal = (found[name] for name in ("period", "read", "hold", "proposal"))
        return DeletionState(
            reasons=tuple(map(str, found["reasons"])),
            due=rules.day_or_none(found["due"]),
            months=None if period is None else rules.integer(period["months"]),
            confirmed=bool(found["confirmed"]),
            read_up_to=None if read is None else rules.integer(read["up_to"]),
            held_by=None if hold is None else str(hold["by"]),
            proposal=None if proposal is None else Proposal.from_json(proposal),
        )


def propose(session: StaffSession, case_id: str, ground: str) -> Proposal:
    """Propose to delete a case. Error: Problem `conflict` while anything forbids it."""
    answer = session.call("POST", f"{_path(case_id)}/deletion", {"ground": ground}).json()
    with understood():
        return Proposal.from_json(answer)


def approve(session: StaffSession, case_id: str, proposal: str) -> Deleted:
    """Approve what another person proposed: the case is deleted. Error: Problem `conflict`."""
    answer = session.call("POST", f"{_path(case_id)}/deletion/approve", {"proposal": proposal}).json()
    with understood():
        return Deleted.from_json(answer)


def refuse(session: StaffSession, case_id: str, proposal: str) -> None:
    """Refuse a proposal, or take back one's own."""
    session.call("POST", f"{_path(case_id)}/deletion/refuse", {"proposal": proposal})


def place_hold(session: StaffSession, case_id: str) -> None:
    """Forbid every deletion of a case until the hold is released (lead)."""
    session.call("PUT", f"{_path(case_id)}/hold")


def release_hold(session: StaffSession, case_id: str) -> None:
    """End a hold (lead)."""
    session.call("DELETE", f"{_path(case_id)}/hold")


def due(session: StaffSession) -> Iterator[Due]:
    """Cases that may be deleted now, over all pages."""
    for item in session.pages(f"{_STAFF}/deletions/due"):
        with understood():
            yield Due(str(item["case"]), str(item["reference"]), str(item["state"]), rules.day(item["due"]))


def waiting(session: StaffSession) -> list[tuple[str, Proposal]]:
    """Proposals that wait for a second person, each with the reference of its case."""
    found = session.call("GET", f"{_STAFF}/deletions/waiting").json()
    with understood():
        return [(str(item["reference"]), Proposal.from_json(item)) for item in found["items"]]


def done(session: StaffSession) -> Iterator[Deleted]:
    """What stays of deleted reports, newest first, over all pages (lead, auditor)."""
    for item in session.pages(f"{_STAFF}/deletions"):
        with understood():
            yield Deleted.from_json(item)


def _path(case_id: str) -> str:
    return f"{_STAFF}/cases/{part_of_path(case_id)}"
