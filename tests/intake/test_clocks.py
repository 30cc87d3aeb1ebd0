"""Time limits as rules: each starts where the law says, is counted day by day, and never vanishes, whatever the steps."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake import clocks
from services.intake.calendar import NoCalendar
from services.intake.clocks import (
    Facts,
    Limit,
    changes,
    day_refused,
    extendable,
    extended,
    load_rules,
    mark_refused,
    replay,
)
from tests.intake.test_calendar import ALMATY, counted, shared

CASE_STEPS = ("register", "review", "forward", "return", "investigate", "close", "reopen")
OTHER_STEPS = (
    "gaps",
    "gaps_filled",
    "recusal",
    "recusal_decided",
    "recusal_told",
    "end_without_decision",
    "message",
    "filing",
    "classify",
)
LEAVES = {"forward", "return", "investigate", "close"}
MONDAY = date(2026, 11, 23)
CALENDAR = shared()


def facts(filed: date = MONDAY, by: date | None = None, classification: str | None = None) -> Facts:
    return Facts(filed, by or CALENDAR.on_or_after(filed), classification)


def after(
    step: str, rows: Sequence[Limit], day: date, about: Facts, given: date | None = None
) -> list[Limit]:
    """The rows as the store would hold them after a step."""
    found = changes(step, rows, day, CALENDAR, about, given)
    known = {row.id: row for row in rows} | {row.id: row for row in found.changed}
    assert {row.id for row in found.changed} <= {row.id for row in rows}
    return [*known.values(), *(replace(row, id=uuid.uuid4()) for row in found.new)]


def walk(*steps: tuple[str, date], about: Facts | None = None) -> list[Limit]:
    rows: list[Limit] = []
    for step, day in steps:
        rows = after(step, rows, day, about or facts(), given=day + timedelta(days=10))
    return rows


def one(rows: Sequence[Limit], kind: str) -> Limit:
    (found,) = (row for row in rows if row.kind == kind)
    return found


def test_registration_is_met_on_the_day_and_late_after_it() -> None:
    assert one(walk(("register", MONDAY)), "register").state(MONDAY) == "met"
    late = one(walk(("register", MONDAY + timedelta(days=1))), "register")
    assert (late.due, late.state(MONDAY)) == (MONDAY, "late")


@pytest.mark.parametrize("registered", [MONDAY, MONDAY + timedelta(days=9)])
def test_fifteen_working_days_run_from_the_day_after_lawful_registration(registered: date) -> None:
    """Also when the desk registers late: nobody gains time by it."""
    limit = one(walk(("register", registered)), "decide")
    assert (limit.started, limit.due) == (MONDAY, counted(MONDAY, 15))
    assert limit.due == date(2026, 12, 14)


def test_a_report_of_a_saturday_counts_from_monday_even_when_it_is_registered_at_once() -> None:
    saturday = date(2026, 11, 21)
    rows = walk(("register", saturday), about=facts(saturday))
    assert one(rows, "register").due == MONDAY
    assert one(rows, "decide").started == MONDAY


def test_the_european_clocks_run_from_the_filing_in_calendar_days() -> None:
    rows = walk(("register", MONDAY))
    assert one(rows, "eu_ack").due == MONDAY + timedelta(days=7)
    assert one(rows, "eu_ack").met_on == MONDAY
    assert one(rows, "eu_feedback").due == date(2027, 2, 23)
    assert one(rows, "eu_feedback").running
    closed = walk(("register", MONDAY), ("review", MONDAY), ("close", date(2027, 2, 24)))
    assert one(closed, "eu_feedback").state(MONDAY) == "late"


def test_review_ends_the_time_for_forwarding_and_return_with_a_reason() -> None:
    rows = walk(("register", MONDAY), ("review", MONDAY))
    for kind in ("forward", "return"):
        assert (one(rows, kind).reason, one(rows, kind).ended_on) == ("in_hand", MONDAY)
        assert one(rows, kind).due == counted(MONDAY, 3)


@pytest.mark.parametrize(("step", "reason"), [("forward", "forwarded"), ("return", "returned")])
def test_forwarding_and_return_are_measured_against_three_working_days(step: str, reason: str) -> None:
    in_time = walk(("register", MONDAY), (step, MONDAY + timedelta(days=3)))
    assert one(in_time, step).state(MONDAY) == "met"
    assert one(in_time, "decide").reason == reason
    late = walk(("register", MONDAY), ("review", MONDAY), (step, MONDAY + timedelta(days=4)))
    states = sorted(row.state(MONDAY) for row in late if row.kind == step)
    assert states == ["ended", "late"]


def test_return_after_the_time_for_gaps_ran_out_is_measured_from_its_end() -> None:
    rows = after("register", [], MONDAY, facts())
    rows = after("gaps", rows, MONDAY, facts(), given=date(2026, 12, 4))
    assert one(rows, "gaps").due == date(2026, 12, 4)
    rows = after("review", rows, MONDAY, facts())
    rows = after("return", rows, date(2026, 12, 8), facts())
    returned = next(row for row in rows if row.kind == "return" and row.met_on)
    assert (returned.started, returned.due) == (date(2026, 12, 4), date(2026, 12, 9))
    assert one(rows, "gaps").reason == "returned"


def test_a_criminal_case_has_a_day_for_the_register_of_investigations_that_is_not_confirmed() -> None:
    criminal = facts(classification="criminal")
    rows = walk(("register", MONDAY), about=criminal)
    assert one(rows, "erdr").due == MONDAY + timedelta(days=1)
    assert load_rules().find("erdr").status == "not-confirmed"
    rows = after("investigate", rows, MONDAY + timedelta(days=1), criminal)
    assert one(rows, "erdr").state(MONDAY) == "met"
    assert one(rows, "decide").reason == "investigation"
    assert not any(
        row.kind == "erdr" for row in walk(("register", MONDAY), about=facts(classification="non_criminal"))
    )


def test_found_criminal_later_it_has_the_day_from_then_on() -> None:
    rows = walk(("register", MONDAY), ("review", MONDAY))
    friday = date(2026, 11, 27)
    rows = after("classify", rows, friday, facts(classification="criminal"))
    assert one(rows, "erdr").due == date(2026, 11, 28)
    again = after("classify", rows, MONDAY + timedelta(days=9), facts(classification="criminal"))
    assert one(again, "erdr") == one(rows, "erdr")
    ended = after("classify", rows, friday, facts(classification="non_criminal"))
    assert one(ended, "erdr").reason == "not_criminal"


def test_reopening_starts_anew() -> None:
    rows = walk(
        ("register", MONDAY), ("review", MONDAY), ("close", date(2026, 12, 1)), ("reopen", date(2026, 12, 7))
    )
    first, second = (row for row in rows if row.kind == "decide")
    assert first.state(MONDAY) == "met"
    assert (second.started, second.due, second.running) == (
        date(2026, 12, 7), counted(date(2026, 12, 7), 15), True,
    )  # fmt: skip
    assert [row.running for row in rows if row.kind == "eu_feedback"] == [False, True]


def test_a_recusal_is_decided_in_three_days_and_told_in_two() -> None:
    rows = after("recusal", walk(("register", MONDAY)), MONDAY, facts())
    assert one(rows, "recusal").due == counted(MONDAY, 3)
    rows = after("recusal_decided", rows, MONDAY + timedelta(days=1), facts())
    assert one(rows, "recusal").state(MONDAY) == "met"
    assert one(rows, "recusal_notice").due == counted(MONDAY + timedelta(days=1), 2)


def test_an_end_without_decision_is_told_in_three_working_days() -> None:
    rows = after("end_without_decision", walk(("register", MONDAY)), MONDAY, facts())
    assert one(rows, "end_notice").due == counted(MONDAY, 3)
    assert one(after("message", rows, MONDAY, facts()), "end_notice").state(MONDAY) == "met"


# --- extension


def test_an_extension_is_at_most_two_months_from_the_decision() -> None:
    rows = walk(("register", MONDAY), ("review", MONDAY))
    decided = date(2026, 12, 10)
    old = extendable(rows, decided)
    assert old is not None
    assert extended(old, date(2027, 2, 11), decided, CALENDAR) is None
    assert extended(old, old.due, decided, CALENDAR) is None
    new = extended(old, date(2027, 2, 10), decided, CALENDAR)
    assert new is not None
    assert (new.started, new.due, new.extended_from) == (decided, date(2027, 2, 10), old.id)


def test_the_last_day_of_an_extension_moves_off_a_day_off() -> None:
    old = extendable(walk(("register", MONDAY)), MONDAY)
    assert old is not None
    new = extended(old, date(2027, 1, 23), MONDAY, CALENDAR)
    assert new is not None
    assert new.due == date(2027, 1, 25)


def test_only_a_running_first_limit_that_has_not_passed_is_extended() -> None:
    rows = walk(("register", MONDAY))
    decide = one(rows, "decide")
    assert extendable(rows, decide.due) == decide
    assert extendable(rows, decide.due + timedelta(days=1)) is None
    assert extendable([], MONDAY) is None
    assert extendable([replace(decide, extended_from=uuid.uuid4())], MONDAY) is None
    assert extendable([replace(decide, met_on=MONDAY)], MONDAY) is None


def test_closing_within_the_extension_meets_it() -> None:
    rows = walk(("register", MONDAY))
    old = one(rows, "decide")
    new = extended(old, date(2027, 1, 20), MONDAY, CALENDAR)
    assert new is not None
    rows = [replace(old, ended_on=MONDAY, reason=clocks.EXTENDED), replace(new, id=uuid.uuid4())]
    rows = after("close", rows, date(2027, 1, 19), facts())
    assert [row.state(MONDAY) for row in rows if row.kind == "decide"] == ["extended", "met"]


# --- limits that belong to no step of the case


def test_gaps_need_a_last_day_within_two_months_and_nothing_else_does() -> None:
    for bad in (None, MONDAY, MONDAY - timedelta(days=1), date(2027, 1, 24)):
        assert day_refused("gaps", bad, MONDAY)
    for good in (MONDAY + timedelta(days=1), date(2027, 1, 23)):
        assert day_refused("gaps", good, MONDAY) is None
    assert day_refused("recusal", MONDAY, MONDAY)
    assert day_refused("recusal", None, MONDAY) is None


def test_a_limit_begins_once_and_is_met_only_while_it_runs() -> None:
    open_case = walk(("register", MONDAY))
    for begins, meets in (("gaps", "gaps_filled"), ("recusal", "recusal_decided")):
        assert mark_refused(begins, []) is not None
        assert mark_refused(meets, open_case) is not None
        assert mark_refused(begins, open_case) is None
        running = after(begins, open_case, MONDAY, facts(), given=MONDAY + timedelta(days=5))
        assert mark_refused(begins, running) is not None
        assert mark_refused(meets, running) is None
        assert mark_refused(meets, after(meets, running, MONDAY, facts())) is not None


def test_an_end_without_decision_may_be_noted_after_the_case_was_closed() -> None:
    closed = walk(("register", MONDAY), ("review", MONDAY), ("close", MONDAY))
    assert mark_refused("end_without_decision", closed) is None
    assert mark_refused("recusal", closed) is not None


# --- properties over all sequences


@st.composite
def histories(draw: st.DrawFn) -> tuple[Facts, list[tuple[str, date]]]:
    filed = draw(st.dates(date(2012, 1, 1), date(2027, 3, 1)))
    closing = datetime.combine(filed, draw(st.times()), ALMATY)
    about = Facts(
        filed,
        max(filed, CALENDAR.register_by(closing)),
        draw(st.sampled_from([None, "criminal", "non_criminal"])),
    )
    steps = draw(st.lists(st.sampled_from(CASE_STEPS + OTHER_STEPS), min_size=1, max_size=14))
    gaps = draw(st.lists(st.integers(0, 12), min_size=len(steps), max_size=len(steps)))
    day, found = filed, []
    for step, gap in zip(steps, gaps, strict=True):
        day += timedelta(days=gap)
        found.append((step, day))
    return about, found


@settings(max_examples=400, deadline=None)
@given(histories())
def test_no_sequence_of_steps_lets_a_limit_vanish(history: tuple[Facts, list[tuple[str, date]]]) -> None:
    about, steps = history
    rows: list[Limit] = []
    for step, day in steps:
        before = {row.id: row for row in rows}
        rows = after(step, rows, day, about, given=day + timedelta(days=5))
        now = {row.id: row for row in rows}
        assert before.keys() <= now.keys()
        for id_, was in before.items():
            after_ = now[id_]
            assert (was.kind, was.started, was.due) == (after_.kind, after_.started, after_.due)
            assert was.running or was == after_  # what ended stays as it ended
        for row in rows:
            assert (row.ended_on is None) == (row.reason is None)
            assert row.met_on is None or row.ended_on is None
            assert row.state(day) in ("running", "overdue", "met", "late", "ended")
        running = [row.kind for row in rows if row.running]
        assert len(running) == len(set(running))
        assert sum(row.kind == "register" for row in rows) == 1
        if step in ("register", "review", "reopen"):
            assert "decide" in running
        if step in LEAVES:
            assert not {"decide", "forward", "return", "register", "gaps", "eu_ack", "eu_feedback"} & set(
                running
            )
        if step == "close":
            assert set(running) <= {"recusal_notice", "end_notice"}


@settings(max_examples=200, deadline=None)
@given(histories())
def test_every_last_day_is_that_of_the_independent_counter(
    history: tuple[Facts, list[tuple[str, date]]],
) -> None:
    about, steps = history
    lengths = {"decide": 15, "forward": 3, "return": 3, "end_notice": 3, "recusal": 3, "recusal_notice": 2}
    for row in walk(*steps, about=about):
        if row.kind in lengths:
            assert row.due == counted(row.started, lengths[row.kind])
        if row.kind == "register":
            assert row.due == about.register_by
        if row.kind == "eu_ack":
            assert (row.due - about.filed_on).days == 7


@settings(max_examples=100, deadline=None)
@given(histories())
def test_a_history_played_at_once_gives_the_same_limits(
    history: tuple[Facts, list[tuple[str, date]]],
) -> None:
    about, steps = history
    known = [(step, day) for step, day in steps if step in CASE_STEPS]
    step_by_step = [replace(row, id=None) for row in walk(*known, about=about)]
    key = lambda row: (row.kind, row.started, row.due, str(row.met_on), str(row.ended_on))  # noqa: E731
    assert sorted(replay(known, CALENDAR, about), key=key) == sorted(step_by_step, key=key)


def test_a_limit_into_a_year_without_data_is_refused() -> None:
    late = date(2027, 12, 20)
    with pytest.raises(NoCalendar):
        changes("register", [], late, CALENDAR, Facts(late, late))


def test_every_rule_names_its_source_and_no_step_is_misspelt() -> None:
    rules = load_rules()
    known = {*CASE_STEPS, *OTHER_STEPS, "filing", "extend", "classify"}
    assert len({rule.kind for rule in rules.rules}) == len(rules.rules)
    for rule in rules.rules:
        assert rule.source in rules.sources
        assert rule.starts | rule.met | set(rule.ended) <= known
        assert rule.starts
        assert (rule.length is None) is (rule.unit in ("registration", "given"))
    with pytest.raises(KeyError):
        rules.find("nothing")


def test_a_limit_that_somebody_sets_needs_a_day() -> None:
    with pytest.raises(ValueError, match="needs a day"):
        changes("gaps", walk(("register", MONDAY)), MONDAY, CALENDAR, facts())
