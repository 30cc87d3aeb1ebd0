"""Retention as pure rules, and the whole life of a case: steps, clocks, words, holds, and two people who delete."""

import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.intake import clocks, retention, steps
from services.intake.calendar import add_months
from services.intake.clocks import Limit
from services.intake.retention import Facts, due_for_deletion
from services.intake.step_data import words
from services.intake.steps import Request, Who
from tests.intake.test_calendar import shared

DAY = date(2020, 1, 15)
READ_AND_ANSWERED = Facts("closed", "explained", DAY, DAY, reporter=3, words=3, answer=4, read=4)
FLAGS = [
    reason for reason in retention.REASONS if reason not in ("not_ended", "unread", "unanswered", "not_due")
]


def facts(**changes: Any) -> Facts:
    return Facts(**{**vars(READ_AND_ANSWERED), **changes})


# --- the data


def test_every_end_state_and_outcome_has_a_time_and_says_where_it_is_from() -> None:
    for state in retention.END_STATES:
        for outcome in (None, *(kind.code for kind in words().outcomes)):
            period = retention.period_of(state, outcome)
            assert period is not None
            assert (period.status == "confirmed") == (period.source is not None)
    assert {
        retention.period_of(state, None) for state in steps.STATES if state not in retention.END_STATES
    } == {None}


def test_sources_that_are_named_are_there_and_reasons_are_all_of_them() -> None:
    found = retention.load_retention()
    named = {line.source for line in found.periods} | {line.source for line in found.grounds}
    named -= {None}
    assert named <= set(found.sources)
    assert [reason.code for reason in found.reasons] == list(retention.REASONS)
    assert retention.ground_of(retention.RETENTION) is not None
    assert retention.ground_of("because") is None


def test_an_outcome_without_a_line_of_its_own_takes_that_of_its_state() -> None:
    period = retention.period_of("closed", "an-outcome-of-tomorrow")
    assert period is not None
    assert period.outcome is None


# --- the decision


def test_a_case_that_was_read_and_answered_goes_on_the_day_its_time_is_over() -> None:
    found = due_for_deletion(READ_AND_ANSWERED)
    assert found.reasons == ()
    assert found.due == add_months(DAY, 12)
    assert found.against("retention", found.due - timedelta(days=1)) == ("not_due",)
    assert found.against("retention", found.due) == ()
    assert found.against("court_order", DAY) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"read": 2}, "unread"),
        ({"answer": 2}, "unanswered"),
        ({"answer": -1}, "unanswered"),
        ({"state": "in_review"}, "not_ended"),
        ({"state": "investigation"}, "not_ended"),
        *(({"flags": frozenset({flag})}, flag) for flag in FLAGS),
    ],
)
@pytest.mark.parametrize("ground", ["retention", "erasure_request", "court_order"])
def test_no_ground_passes(changes: dict[str, Any], reason: str, ground: str) -> None:
    found = due_for_deletion(facts(**changes)).against(ground, DAY + timedelta(days=36_500))
    assert reason in found


@given(st.integers(0, 900))
def test_whatever_is_written_after_the_end_begins_the_time_anew(days: int) -> None:
    heard = DAY + timedelta(days=days)
    assert due_for_deletion(facts(heard=heard)).due == add_months(heard, 12)


@given(
    st.integers(-1, 9), st.integers(-1, 9), st.integers(-1, 9), st.integers(-1, 9),
    st.sampled_from(steps.STATES), st.frozensets(st.sampled_from(FLAGS)),
)  # fmt: skip
def test_nothing_unread_or_unanswered_is_ever_let_go(
    reporter: int, said: int, answer: int, read: int, state: str, flags: frozenset[str]
) -> None:
    one = facts(state=state, reporter=reporter, words=said, answer=answer, read=read, flags=flags)
    free = due_for_deletion(one).against("court_order", DAY) == ()
    assert free == (state in retention.END_STATES and read >= reporter and answer >= said and not flags)


