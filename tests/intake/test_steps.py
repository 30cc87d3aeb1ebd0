"""The table of steps: every state, step, role and set of facts, compared with a table written apart."""

import itertools
import json
from dataclasses import replace
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.steps import FINAL_ACTS
from services.contracts.accounts import Role
from services.crypto.outcomes import GRAVITIES
from services.intake import step_data, steps
from services.intake.dated import REFERENCE
from services.intake.form import load_form
from services.intake.steps import Facts, Refusal, Request, Who, refusals

A, B, C = (uuid5(UUID(int=0), name) for name in "abc")
CRIME, COMPLAINT = "bribe-taking", "service-complaint"
#: state -> step -> state, by hand.
TABLE = {
    "received": {"register": "registered"},
    "registered": {
        "review": "in_review", "forward": "forwarded", "return": "returned", "investigate": "investigation",
        "close": "closed",
    },
    "in_review": {
        "forward": "forwarded", "return": "returned", "investigate": "investigation", "close": "closed",
    },
    "investigation": {"forward": "forwarded", "close": "closed"},
    "forwarded": {"close": "closed", "reopen": "in_review"},
    "returned": {"reopen": "in_review"},
    "closed": {"reopen": "in_review"},
}  # fmt: skip
MAY = {
    "register": {"desk", "lead"}, "review": {"desk", "lead", "investigator"},
    "forward": {"desk", "lead", "investigator"}, "return": {"desk", "lead"},
    "investigate": {"desk", "lead", "investigator"}, "close": {"desk", "lead", "investigator"}, "reopen": {"lead"},
}  # fmt: skip
#: What makes each step whole.
WHOLE = {
    "register": Request("register"),
    "review": Request("review"),
    "forward": Request("forward", body="akimat", notice=True),
    "return": Request("return", ground="same_matter_ended", notice=True),
    "investigate": Request("investigate"),
    "close": Request("close", outcome="explained"),
    "reopen": Request("reopen", notice=True),
}
#: A case that no rule about crimes stops.
EASY = Facts("registered", COMPLAINT)


def who(*roles: str, person: UUID = A) -> Who:
    return Who(person, frozenset(roles))


def easy(step: str, state: str) -> Facts:
    return replace(EASY, state=state, classification="criminal" if step == "investigate" else None)


def kinds(found: list[Refusal]) -> set[str]:
    return {refusal.kind for refusal in found}


@pytest.mark.parametrize("state", steps.STATES)
@pytest.mark.parametrize("step", WHOLE)
def test_a_step_leads_from_the_states_of_the_table_and_from_no_other(state: str, step: str) -> None:
    found = refusals(easy(step, state), who("lead"), WHOLE[step])
    assert kinds(found) == (set() if step in TABLE[state] else {"state"})
    if step in TABLE[state]:
        assert steps.STEPS[step].to == TABLE[state][step]
    assert steps.reachable(state) == set(TABLE[state])


@pytest.mark.parametrize("step", WHOLE)
@pytest.mark.parametrize("role", Role)
def test_a_step_is_taken_by_its_roles_and_by_nobody_else(step: str, role: str) -> None:
    state = next(state for state, found in TABLE.items() if step in found)
    found = refusals(easy(step, state), who(str(role)), WHOLE[step])
    assert kinds(found) == (set() if role in MAY[step] else {"role"})
    assert refusals(easy(step, state), who(), WHOLE[step])


def test_a_step_of_no_table_is_refused() -> None:
    assert [one.pointer for one in refusals(EASY, who("lead"), Request("erase"))] == ["/step"]


MEMBERS: dict[str, dict[str, object]] = {
    "ground": {"ground": "same_matter_ended"}, "body": {"body": "akimat"}, "notice": {"notice": True},
    "classification": {"classification": "criminal"}, "outcome": {"outcome": "explained"},
    "events": {"events": frozenset({"rewards"})},
}  # fmt: skip


