"""The rules of intake: tables and pure functions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import (
    access_routes,
    call_routes,
    clock_routes,
    custody_routes,
    folder_routes,
    keys_routes,
    protection_routes,
    retention_routes,
    rules,
    staff_routes,
    step_routes,
    triage_routes,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
#: Roles that have no business with cases, and the little that some of them do here all the same.
OUTSIDERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("rewards-officer", "commission", "payments"), frozenset()),
    "operator": frozenset({
        "read_call_reference", "register_call", "read_call_figures", "look_up_status", "report_code_used",
    }),
    **dict.fromkeys(("registrar", "second-registrar"), frozenset()),
    "custodian": frozenset({
        "read_custody_reference", "list_identity_requests", "read_identity_request", "decide_identity_request",
        "read_identity_share", "release_identity_share",
    }),
    "auditor": frozenset({
        "read_custody_reference", "list_identity_requests", "list_undertakings", "list_disclosures",
        "list_deletions", "read_retention_reference",
        "read_deadline_figures",
    }),
    "certifier": frozenset({"log_certificate"}),
    "administrator": frozenset({"publish_directory"}),
}  # fmt: skip
STAFF_ROUTERS = (
    staff_routes,
    access_routes,
    call_routes,
    clock_routes,
    custody_routes,
    folder_routes,
    keys_routes,
    protection_routes,
    retention_routes,
    step_routes,
    triage_routes,
)


def test_every_staff_route_has_a_rule_and_every_rule_a_route() -> None:
    routes = {route.name for module in STAFF_ROUTERS for route in module.router.routes}
    assert routes == set(rules.ACCESS)


@pytest.mark.parametrize("role", OUTSIDERS)
def test_roles_without_business_here_may_do_no_more_than_this(role: str) -> None:
    assert {name for name, roles in rules.ACCESS.items() if role in roles} == OUTSIDERS[role]


def test_who_reads_a_case_does_not_hand_it_on() -> None:
    assert "investigator" not in rules.ACCESS["assign_case"] | rules.ACCESS["end_access"]


def test_what_opens_an_identity_needs_a_fresh_proof_of_oneself() -> None:
    assert set(rules.ACCESS) >= rules.STEP_UP
    assert {"decide_identity_request", "release_identity_share", "open_identity"} <= rules.STEP_UP


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


# --- who can read a case


@pytest.mark.parametrize(
    ("roles", "missing", "desk_keeps"),
    [
        ([], False, True),
        (["lead"], False, True),
        (["lead", "lead"], False, True),
        (["investigator"], True, False),
        (["investigator", "investigator"], True, False),
        (["investigator", "lead"], False, False),
    ],
)
def test_an_investigator_needs_a_lead_and_takes_the_key_from_the_desk(
    roles: list[str], missing: bool, desk_keeps: bool
) -> None:
    assert rules.lead_missing(roles) is missing
    assert rules.desk_keeps_grant(roles) is desk_keeps


@pytest.mark.parametrize(
    ("given", "known", "enough"),
    [
        ([0], [0], True),
        ([0, 4], [0, 4], True),
        ([4, 0], [0, 2, 4], True),
        ([0], [0, 1], False),
        ([1], [0, 1], False),
        ([0, 2], [0, 1], False),
        ([0, 1, 1], [0, 1], False),
        ([], [0], False),
    ],
)
def test_a_new_assignee_gets_the_first_and_the_newest_key(
    given: list[int], known: list[int], enough: bool
) -> None:
    assert rules.keys_given(given, known) is enough
