"""Taking a step: the rules are asked first; then history, words, events, clocks and log change together or not at all."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.outcomes import KIND
from services.crypto import age
from services.crypto.canonical import b64u
from services.crypto.errors import CryptoError
from services.crypto.outcomes import TYPE as OUTCOME
from services.intake import clock_store, clocks, events, inbox, log, rules, step_store, steps, store
from services.intake.calendar import NoCalendar
from services.intake.context import Context
from services.intake.inbox import Files
from services.intake.schemas import Stored
from services.intake.step_data import outcome_kind
from services.intake.step_lines import ClassificationLine
from services.intake.step_schemas import NewStep, Notice, SealedEvents, SealedOutcome, StepTaken
from services.intake.steps import Facts, Refusal, Request, Who
from services.kit.clock import day_of
from services.kit.i18n import N_
from services.kit.problems import Conflict, FieldError, Forbidden, Invalid, Unavailable
from services.kit.staff import Caller

MOST_EVENT = 64 << 10
_NO_CALENDAR = N_("The working days of a coming year are not known yet. Add its calendar first.")
_EVENT = N_("The event is not an age file sealed to one key.")


async def facts_of(conn: AsyncConnection, report: Row[Any], today: date) -> Facts:
    """What the rules must know of a locked report."""
    found = await step_store.classifications_of(conn, report.id)
    last = found[-1] if found else None
    kinds = [
        outcome_kind(line.outcome) for line in await step_store.lines_of(conn, report.id) if line.outcome
    ]
    return Facts(
        state=report.state,
        category=report.category,
        classification=last and last.classification,
        classified_by=last and last.person,
        classified_as=last and last.role,
        ever_criminal=any(line.classification == steps.CRIMINAL for line in found),
        told=any(kind is not None and kind.final_act for kind in kinds),
        unreachable=report.code_suspect,
        gaps_ran_out=clocks.gaps_ran_out(await clock_store.limits_of(conn, report.id), today),
    )


def refuse(found: Sequence[Refusal]) -> None:
    """Turn refusals into the problem of their kind. Errors: Forbidden, Conflict, Invalid."""
    for refusal in found[:1]:
        if refusal.kind == "role":
            raise Forbidden(refusal.message)
        if refusal.kind == "state":
            raise Conflict(refusal.message)
        raise Invalid(errors=[FieldError(each.pointer, each.message) for each in found])


async def take(
    conn: AsyncConnection, context: Context, report_id: UUID, who: Caller, asked: NewStep, now: datetime
) -> StepTaken:
    """Take a step of a case. Errors: Forbidden, Conflict, Invalid, TooLarge; then nothing is written."""
    report, day = await store.lock_report(conn, report_id), day_of(now)
    refuse(steps.refusals(await facts_of(conn, report, day), Who(who.person, who.roles), _request(asked)))
    step = steps.STEPS[asked.step]
    if asked.classification:
        await classify(conn, report, who, asked.classification, day)
    line = step_store.NewLine(step.to, day, who.person, step.code, asked.ground, asked.body, _kind(asked))
    await step_store.add_line(conn, report.id, line)
    record = log.new_record("state", day, rid=b64u(report.rid), state=step.to, step=step.code)
    await store.add_record(conn, day, record)
    await _publish(conn, asked, day)
    await _move_clocks(conn, context, report.id, step.code, day)
    stored = await _tell_reporter(conn, context, report, who, asked.outcome or asked.notice, now)
    await events.tell(conn, f"case-{step.code}", day)
    return StepTaken(state=step.to, day=day, step=step.code, stored=stored)


async def classify(
    conn: AsyncConnection, report: Row[Any], who: Caller, found: str, day: date
) -> ClassificationLine:
    """Record that somebody found a locked case criminal or not, and log it."""
    role = steps.role_of(who.roles)
    await step_store.classify(conn, report.id, found, who.person, role, day)
    record = log.new_record(
        "classification", day, rid=b64u(report.rid), classification=found, person=str(who.person)
    )
    await store.add_record(conn, day, record)
    return ClassificationLine(classification=found, person=who.person, role=role, day=day)


def _kind(asked: NewStep) -> str | None:
    return None if asked.outcome is None else asked.outcome.kind


def _sealed(asked: NewStep) -> dict[str, bytes]:
    """Consumer -> sealed event, of those that are there."""
    return {name: file for name, file in vars(asked.events or SealedEvents()).items() if file is not None}


def _request(asked: NewStep) -> Request:
    return Request(
        asked.step, asked.ground, asked.body, asked.classification, _kind(asked),
        asked.notice is not None, frozenset(_sealed(asked)),
    )  # fmt: skip


async def _publish(conn: AsyncConnection, asked: NewStep, day: date) -> None:
    """Put the sealed outcome into the outbox. Error: Invalid for what is no file sealed to one key."""
    for consumer, file in _sealed(asked).items():
        try:
            age.check_part(file)
            bad = len(age.stanza_types(file)) != 1 or len(file) > MOST_EVENT
        except CryptoError:
            bad = True
        if bad:
            raise Invalid.at(f"/events/{consumer}", _EVENT)
        await events.put(conn, consumer, KIND, file, day)


async def _move_clocks(
    conn: AsyncConnection, context: Context, report_id: UUID, step: str, day: date
) -> None:
    """Start, meet and end limits. Error: Unavailable when a year's working days are not known yet."""
    try:
        await clock_store.moved(conn, context.calendar, report_id, step, day)
    except NoCalendar:
        raise Unavailable(_NO_CALENDAR) from None


async def _tell_reporter(
    conn: AsyncConnection,
    context: Context,
    report: Row[Any],
    who: Caller,
    words: SealedOutcome | Notice | None,
    now: datetime,
) -> Stored | None:
    """Store what the reporter is told, a message or an outcome. Errors: Invalid, TooLarge, Conflict.

    While somebody else may hold the receipt code, an outcome is sealed to the report alone.
    """
    if words is None:
        return None
    attached = words.attachments if isinstance(words, Notice) else []
    inbox.check_files(context, words.part, attached, stanzas=1 if report.code_suspect else 2)
    await inbox.require_newest_key(conn, report.id, words.key)
    files = Files(inbox.MESSAGE if isinstance(words, Notice) else OUTCOME, words.part, attached)
    author = "desk" if rules.sees_all(who.roles) else "staff"
    return await inbox.append(conn, context, report.id, author, now, lambda _place: files, words.n)