# --- who


def test_four_eyes() -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    assert retention.may_approve(one, other, {"lead"})
    assert not retention.may_approve(one, one, {"lead"})
    assert not retention.may_approve(one, other, {"desk", "investigator"})
    assert retention.may_refuse(one, other, {"lead"})
    assert retention.may_refuse(one, one, {"desk"})
    assert not retention.may_refuse(one, other, {"desk"})


@pytest.mark.parametrize(
    ("held", "keys", "may"),
    [
        ([0], [0], True),
        ([0], [0, 4], False),
        ([4], [0, 4], False),
        ([0, 9], [0, 4, 9], True),
        ([], [0], False),
    ],
)
def test_reading_takes_the_first_and_the_newest_key(held: list[int], keys: list[int], may: bool) -> None:
    assert retention.may_confirm_read(held, keys) is may


# --- the whole machine


CALENDAR = shared()
PEOPLE = [uuid.UUID(int=number) for number in range(1, 4)]
LAST_DAY = date(2027, 3, 1)
#: What each step needs, so that a sequence gets somewhere; the rules still decide.
NEEDS: dict[str, dict[str, Any]] = {
    "forward": {"body": "parliament", "notice": True},
    "return": {"ground": "obscene_or_insulting", "notice": True},
    "close": {"outcome": "explained"},
    "reopen": {"notice": True},
}


