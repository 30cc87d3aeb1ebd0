"""Guessing: attempts are counted one by one, per login and for nobody else, before anything is looked at."""

import asyncio
from datetime import timedelta

import pytest

from services.accounts import store
from services.crypto import secretbox
from tests.accounts.conftest import PASSWORD, Office

pytestmark = pytest.mark.anyio
LIMIT = 10
WRONG = "not the password"


async def guess(office: Office, login: str, password: str = WRONG) -> int:
    body = {"login": login, "password": password, "totp": "123456"}
    return (await office.call("POST", "/sessions", body)).status_code


@pytest.mark.parametrize("known", [True, False])
async def test_thirty_guesses_at_once_are_counted_exactly(office: Office, known: bool):
    login = (await office.enrolled("desk")).login if known else "nobody"
    answers = await asyncio.gather(*(guess(office, login) for _ in range(30)))
    assert sorted(answers) == [401] * LIMIT + [429] * (30 - LIMIT)
    assert office.rows("SELECT count FROM accounts.sign_in_throttle") == [(30,)]


async def test_the_right_password_does_not_pass_a_full_throttle(office: Office):
    desk = await office.enrolled("desk")
    await asyncio.gather(*(guess(office, desk.login) for _ in range(LIMIT)))
    answer = await office.sign_in(desk)
    assert answer.status_code == 429
    assert answer.json()["type"] == "urn:adal:problem:too-many-attempts"
    assert office.rows("SELECT count(*) FROM accounts.sessions") == [(0,)]


async def test_retry_after_says_when_the_window_ends(office: Office):
    await asyncio.gather(*(guess(office, "nobody") for _ in range(LIMIT)))
    office.clock.forward(seconds=200)
    answer = await office.call("POST", "/sessions", {"login": "nobody", "password": "x"})
    assert answer.headers["retry-after"] == "700"
    office.clock.forward(seconds=699.5)
    assert await guess(office, "nobody") == 429
    office.clock.forward(seconds=0.5)
    assert await guess(office, "nobody") == 401


async def test_one_login_does_not_throttle_another(office: Office):
    desk = await office.enrolled("desk")
    await asyncio.gather(*(guess(office, "nobody") for _ in range(LIMIT + 1)))
    assert (await office.sign_in(desk)).status_code == 201


async def test_capital_letters_give_no_second_set_of_guesses(office: Office):
    desk = await office.enrolled("desk", login="daniyar")
    logins = ["daniyar", "Daniyar", "DANIYAR", "dAnIyAr"] * 5
    answers = [await guess(office, login) for login in logins]
    assert answers.count(401) == LIMIT
    assert (await office.sign_in(desk)).status_code == 429


async def test_signing_in_takes_back_its_own_attempt_and_no_failed_one(office: Office):
    desk = await office.enrolled("desk")
    for _ in range(LIMIT - 1):
        assert await guess(office, desk.login) == 401
    for _ in range(3):
        office.clock.forward(seconds=30)
        assert (await office.sign_in(desk)).status_code == 201
    assert await guess(office, desk.login) == 401
    assert await guess(office, desk.login) == 429


async def test_a_right_password_with_wrong_codes_is_counted_too(office: Office):
    desk = await office.enrolled("desk")
    answers = await asyncio.gather(*(office.sign_in(desk, code="000000") for _ in range(LIMIT + 2)))
    assert sorted(answer.status_code for answer in answers) == [401] * LIMIT + [429] * 2


async def test_the_table_names_no_login_and_cannot_be_searched_without_the_key(office: Office):
    await guess(office, "nobody")
    ((key,),) = office.rows("SELECT key FROM accounts.sign_in_throttle")
    assert key == office.app.state.context.throttle_key("nobody")
    assert key != secretbox.mac(bytes(32), b"adal/v1/accounts/throttle", b"nobody")
    assert b"nobody" not in key


async def test_a_late_success_takes_nothing_off_the_next_window(office: Office):
    key, window = b"k" * 32, timedelta(seconds=900)
    async with office.app.state.engine.begin() as conn:
        first = await store.count_attempt(conn, key, office.clock(), window)
        office.clock.forward(seconds=900)
        second = await store.count_attempt(conn, key, office.clock(), window)
        await store.forgive_attempt(conn, key, first)
    assert (first.number, second.number) == (1, 1)
    assert office.rows("SELECT count FROM accounts.sign_in_throttle") == [(1,)]


async def test_hashing_is_bounded_and_every_caller_is_served(office: Office):
    running = most = 0
    limiter = office.app.state.context.hashing
    desk = await office.enrolled("desk")

    async def watch() -> None:
        nonlocal running, most
        while running:
            most = max(most, limiter.borrowed_tokens)
            await asyncio.sleep(0)

    running = 1
    watcher = asyncio.create_task(watch())
    answers = await asyncio.gather(*(guess(office, f"{desk.login}-{i}", PASSWORD) for i in range(12)))
    running = 0
    await watcher
    assert answers == [401] * 12
    assert 1 <= most <= office.app.state.settings.argon2_at_once
