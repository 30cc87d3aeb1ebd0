"""Who may call what: every route with every role, denied by default."""

import asyncio
from collections.abc import Collection, Iterable

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from services.accounts import routes, rules, staff_routes
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
}
#: The API document, written again by hand.
ALLOWED: dict[str, Collection[str]] = {
    "read_me": set(Role),
    "store_my_key": set(Role),
    "list_staff": {"desk", "lead", "administrator", "auditor"},
    "add_staff": {"administrator"},
    "store_certificate": {"administrator"},
    "store_group_key": {"administrator", "lead", "desk"},
}
WITHOUT_TOKEN = {"sign_in", "renew_token", "sign_out", "enrol"}


def names(found: Iterable[BaseRoute]) -> set[str]:
    return {route.name for route in found if isinstance(route, APIRoute)}


def asks_for_staff(route: APIRoute) -> bool:
    pending = list(route.dependant.dependencies)
    while pending:
        dependant = pending.pop()
        if dependant.call is staff.caller:
            return True
        pending += dependant.dependencies
    return False


def test_every_staff_route_asks_for_a_token_and_has_a_rule():
    assert names(staff_routes.router.routes) == set(rules.ACCESS) == set(CALLS) == set(ALLOWED)
    assert all(asks_for_staff(route) for route in staff_routes.router.routes if isinstance(route, APIRoute))


def test_no_other_route_exists_than_those_before_sign_in():
    assert names(routes.router.routes) == WITHOUT_TOKEN


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
