"""The rules of intake: tables and pure functions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import rules, staff_routes

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STATES = ("received", "registered", "in_review", "closed")
ALLOWED = {
    ("received", "registered"),
    ("registered", "in_review"),
    ("registered", "closed"),
    ("in_review", "closed"),
    ("closed", "in_review"),
}
#: Roles that have no business with reports at all.
OUTSIDERS = {
    *("operator", "custodian", "rewards-officer", "commission", "registrar", "second-registrar"),
    *("auditor", "payments", "certifier"),
}


def test_every_staff_route_has_a_rule_and_every_rule_a_route() -> None:
    assert {route.name for route in staff_routes.router.routes} == set(rules.ACCESS)  # type: ignore[attr-defined]


def test_roles_without_business_here_may_do_nothing() -> None:
    for operation, roles in rules.ACCESS.items():
        assert not roles & OUTSIDERS, operation
    assert rules.ACCESS["publish_directory"] == {"administrator"}
    assert all(
        "administrator" not in roles for name, roles in rules.ACCESS.items() if name != "publish_directory"
    )
    assert "investigator" not in rules.ACCESS["assign_case"]


@pytest.mark.parametrize("state", [*STATES, "unknown"])
@pytest.mark.parametrize("to", [*STATES, "unknown"])
def test_which_state_may_follow_which(state: str, to: str) -> None:
    assert rules.may_follow(state, to) == ((state, to) in ALLOWED)


@pytest.mark.parametrize(
    ("roles", "all_cases"),
    [
        ({"desk"}, True),
        ({"lead"}, True),
        ({"investigator"}, False),
        ({"investigator", "lead"}, True),
        (set(), False),
        ({"administrator"}, False),
    ],
)
def test_only_desk_and_lead_see_every_case(roles: set[str], all_cases: bool) -> None:
    assert rules.sees_all(frozenset(roles)) is all_cases


@pytest.mark.parametrize(
    ("filed", "unknown", "level"),
    [
        (0, 0, 0),
        (99, 0, 0),
        (100, 0, 1),
        (199, 0, 1),
        (200, 0, 2),
        (0, 9, 0),
        (0, 10, 1),
        (90, 1, 1),
        (400, 0, 3),
        (0, 320, 6),
        (10**6, 10**6, 6),
    ],
)
def test_the_level_of_the_proof_of_work(filed: int, unknown: int, level: int) -> None:
    assert rules.challenge_level(filed, unknown) == level


@given(st.integers(0, 50_000), st.integers(0, 5_000), st.integers(0, 1_000), st.integers(0, 100))
def test_more_pressure_never_makes_it_cheaper(filed: int, unknown: int, more: int, wrong: int) -> None:
    level = rules.challenge_level(filed, unknown)
    assert 0 <= level <= rules.challenge_level(filed + more, unknown + wrong) <= 6


def test_a_directory_is_in_force_from_its_first_instant_to_before_its_last() -> None:
    until = NOW + timedelta(days=90)
    instants = [NOW - timedelta(seconds=1), NOW, until - timedelta(seconds=1), until]
    assert [rules.directory_in_force(NOW, until, at) for at in instants] == [False, True, True, False]


@pytest.mark.parametrize(
    ("sequence", "hours", "accepted"),
    [
        (7, 0, True),
        (7, 1000, True),
        (6, 0, True),
        (6, 23, True),
        (6, 24, False),
        (5, 0, False),
        (8, 0, False),
    ],
)
def test_the_directory_before_passes_for_a_while(sequence: int, hours: int, accepted: bool) -> None:
    now, overlap = NOW + timedelta(hours=hours), timedelta(hours=24)
    assert rules.directory_accepted(sequence, 7, NOW, now, overlap) is accepted
