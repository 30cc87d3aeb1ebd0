"""Moving a case on: steps with what they need, what the desk found of it, and the table that says what is possible."""

from typing import Any

from fastapi import APIRouter, Request

from services.intake import clock_store, clocks, step_store, stepping, steps, store
from services.intake.context import InContext
from services.intake.dated import Word
from services.intake.form import load_form
from services.intake.staff_routes import ThisCase
from services.intake.step_data import is_body, words
from services.intake.step_lines import ClassificationLine
from services.intake.step_schemas import (
    BodyConcerned,
    NewClassification,
    NewStep,
    StepReference,
    StepRule,
    StepTaken,
)
from services.kit.clock import day_of
from services.kit.db import Connection
from services.kit.i18n import N_
from services.kit.problems import Conflict, Invalid, responses
from services.kit.service import JsonRoute
from services.kit.staff import Staff

router = APIRouter(
    prefix="/api/intake/v1/staff",
    tags=["steps"],
    route_class=JsonRoute,
    responses=responses(401, 403),
)

_CODE = N_("This code is not in the list.")
_ENDED = N_("A case that has ended is not classified anew. Reopen it first.")


@router.get("/case-steps")
async def read_step_reference(_who: Staff) -> StepReference:
    """Every step with its legal source, who may take it and what it needs; and the lists that it chooses from."""
    found = words()
    return StepReference(
        rules=[_rule(step) for step in steps.STEPS.values()],
        sources=found.sources,
        states=list(found.states),
        steps=list(found.steps),
        grounds=list(found.grounds),
        classifications=list(found.classifications),
        outcomes=list(found.outcomes),
        gravities=list(found.gravities),
        bodies=[_word(item) for item in load_form().lists["bodies"].items],
    )


def _rule(step: steps.Step) -> StepRule:
    return StepRule(
        code=step.code,
        from_states=[state for state in steps.STATES if state in step.sources],
        to=step.to,
        roles=sorted(step.roles),
        needs=sorted(step.needs),
        takes=sorted(step.takes),
        source=step.law.source,
        article=step.law.article,
        status=step.law.status,
    )


def _word(item: Any) -> Word:
    return Word(code=item.code, labels=item.labels, source=item.source, status=item.status)


@router.post("/cases/{case_id}/steps", status_code=201, responses=responses(404, 409, 413, 422))
async def take_step(
    request: Request, conn: Connection, context: InContext, who: Staff, case: ThisCase, body: NewStep
) -> StepTaken:
    """Take a step of a case: with its ground, its sealed words for the reporter, its outcome. All of it or nothing."""
    return await stepping.take(conn, context, case.id, who, body, request.app.state.clock())


@router.put("/cases/{case_id}/classification", responses=responses(404, 409, 422))
async def classify_case(
    request: Request,
    conn: Connection,
    context: InContext,
    who: Staff,
    case: ThisCase,
    body: NewClassification,
) -> ClassificationLine:
    """Say whether a case is criminal. Who said so is kept: a report of a crime is not returned on one word."""
    report = await store.lock_report(conn, case.id)
    if report.state in (steps.RETURNED, steps.CLOSED):
        raise Conflict(_ENDED)
    day = day_of(request.app.state.clock())
    found = await stepping.classify(conn, report, who, body.classification, day)
    with clock_store.known_days():
        await clock_store.moved(conn, context.calendar, case.id, clocks.CLASSIFY, day)
    return found


@router.put("/cases/{case_id}/body", responses=responses(404, 422))
async def record_body(conn: Connection, _who: Staff, case: ThisCase, body: BodyConcerned) -> BodyConcerned:
    """Record which public body a report is about, or take it back with null. Staff see it, reporters do not."""
    if body.body is not None and not is_body(body.body):
        raise Invalid.at("/body", _CODE)
    await store.lock_report(conn, case.id)
    await step_store.set_body(conn, case.id, body.body)
    return body
