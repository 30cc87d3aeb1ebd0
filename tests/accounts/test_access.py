"""Who may call what: every route with every role, denied by default."""

import asyncio
from collections.abc import Collection

import pytest
from fastapi.routing import APIRoute

from services.accounts import (
    admin_routes,
    client_routes,
    keys_routes,
    me_routes,
    routes,
    rules,
    sign_on_routes,
    staff_routes,
)
from services.contracts.accounts import Role
from services.kit import staff
from tests.accounts.conftest import Office

pytestmark = pytest.mark.anyio

SOMEBODY = "00000000-0000-4000-8000-000000000001"
#: Each staff route with a request that its rule decides: allowed callers get an answer that is not 401 or 403.
CALLS = {
    "read_me": ("GET", "/me"),
    "store_my_key": ("PUT", "/me/key"),
    "list_staff": ("GET", "/staff"),
    "add_staff": ("POST", "/staff"),
    "store_certificate": ("PUT", f"/staff/{SOMEBODY}/certificate"),
    "store_group_key": ("PUT", f"/staff/{SOMEBODY}/group-keys/central/2026-11"),
    "read_staff_keys": ("GET", f"/staff/{SOMEBODY}/keys"),
    "propose_certificate": ("POST", f"/staff/{SOMEBODY}/certificates/pending"),
    "complete_certificate": ("POST", f"/staff/{SOMEBODY}/certificates"),
    "keep_my_group_key": ("PUT", "/me/group-keys/central/2026-11"),
    "drop_my_group_key": ("DELETE", "/me/group-keys/central/2026-11"),
    "destroy_group_key": ("DELETE", "/group-keys/central/2026-11"),
    "store_split": ("PUT", "/split-keys/seat-1/2026H2"),
    "list_splits": ("GET", "/split-keys"),
    "release_share": ("PUT", "/released-shares/seat-1/2026H2"),
    "list_passkeys": ("GET", "/me/passkeys"),
    "start_passkey": ("POST", "/me/passkeys/challenges"),
    "add_passkey": ("POST", "/me/passkeys"),
    "remove_passkey": ("DELETE", f"/me/passkeys/{SOMEBODY}"),
    "renew_recovery_codes": ("POST", "/me/recovery-codes"),
    "renew_second_factor": ("POST", "/me/second-factor"),
    "change_roles": ("PUT", f"/staff/{SOMEBODY}/roles"),
    "set_active": ("PUT", f"/staff/{SOMEBODY}/active"),
    "renew_enrolment": ("POST", f"/staff/{SOMEBODY}/enrolment"),
    "end_sessions": ("DELETE", f"/staff/{SOMEBODY}/sessions"),
    "leave_staff": ("POST", f"/staff/{SOMEBODY}/leave"),
    "link_external_subject": ("PUT", f"/staff/{SOMEBODY}/external-subject"),
    "unlink_external_subject": ("DELETE", f"/staff/{SOMEBODY}/external-subject"),
    "list_clients": ("GET", "/clients"),
    "add_client": ("POST", "/clients"),
    "renew_client_secret": ("POST", f"/clients/{SOMEBODY}/secret"),
    "set_client_active": ("PUT", f"/clients/{SOMEBODY}/active"),
}
ADMINISTRATION = (
    *("add_staff", "store_certificate", "change_roles", "set_active", "renew_enrolment", "end_sessions"),
    *("link_external_subject", "unlink_external_subject"),
    *("leave_staff", "list_clients", "add_client", "renew_client_secret", "set_client_active"),
)
ONESELF = (
    *("read_me", "store_my_key", "list_passkeys", "start_passkey", "add_passkey", "remove_passkey"),
    *("renew_recovery_codes", "renew_second_factor", "keep_my_group_key", "drop_my_group_key"),
    *("store_split", "list_splits", "release_share"),
)
_GIVERS = {"administrator", "lead", "desk", "custodian", "payments"}
#: The API document, written again by hand.
ALLOWED: dict[str, Collection[str]] = {
    **dict.fromkeys(ONESELF, frozenset(Role)),
    **dict.fromkeys(ADMINISTRATION, ("administrator",)),
    "list_staff": {"desk", "lead", "administrator", "auditor", "certifier"},
    "store_group_key": _GIVERS,
    "read_staff_keys": set(Role),
    "propose_certificate": {"certifier"},
    "complete_certificate": {"certifier"},
    "destroy_group_key": {"lead"},
}
#: Routes before sign-in, and those of a session, which ask for its secret instead of a token.
WITHOUT_TOKEN = {
    *("sign_in", "start_sign_in", "enrol", "client_token"),
    *("begin_sign_on", "challenge_sign_on", "finish_sign_on"),
    *("renew_token", "sign_out", "list_sessions", "end_session", "end_other_sessions"),
    *("start_step_up", "step_up"),
}
ROUTERS = (
    *(routes.router, staff_routes.router, me_routes.router, admin_routes.router),
    *(client_routes.router, keys_routes.router, sign_on_routes.router),
)