@pytest.mark.parametrize("step", WHOLE)
def test_a_step_has_what_it_needs_and_nothing_else(step: str) -> None:
    state = next(state for state, found in TABLE.items() if step in found)
    line = steps.STEPS[step]
    for size in range(len(MEMBERS) + 1):
        for names in itertools.combinations(MEMBERS, size):
            asked = Request(step, **{k: v for name in names for k, v in MEMBERS[name].items()})  # type: ignore[arg-type]
            found = refusals(easy(step, state), who("lead"), asked)
            whole = line.needs <= set(names) <= line.needs | line.takes
            if step == "close" and "events" in names:
                whole = False  # an explanation has no final act
            assert (not found) == whole, names
            assert kinds(found) <= {"field"}


@pytest.mark.parametrize(
    ("step", "change", "pointer"),
    [
        ("forward", {"body": "nowhere"}, "/body"),
        ("return", {"ground": "too_long"}, "/ground"),
        ("register", {"classification": "worse"}, "/classification"),
        ("close", {"outcome": "vanished"}, "/outcome/kind"),
    ],
)
def test_a_code_of_no_list_is_refused(step: str, change: dict[str, str], pointer: str) -> None:
    state = next(state for state, found in TABLE.items() if step in found)
    found = refusals(easy(step, state), who("lead"), replace(WHOLE[step], **change))  # type: ignore[arg-type]
    assert [(one.kind, one.pointer) for one in found] == [("field", pointer)]


def test_only_the_desk_says_with_a_step_whether_a_case_is_criminal() -> None:
    asked = Request("review", classification="criminal")
    assert kinds(refusals(EASY, who("investigator"), asked)) == {"role"}
    assert not refusals(EASY, who("investigator", "desk"), asked)


# --- the time for filling gaps


@pytest.mark.parametrize("ran_out", [True, False])
def test_only_a_time_that_has_run_out_is_a_ground_of_a_return(ran_out: bool) -> None:
    facts = replace(easy("return", "registered"), gaps_ran_out=ran_out)
    asked = replace(WHOLE["return"], ground=steps.GAPS_RAN_OUT)
    assert kinds(refusals(facts, who("desk"), asked)) == (set() if ran_out else {"state"})
    assert refusals(facts, who("desk"), WHOLE["return"]) == [], "other grounds ask for no time"


# --- crimes are not returned


@pytest.mark.parametrize("category", [CRIME, COMPLAINT, "unsure", "of no list"])
@pytest.mark.parametrize("classification", [None, "criminal", "non_criminal"])
@pytest.mark.parametrize("role", ["desk", "lead"])
@pytest.mark.parametrize("by", [A, B])
@pytest.mark.parametrize("ever", [False, True])
def test_when_a_report_may_be_returned(
    category: str, classification: str | None, role: str, by: UUID, ever: bool
) -> None:
    facts = Facts("in_review", category, classification, by, role, ever or classification == "criminal")
    found = refusals(facts, who("desk", person=A), WHOLE["return"])
    if classification == "criminal":
        allowed = False
    elif category == COMPLAINT and not ever:
        allowed = True
    else:
        allowed = classification == "non_criminal" and role == "lead" and by != A
    assert kinds(found) == (set() if allowed else {"state"})


@pytest.mark.parametrize("asked", [None, "criminal", "non_criminal"])
@pytest.mark.parametrize("known", [None, "criminal", "non_criminal"])
def test_an_investigation_is_of_a_criminal_case(asked: str | None, known: str | None) -> None:
    facts = replace(EASY, classification=known)
    found = refusals(facts, who("desk"), Request("investigate", classification=asked))
    assert (not found) == ((asked or known) == "criminal")


# --- who is told of an outcome


@pytest.mark.parametrize("kind", [kind.code for kind in step_data.words().outcomes])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(
    "sent",
    [set(), {"rewards"}, {"registry"}, {"rewards", "registry"}],
    ids=["none", "rewards", "registry", "both"],
)
def test_rewards_is_told_of_a_final_act_and_of_what_corrects_it(
    kind: str, told: bool, sent: set[str]
) -> None:
    asked = Request("close", outcome=kind, events=frozenset(sent))
    found = refusals(replace(EASY, told=told), who("desk"), asked)
    tellable = told or kind in {"convicted", "administrative"}
    assert (not found) == ("rewards" in sent if tellable else not sent)


