"""API clients: a system gets its scopes for five minutes, never a role, and its secret is seen once."""

import asyncio
from uuid import UUID, uuid4

import pytest

from services.contracts.accounts import Role, Scope
from services.crypto import tokens
from tests.accounts.conftest import Office

pytestmark = pytest.mark.anyio
LIMIT = 10


async def made(office: Office, name: str = "Telephony", *scopes: str) -> tuple[str, str]:
    body = {"name": name, "scopes": list(scopes or ["client:calls"])}
    answer = await office.call("POST", "/clients", body, office.as_administrator())
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.json()["secret"]


async def token(office: Office, client: str, secret: str) -> tuple[int, dict[str, object]]:
    answer = await office.call("POST", "/clients/token", {"client_id": client, "secret": secret})
    return answer.status_code, answer.json()


def test_no_scope_is_a_role():
    assert {scope.value for scope in Scope}.isdisjoint(role.value for role in Role)
    assert all(scope.startswith("client:") for scope in Scope)


async def test_a_client_gets_a_short_token_with_its_scopes(office: Office):
    client, secret = await made(office, "Telephony", "client:messages", "client:calls")
    status, found = await token(office, client, secret)
    assert status == 201
    now = int(office.clock().timestamp())
    claims = tokens.read(str(found["access_token"]), [office.token_key.verify_key], now)
    assert claims == {
        "sub": client,
        "roles": ["client:calls", "client:messages"],
        "iat": now,
        "exp": now + 300,
        "iss": "adal-accounts",
        "stepped": 0,
    }
    assert found["expires_in"] == 300


async def test_a_token_of_a_client_opens_no_route_of_staff(office: Office):
    client, secret = await made(office, "All", *(scope.value for scope in Scope))
    _, found = await token(office, client, secret)
    headers = {"Authorization": f"Bearer {found['access_token']}"}
    for method, path in (("GET", "/me"), ("GET", "/staff"), ("GET", "/clients"), ("POST", "/staff")):
        assert (await office.call(method, path, headers=headers)).status_code == 403


@pytest.mark.parametrize("scope", ["desk", "administrator", "client:", "client:everything"])
async def test_a_scope_outside_the_list_is_refused(office: Office, scope: str):
    body = {"name": "Telephony", "scopes": [scope]}
    assert (await office.call("POST", "/clients", body, office.as_administrator())).status_code == 422


async def test_every_cause_of_refusal_has_one_answer(office: Office):
    client, secret = await made(office)
    closed, closed_secret = await made(office, "Closed")
    await office.call("PUT", f"/clients/{closed}/active", {"active": False}, office.as_administrator())
    answers = [
        await token(office, client, "wrong"),
        await token(office, client, closed_secret),
        await token(office, str(uuid4()), secret),
        await token(office, closed, closed_secret),
    ]
    assert {(status, str(body)) for status, body in answers} == {(401, str(answers[0][1]))}
    assert answers[0][1]["type"] == "urn:adal:problem:client"
    await office.call("PUT", f"/clients/{closed}/active", {"active": True}, office.as_administrator())
    assert (await token(office, closed, closed_secret))[0] == 201


async def test_a_new_secret_makes_the_old_one_void(office: Office):
    client, old = await made(office)
    answer = await office.call("POST", f"/clients/{client}/secret", headers=office.as_administrator())
    assert answer.json()["id"] == client
    assert (await token(office, client, old))[0] == 401
    assert (await token(office, client, answer.json()["secret"]))[0] == 201


@pytest.mark.parametrize("known", [True, False])
async def test_guesses_at_once_are_counted_for_this_client_only(office: Office, known: bool):
    client, secret = await made(office)
    other, other_secret = await made(office, "Another")
    tried = client if known else str(uuid4())
    answers = await asyncio.gather(*(token(office, tried, "wrong") for _ in range(15)))
    assert sorted(status for status, _ in answers) == [401] * LIMIT + [429] * 5
    assert (await token(office, client, secret))[0] == (429 if known else 201)
    assert (await token(office, other, other_secret))[0] == 201


async def test_many_good_tokens_are_no_guesses(office: Office):
    client, secret = await made(office)
    for _ in range(LIMIT + 2):
        assert (await token(office, client, secret))[0] == 201


async def test_names_are_given_once_and_the_list_shows_no_secret(office: Office):
    client, secret = await made(office)
    again = {"name": "Telephony", "scopes": ["client:figures"]}
    assert (await office.call("POST", "/clients", again, office.as_administrator())).status_code == 409
    listed = await office.call("GET", "/clients", headers=office.as_administrator())
    day = f"{office.clock():%Y-%m-%d}"
    line = {"id": client, "name": "Telephony", "scopes": ["client:calls"], "active": True, "created": day}
    assert listed.json() == {"items": [line]}
    assert secret not in listed.text
    ((stored,),) = office.rows("SELECT secret_hash FROM accounts.api_clients")
    assert secret.encode() not in stored
    assert len(stored) == 32


async def test_what_is_not_there_is_not_found(office: Office):
    path = f"/clients/{UUID(int=5)}"
    renewed = await office.call("POST", f"{path}/secret", headers=office.as_administrator())
    closed = await office.call("PUT", f"{path}/active", {"active": False}, office.as_administrator())
    assert (renewed.status_code, closed.status_code) == (404, 404)