def all_routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def asks_for_staff(route: APIRoute) -> bool:
    pending = list(route.dependant.dependencies)
    while pending:
        dependant = pending.pop()
        if dependant.call is staff.caller:
            return True
        pending += dependant.dependencies
    return False


def test_every_staff_route_asks_for_a_token_and_has_a_rule():
    staffed = {route.name for route in all_routes() if asks_for_staff(route)}
    assert staffed == set(rules.ACCESS) == set(CALLS) == set(ALLOWED)


def test_no_other_route_exists_than_those_before_sign_in_and_of_a_session():
    assert {route.name for route in all_routes() if not asks_for_staff(route)} == WITHOUT_TOKEN


async def test_the_routers_are_all_there_is(office: Office):
    paths = (await office.client.get("/api/accounts/v1/openapi.json")).json()["paths"]
    served = {found["operationId"] for path in paths.values() for found in path.values()}
    assert served == {route.name for route in all_routes()}


async def test_session_routes_take_no_access_token(office: Office):
    for method, path in (
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("DELETE", f"/sessions/{SOMEBODY}"),
        ("DELETE", "/sessions/current"),
        ("POST", "/sessions/current/token"),
        ("POST", "/sessions/current/challenges"),
        ("POST", "/sessions/current/step-up"),
    ):
        for headers in ({}, office.as_administrator(), {"Authorization": "Session x"}):
            assert (await office.call(method, path, {}, headers)).status_code == 401, path


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_may_call_exactly_its_routes(office: Office, role: Role):
    who = await office.add(role)
    headers = office.bearer(who.id, [role])
    for name, (method, path) in CALLS.items():
        status = (await office.call(method, path, headers=headers)).status_code
        assert (status != 403) == (role in ALLOWED[name]), (name, status)
        assert status != 401


async def test_nobody_gets_in_without_a_good_token(office: Office):
    desk = await office.add("administrator")
    good = office.bearer(desk.id, ["administrator"])["Authorization"]
    headers = ["", "Bearer", "Bearer x", good[:-1], good + "A", good.replace("Bearer", "Session"), good[7:]]
    for method, path in CALLS.values():
        answers = await asyncio.gather(
            *(office.call(method, path, headers={"Authorization": header}) for header in headers),
            office.call(method, path),
        )
        assert {answer.status_code for answer in answers} == {401}
    office.clock.forward(seconds=300)
    for method, path in CALLS.values():
        assert (await office.call(method, path, headers={"Authorization": good})).status_code == 401


async def test_a_role_that_nobody_knows_may_nothing(office: Office):
    desk = await office.add("desk")
    for method, path in CALLS.values():
        for claimed in (["root"], []):
            answer = await office.call(method, path, headers=office.bearer(desk.id, claimed))
            assert answer.status_code == 403


async def test_a_route_without_a_rule_is_closed(office: Office):
    office.app.state.access = {}
    for method, path in CALLS.values():
        assert (await office.call(method, path, headers=office.as_administrator())).status_code == 403


async def test_a_token_with_roles_that_were_taken_away_opens_nothing_here(office: Office):
    old = await office.add("administrator")
    headers = office.bearer(old.id, ["administrator"])
    body = {"login": "accomplice", "name": "A", "roles": ["desk"]}
    office.change("UPDATE accounts.people SET roles = '{operator}' WHERE id = %s", old.id)
    assert (await office.call("POST", "/staff", body, headers)).status_code == 403
    office.change("UPDATE accounts.people SET active = false WHERE id = %s", old.id)
    assert (await office.call("POST", "/staff", body, headers)).status_code == 401
    assert (await office.call("GET", "/me", headers=headers)).status_code == 401
    assert office.rows("SELECT count(*) FROM accounts.people WHERE login = 'accomplice'") == [(0,)]


async def test_a_role_given_since_the_token_was_issued_needs_a_new_token(office: Office):
    operator = await office.add("operator")
    headers = office.bearer(operator.id, ["operator"])
    office.change("UPDATE accounts.people SET roles = '{administrator}' WHERE id = %s", operator.id)
    assert (await office.call("GET", "/staff", headers=headers)).status_code == 403


async def test_what_is_refused_is_not_read(office: Office):
    desk = await office.add("desk")
    answer = await office.call("POST", "/staff", {"nonsense": 1}, office.bearer(desk.id, ["desk"]))
    assert answer.status_code == 403
    assert (await office.call("POST", "/staff", {"nonsense": 1})).status_code == 401


async def test_a_stranger_is_not_found_and_somebody_who_left_neither(office: Office):
    gone = await office.add("desk")
    office.change("UPDATE accounts.people SET active = false WHERE id = %s", gone.id)
    for person in (SOMEBODY, str(gone.id)):
        for path in (f"/staff/{person}/certificate", f"/staff/{person}/group-keys/central/2026-11"):
            answer = await office.call("PUT", path, {"data": ""}, office.as_administrator())
            assert answer.status_code == 404