@pytest.mark.parametrize("step", ["forward", "return", "reopen"])
def test_while_the_code_is_in_doubt_no_message_is_asked_for_and_none_is_taken(step: str) -> None:
    state = next(state for state, found in TABLE.items() if step in found)
    facts = replace(easy(step, state), unreachable=True)
    assert not refusals(facts, who("lead"), replace(WHOLE[step], notice=False))
    assert [one.pointer for one in refusals(facts, who("lead"), WHOLE[step])] == ["/notice"]


# --- whole lives of a case

PEOPLE = {A: "desk", B: "lead", C: "investigator"}
moves = st.tuples(
    st.sampled_from([*WHOLE, "classify"]),
    st.sampled_from([*PEOPLE]),
    st.sampled_from([*steps.CLASSIFICATIONS]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(moves, max_size=30), st.sampled_from([CRIME, COMPLAINT, "unsure"]))
def test_no_sequence_leaves_the_table_or_returns_a_crime_on_one_word(
    life: list[tuple[str, UUID, str]], category: str
) -> None:
    facts, found = Facts("received", category), list[tuple[str, UUID]]()
    for step, person, said in life:
        if step == "classify":
            if PEOPLE[person] != "investigator" and facts.state not in ("returned", "closed"):
                facts = replace(
                    facts, classification=said, classified_by=person, classified_as=PEOPLE[person],
                    ever_criminal=facts.ever_criminal or said == "criminal",
                )  # fmt: skip
                found.append((said, person))
            continue
        if refusals(facts, who(PEOPLE[person], person=person), WHOLE[step]):
            continue
        assert PEOPLE[person] in MAY[step]
        assert step in TABLE[facts.state]
        if step == "return" and (category != COMPLAINT or ("criminal" in {said for said, _ in found})):
            last, by = found[-1]
            assert (last, PEOPLE[by]) == ("non_criminal", "lead")
            assert by != person
        facts = replace(facts, state=TABLE[facts.state][step])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*WHOLE]), max_size=20))
def test_what_ended_begins_again_only_through_a_lead(life: list[str]) -> None:
    state = "received"
    for step in life:
        if not refusals(easy(step, state), who("desk", "investigator"), WHOLE[step]):
            assert state not in {"closed", "returned"}
            state = steps.STEPS[step].to


# --- the data


def test_every_category_of_the_form_says_whether_it_tells_of_a_crime() -> None:
    listed = [line.code for line in step_data.crimes().categories]
    assert sorted(listed) == sorted(item.code for item in load_form().lists["categories"].items)
    assert [code for code in listed if not step_data.tells_of_crime(code)] == [COMPLAINT]
    assert step_data.tells_of_crime("of no list")


def test_the_words_are_those_of_the_rules_the_format_and_the_client() -> None:
    words = step_data.words()
    assert [word.code for word in words.states] == list(steps.STATES)
    assert [word.code for word in words.steps] == list(steps.STEPS)
    assert [word.code for word in words.classifications] == list(steps.CLASSIFICATIONS)
    assert tuple(word.code for word in words.gravities) == GRAVITIES
    assert {kind.code for kind in words.outcomes if kind.final_act} == FINAL_ACTS


@pytest.mark.parametrize("name", ["words", "crimes"])
def test_every_line_of_the_data_names_its_source_or_says_that_it_is_ours(name: str) -> None:
    found = json.loads((REFERENCE / "steps" / f"{name}.json").read_text(encoding="utf-8"))
    lines = [line for value in found.values() if isinstance(value, list) for line in value]
    assert lines
    for line in lines:
        assert line["source"] in found["sources"] or (line["source"], line["status"]) == (None, "ours"), line[
            "code"
        ]


def test_the_law_of_a_step_is_confirmed_or_says_that_it_is_ours() -> None:
    for step in steps.STEPS.values():
        assert (step.law.source is None) == (step.law.status == "ours"), step.code
        assert step.law.source in {None, *step_data.words().sources}