class Life(RuleBasedStateMachine):
    """Everything that may happen to one case, in any order; what was seen and answered is kept apart from the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.day, self.filed, self.state = DAY, DAY, steps.RECEIVED
        self.classified: list[tuple[str, uuid.UUID]] = []
        self.limits: list[Limit] = []
        self.begun = 0
        self.parts: list[tuple[str, date]] = [("reporter", DAY)]
        self.read, self.ended, self.held = -1, DAY, False
        self.outcome: str | None = None
        self.proposal: tuple[uuid.UUID, str, int] | None = None
        self.gone: tuple[uuid.UUID, uuid.UUID] | None = None
        self.seen: set[int] = set()
        self.unanswered = True

    # --- what happens

    @precondition(lambda self: self.gone is None)
    @rule(step=st.sampled_from(sorted(steps.STEPS)), who=st.sampled_from(PEOPLE), classification=st.sampled_from(
        [None, "criminal", "non_criminal"]))  # fmt: skip
    def step(self, step: str, who: uuid.UUID, classification: str | None) -> None:
        takes = steps.STEPS[step].takes
        found = classification if "classification" in takes else None
        asked = Request(step, classification=found, **NEEDS.get(step, {}))
        if steps.refusals(self._case(), Who(who, frozenset({"lead"})), asked):
            return
        if found:
            self.classified.append((found, who))
        self._clocks(step)
        self.state, self.ended = steps.STEPS[step].to, self.day
        self.outcome = asked.outcome
        if asked.notice or asked.outcome:
            self._say("desk")

    @precondition(lambda self: self.gone is None)
    @rule()
    def reporter_writes(self) -> None:
        self._say("reporter")

    @precondition(lambda self: self.gone is None)
    @rule()
    def desk_answers(self) -> None:
        self._say("desk")

    @precondition(lambda self: self.gone is None)
    @rule()
    def somebody_reads(self) -> None:
        self.read = len(self.parts) - 1
        self.seen |= set(range(len(self.parts)))

    @rule(days=st.integers(1, 300))
    def time_passes(self, days: int) -> None:
        self.day = min(LAST_DAY, self.day + timedelta(days=days))

    @precondition(lambda self: self.gone is None)
    @rule(held=st.booleans())
    def hold(self, held: bool) -> None:
        self.held = held

    @precondition(lambda self: self.gone is None)
    @rule(who=st.sampled_from(PEOPLE), ground=st.sampled_from(["retention", "court_order"]))
    def propose(self, who: uuid.UUID, ground: str) -> None:
        if self.proposal is None and not self._decision().against(ground, self.day):
            self.proposal = (who, ground, len(self.parts))

    @precondition(lambda self: self.proposal is not None)
    @rule()
    def refuse(self) -> None:
        self.proposal = None

    @precondition(lambda self: self.proposal is not None and self.gone is None)
    @rule(who=st.sampled_from(PEOPLE))
    def approve(self, who: uuid.UUID) -> None:
        assert self.proposal is not None
        by, ground, parts = self.proposal
        if not retention.may_approve(by, who, {"lead"}) or parts != len(self.parts):
            return
        if not self._decision().against(ground, self.day):
            self.gone = (by, who)
            self._may_go(ground)

    # --- what must hold

    def _may_go(self, ground: str) -> None:
        written = {i for i, (author, _) in enumerate(self.parts) if author == "reporter"}
        assert written <= self.seen, "a part of the reporter was deleted unread"
        assert not self.unanswered, "the reporter's last words were not answered"
        assert self.state in ("returned", "forwarded", "closed")
        assert all(limit.met_on or limit.ended_on for limit in self.limits), "a clock ran"
        assert not self.held
        assert ground != "retention" or self.day >= add_months(self.ended, 12)

    @invariant()
    def two_people(self) -> None:
        assert self.gone is None or self.gone[0] != self.gone[1]

    @invariant()
    def no_clock_vanishes(self) -> None:
        assert len(self.limits) == self.begun
        assert all(limit.running or limit.met_on or limit.reason for limit in self.limits)

    # --- inside

    def _case(self) -> steps.Facts:
        last = self.classified[-1] if self.classified else (None, None)
        ever = any(found == "criminal" for found, _ in self.classified)
        return steps.Facts(self.state, "service-complaint", last[0], last[1], last[0] and "lead", ever)

    def _clocks(self, step: str) -> None:
        last = self.classified[-1][0] if self.classified else None
        facts_now = clocks.Facts(self.filed, CALENDAR.on_or_after(self.filed), last)
        keyed = [Limit(**{**vars(limit), "id": uuid.UUID(int=i)}) for i, limit in enumerate(self.limits)]
        found = clocks.changes(step, keyed, self.day, CALENDAR, facts_now)
        for limit in found.changed:
            assert limit.id is not None
            keyed[limit.id.int] = limit
        self.limits = [*keyed, *found.new]
        self.begun += len(found.new)

    def _say(self, author: str) -> None:
        self.parts.append((author, self.day))
        self.unanswered = author == "reporter"

    def _decision(self) -> retention.Decision:
        numbers = {author: max((i for i, (by, _) in enumerate(self.parts) if by == author), default=-1)
                   for author in ("reporter", "desk")}  # fmt: skip
        flags = {"clock_runs": any(limit.running for limit in self.limits), "held": self.held}
        return due_for_deletion(
            Facts(
                self.state, self.outcome, self.ended, self.parts[-1][1], numbers["reporter"], numbers["reporter"],
                numbers["desk"], self.read, frozenset(name for name, holds in flags.items() if holds),
            )
        )  # fmt: skip


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase


@pytest.mark.parametrize("end", ["close", "forward", "return"])
def test_the_machine_can_reach_a_deletion(end: str) -> None:
    """Otherwise the machine above would prove nothing."""
    life = Life()
    life.step("register", PEOPLE[0], None)
    life.step(end, PEOPLE[0], None)
    life.propose(PEOPLE[0], "court_order")
    assert life.proposal is None, "not read yet"
    life.somebody_reads()
    assert life._decision().reasons == ()
    life.propose(PEOPLE[0], "court_order")
    life.approve(PEOPLE[0])
    assert life.gone is None
    life.approve(PEOPLE[1])
    assert life.gone == (PEOPLE[0], PEOPLE[1])
