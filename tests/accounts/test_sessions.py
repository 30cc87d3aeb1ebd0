"""Sessions: what renews a token, and what ends it."""

from datetime import timedelta

import pytest

from services.crypto import tokens
from tests.accounts.conftest import BASE, START, Colleague, Office

pytestmark = pytest.mark.anyio


async def session_of(office: Office, who: Colleague) -> dict[str, str]:
    answer = await office.sign_in(who)
    return {"Authorization": f"Session {answer.json()['session']}"}


async def renew(office: Office, session: dict[str, str]) -> int:
    return (await office.call("POST", "/sessions/current/token", headers=session)).status_code


async def test_a_session_renews_its_token_and_the_new_token_opens_the_account(office: Office):
    desk = await office.enrolled("desk")
    session = await session_of(office, desk)
    office.clock.forward(hours=6)
    answer = await office.call("POST", "/sessions/current/token", {}, session)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "expires_in"}
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await office.call("GET", "/me", headers=bearer)).json()["login"] == desk.login


async def test_roles_are_read_anew_at_every_renewal(office: Office):
    desk = await office.enrolled("desk")
    session = await session_of(office, desk)
    office.change("UPDATE accounts.people SET roles = '{lead,operator}' WHERE id = %s", desk.id)
    answer = await office.call("POST", "/sessions/current/token", headers=session)
    now = int(office.clock().timestamp())
    claims = tokens.read(answer.json()["access_token"], [office.token_key.verify_key], now)
    assert claims["roles"] == ["lead", "operator"]


async def test_a_session_ends_after_twelve_hours_and_its_last_token_with_it(office: Office):
    desk = await office.enrolled("desk")
    session = await session_of(office, desk)
    office.clock.now = START + timedelta(hours=12, seconds=-100)
    answer = await office.call("POST", "/sessions/current/token", headers=session)
    assert answer.json()["expires_in"] == 100
    office.clock.now = START + timedelta(hours=12)
    assert await renew(office, session) == 401


async def test_signing_out_ends_this_session_only(office: Office):
    desk = await office.enrolled("desk")
    first = await session_of(office, desk)
    office.clock.forward(seconds=30)
    second = await session_of(office, desk)
    answer = await office.call("DELETE", "/sessions/current", headers=first)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await renew(office, first) == 401
    assert (await office.call("DELETE", "/sessions/current", headers=first)).status_code == 401
    assert await renew(office, second) == 200


async def test_an_inactive_person_gets_no_token(office: Office):
    desk = await office.enrolled("desk")
    session = await session_of(office, desk)
    office.change("UPDATE accounts.people SET active = false WHERE id = %s", desk.id)
    assert await renew(office, session) == 401
    assert (await office.sign_in(desk)).status_code == 401


async def test_only_a_session_secret_in_its_own_scheme_renews(office: Office):
    desk = await office.enrolled("desk")
    answer = (await office.sign_in(desk)).json()
    stored = office.rows("SELECT encode(hash, 'hex') FROM accounts.sessions")[0][0]
    headers = [
        "",
        "Session",
        "Session ",
        f"Bearer {answer['session']}",
        f"Session {answer['access_token']}",
        f"Session {stored}",
        f"Session {answer['session']}x",
        f"Bearer {answer['access_token']}",
    ]
    for header in headers:
        assert await renew(office, {"Authorization": header}) == 401, header
    assert await renew(office, {}) == 401
    strange = await office.client.post(
        f"{BASE}/sessions/current/token", headers=[(b"Authorization", b"Session \xfe\xff")]
    )
    assert strange.status_code == 401
    assert await renew(office, {"Authorization": f"session {answer['session']}"}) == 200


async def test_a_session_secret_is_no_access_token(office: Office):
    desk = await office.enrolled("desk")
    session = (await office.sign_in(desk)).json()["session"]
    answer = await office.call("GET", "/me", headers={"Authorization": f"Bearer {session}"})
    assert answer.status_code == 401


# --- the list


async def test_the_list_tells_days_and_which_session_asks_and_nothing_else(office: Office):
    desk, other = await office.enrolled("desk"), await office.enrolled("desk")
    first = await office.session(desk)
    await office.session(other)
    office.clock.forward(hours=2)
    second = await office.session(desk)
    items = (await office.call("GET", "/sessions", headers=second)).json()["items"]
    assert [set(item) for item in items] == [{"id", "created", "current"}] * 2
    assert [item["created"] for item in items] == [f"{START:%Y-%m-%d}"] * 2
    assert [item["current"] for item in items] == [False, True]
    assert first["Authorization"].split()[1] not in str(items)


async def test_one_session_or_all_others_are_ended(office: Office):
    desk = await office.enrolled("desk")
    made = [await office.session(desk) for _ in range(4)]
    items = (await office.call("GET", "/sessions", headers=made[3])).json()["items"]
    path = f"/sessions/{items[0]['id']}"
    assert (await office.call("DELETE", path, headers=made[3])).status_code == 204
    assert [await renew(office, session) for session in made] == [401, 200, 200, 200]
    assert (await office.call("DELETE", path, headers=made[3])).status_code == 404
    assert (await office.call("DELETE", "/sessions", headers=made[3])).status_code == 204
    assert [await renew(office, session) for session in made] == [401, 401, 401, 200]


async def test_nobody_ends_the_session_of_somebody_else(office: Office):
    desk, other = await office.enrolled("desk"), await office.enrolled("lead")
    mine, theirs = await office.session(desk), await office.session(other)
    items = (await office.call("GET", "/sessions", headers=theirs)).json()["items"]
    assert (await office.call("DELETE", f"/sessions/{items[0]['id']}", headers=mine)).status_code == 404
    assert (await office.call("DELETE", "/sessions", headers=mine)).status_code == 204
    assert await renew(office, theirs) == 200
