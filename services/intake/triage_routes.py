"""Triage of a flood: one action on many cases, each in a savepoint of its own, with a result for each.

No action deletes a report or answers one: a flood is put in order, not made to vanish.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.intake import folder, folder_store, rules, stepping, steps
from services.intake.context import Context, InContext
from services.intake.folder_schemas import Triage, TriageDone, TriageLine
from services.intake.linking import link
from services.intake.step_schemas import NewStep
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_, negotiate, translator
from services.kit.problems import Invalid, NotFound, Problem, responses
from services.kit.service import JsonRoute
from services.kit.staff import Caller, Staff

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["folder"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_CODE = N_("This code is not in the list.")


@dataclass(frozen=True)
class _Work:
    """What an action on one case may need."""

    conn: AsyncConnection
    context: Context
    who: Caller
    asked: Triage
    now: datetime

    @property
    def day(self) -> date:
        return day_of(self.now)


@router.post("/bulk", responses=responses(422))
async def triage_cases(
    request: Request, conn: Connection, context: InContext, who: Staff, body: Triage
) -> TriageDone:
    """One action on at most 200 cases. What cannot be done to one of them does not stop the others."""
    if body.label is not None and folder.unknown_labels([body.label]):
        raise Invalid.at("/label", _CODE)
    work = _Work(conn, context, who, body, request.app.state.clock())
    translate = translator(negotiate(request.headers.get("accept-language"))).gettext
    # Locked at once and in one order for everybody, so that two triages of the same cases never deadlock.
    known = await folder_store.lock_all(conn, {*body.cases, *([body.of] if body.of else [])})
    found = {case: await _attempt(work, case, known) for case in sorted(set(body.cases))}
    lines = [
        TriageLine(case=case, done=reason is None, reason=reason and translate(reason))
        for case, reason in found.items()
    ]
    return TriageDone(items=lines)


async def _attempt(work: _Work, case: UUID, known: Collection[UUID]) -> str | None:
    """Do it to one case, whole or not at all; why it was not done."""
    try:
        async with work.conn.begin_nested():
            if {case, work.asked.of or case} - set(known):
                raise NotFound()
            await _ACTIONS[work.asked.action](work, case)
    except Problem as exc:
        return exc.errors[0].message if exc.errors else exc.message
    return None


def _to(lane: str) -> Callable[[_Work, UUID], Awaitable[None]]:
    async def move(work: _Work, case: UUID) -> None:
        await folder_store.set_lane(work.conn, case, lane)

    return move


async def _label(work: _Work, case: UUID) -> None:
    labels = [work.asked.label] if work.asked.label else []
    await folder_store.add_labels(work.conn, case, labels, work.who.person, work.day)


async def _duplicate(work: _Work, case: UUID) -> None:
    assert work.asked.of is not None  # noqa: S101 - the body has it with this action
    await link(work.conn, case, work.asked.of, folder.DUPLICATE, work.who.person, work.day)


async def _register(work: _Work, case: UUID) -> None:
    await stepping.take(work.conn, work.context, case, work.who, NewStep(step=steps.REGISTER), work.now)


_ACTIONS: Mapping[str, Callable[[_Work, UUID], Awaitable[None]]] = {
    folder.TO_MAIN: _to(rules.MAIN),
    folder.TO_QUARANTINE: _to(rules.QUARANTINE),
    folder.LABEL: _label,
    folder.MARK_DUPLICATE: _duplicate,
    folder.REGISTER: _register,
}
