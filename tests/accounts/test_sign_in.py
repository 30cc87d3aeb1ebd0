"""Sign-in and enrolment: who gets in, and that everybody else gets one answer."""

import asyncio
from datetime import timedelta

import pytest

from services.crypto import passwords, secretbox, tokens
from tests.accounts.conftest import BASE, PASSWORD, START, Office, code_at

pytestmark = pytest.mark.anyio


async def test_right_password_and_code_give_a_session_and_a_token_the_other_services_accept(office: Office):
    desk = await office.enrolled("desk", "operator")
    answer = await office.sign_in(desk)
    assert answer.status_code == 201
    found = answer.json()
    assert found["person"] == {
        "id": str(desk.id),
        "login": desk.login,
        "name": f"Invented {desk.login}",
        "roles": ["desk", "operator"],
    }
    now = int(office.clock().timestamp())
    claims = tokens.read(found["access_token"], [office.token_key.verify_key], now)
    assert claims == {
        "sub": str(desk.id),
        "roles": ["desk", "operator"],
        "iat": now,
        "exp": now + 300,
        "iss": "adal-accounts",
        "stepped": now,
    }
    assert found["expires_in"] == 300
    assert answer.headers["cache-control"] == "no-store"


async def test_login_is_the_same_in_capital_letters(office: Office):
    desk = await office.enrolled("desk", login="Aigerim.Desk")
    body = {"login": "AIGERIM.desk", "password": PASSWORD, "totp": code_at(desk.totp, office.clock())}
    answer = await office.call("POST", "/sessions", body)
    assert answer.status_code == 201
    assert answer.json()["person"]["login"] == "aigerim.desk"


async def test_every_cause_of_refusal_has_one_answer(office: Office):
    desk = await office.enrolled("desk")
    gone = await office.enrolled("desk")
    waiting = await office.add("desk")
    office.change("UPDATE accounts.people SET active = false WHERE id = %s", gone.id)
    code = code_at(desk.totp, office.clock())
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    attempts = [
        {"login": "nobody", "password": PASSWORD, "totp": code},
        {"login": desk.login, "password": "wrong" * 4, "totp": code},
        {"login": desk.login, "password": PASSWORD, "totp": wrong},
        {"login": desk.login, "password": PASSWORD, "totp": "not a number"},
        {"login": desk.login, "password": PASSWORD},
        {"login": gone.login, "password": PASSWORD, "totp": code_at(gone.totp, office.clock())},
        {"login": waiting.login, "password": PASSWORD, "totp": code},
    ]
    answers = [await office.call("POST", "/sessions", body) for body in attempts]
    assert [answer.status_code for answer in answers] == [401] * len(attempts)
    assert len({answer.text for answer in answers}) == 1
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1
    assert answers[0].json()["type"] == "urn:adal:problem:sign-in"
    assert (await office.sign_in(desk)).status_code == 201


async def test_unknown_and_waiting_logins_cost_one_password_hash_and_one_box_too(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    desk = await office.enrolled("desk")
    waiting = await office.add("desk")
    work: list[str] = []
    verify, open_box = passwords.verify_password, secretbox.open_box

    def verify_password(phc: str, text: str) -> bool:
        work.append("hash of " + phc.split("$")[3])
        return verify(phc, text)

    def counted_box(key: bytes, data: bytes, aad: bytes = b"") -> bytes:
        work.append("box")
        return open_box(key, data, aad)

    def hash_password(text: str) -> str:
        raise AssertionError("a sign-in makes no new hash")

    monkeypatch.setattr(passwords, "verify_password", verify_password)
    monkeypatch.setattr(passwords, "hash_password", hash_password)
    monkeypatch.setattr(secretbox, "open_box", counted_box)
    done = []
    for login in (desk.login, waiting.login, "nobody"):
        work.clear()
        body = {"login": login, "password": "wrong" * 4, "totp": "123456"}
        assert (await office.call("POST", "/sessions", body)).status_code == 401
        done.append(tuple(work))
    assert set(done) == {("hash of m=19456,t=2,p=1", "box")}


async def test_a_code_works_once(office: Office):
    desk = await office.enrolled("desk")
    code = code_at(desk.totp, office.clock())
    assert (await office.sign_in(desk, code=code)).status_code == 201
    assert (await office.sign_in(desk, code=code)).status_code == 401
    office.clock.forward(seconds=30)
    assert (await office.sign_in(desk, code=code)).status_code == 401
    assert (await office.sign_in(desk)).status_code == 201


async def test_an_older_code_inside_the_window_is_refused_after_a_newer_one(office: Office):
    desk = await office.enrolled("desk")
    older = code_at(desk.totp, office.clock())
    office.clock.forward(seconds=30)
    assert (await office.sign_in(desk)).status_code == 201
    assert (await office.sign_in(desk, code=older)).status_code == 401


async def test_one_code_sent_many_times_at_once_opens_one_session(office: Office):
    desk = await office.enrolled("desk")
    answers = await asyncio.gather(*(office.sign_in(desk) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 7
    assert office.rows("SELECT count(*) FROM accounts.sessions") == [(1,)]


async def test_codes_of_one_step_before_and_after_are_accepted_others_not(office: Office):
    for seconds, status in ((-60, 401), (-30, 201), (30, 201), (60, 401)):
        desk = await office.enrolled("desk")
        code = code_at(desk.totp, office.clock() + timedelta(seconds=seconds))
        assert (await office.sign_in(desk, code=code)).status_code == status, seconds


async def test_second_factor_off_asks_for_no_code(office: Office):
    desk = await office.enrolled("desk")
    settings = office.app.state.settings.model_copy(update={"second_factor": False})
    context = office.app.state.context
    office.app.state.context = type(context)(**{**vars(context), "settings": settings})
    body = {"login": desk.login, "password": PASSWORD}
    assert (await office.call("POST", "/sessions", body)).status_code == 201
    assert (await office.call("POST", "/sessions", body)).status_code == 201
    assert (await office.call("POST", "/sessions", {**body, "password": "x" * 12})).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"login": "de\x00sk", "password": PASSWORD},
        {"login": "десктоп", "password": PASSWORD},
        {"login": "desk", "password": ""},
        {"login": "desk", "password": "x" * 1025},
        {"login": "desk", "password": PASSWORD, "totp": 123456},
        {"login": "desk", "password": PASSWORD, "more": 1},
        {"login": ["desk"], "password": PASSWORD},
        "desk",
    ],
)
async def test_malformed_sign_in_is_refused_without_repeating_it(office: Office, body: object):
    answer = await office.call("POST", "/sessions", body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert PASSWORD not in answer.text


async def test_password_with_any_letters_passes_whole(office: Office):
    password = "Құпия сөзім 🔑 ёлка"
    new = await office.add("desk")
    body = {"login": new.login, "enrolment": new.enrolment, "password": password}
    totp = (await office.call("POST", "/enrolments", body)).json()["totp_secret"]
    # The same letters, composed otherwise.
    other = password.replace("ё", "е\u0308")
    signed_in = {"login": new.login, "password": other, "totp": code_at(totp, office.clock())}
    assert (await office.call("POST", "/sessions", signed_in)).status_code == 201


# --- enrolment


async def test_enrolment_works_once(office: Office):
    new = await office.add("desk")
    body = {"login": new.login, "enrolment": new.enrolment, "password": PASSWORD}
    assert (await office.call("POST", "/enrolments", body)).status_code == 201
    again = await office.call("POST", "/enrolments", {**body, "password": "another password"})
    assert again.status_code == 401
    assert again.json()["type"] == "urn:adal:problem:enrolment"


async def test_enrolments_at_the_same_moment_let_one_through(office: Office):
    new = await office.add("desk")
    body = {"login": new.login, "enrolment": new.enrolment, "password": PASSWORD}
    answers = await asyncio.gather(*(office.call("POST", "/enrolments", body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 5


async def test_enrolment_ends_after_72_hours(office: Office):
    early, late = await office.add("desk"), await office.add("desk")
    bodies = [{"login": c.login, "enrolment": c.enrolment, "password": PASSWORD} for c in (early, late)]
    office.clock.now = START + timedelta(hours=72, seconds=-1)
    assert (await office.call("POST", "/enrolments", bodies[0])).status_code == 201
    office.clock.now = START + timedelta(hours=72)
    assert (await office.call("POST", "/enrolments", bodies[1])).status_code == 401


async def test_every_cause_of_a_refused_enrolment_has_one_answer(office: Office):
    one, other, gone = await office.add("desk"), await office.add("desk"), await office.add("desk")
    office.change("UPDATE accounts.people SET active = false WHERE id = %s", gone.id)
    attempts = [
        {"login": "nobody", "enrolment": one.enrolment},
        {"login": one.login, "enrolment": other.enrolment},
        {"login": one.login, "enrolment": "wrong"},
        {"login": gone.login, "enrolment": gone.enrolment},
    ]
    answers = [
        await office.call("POST", "/enrolments", {**attempt, "password": PASSWORD}) for attempt in attempts
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize(
    "password", ["elevenchars", "x" * 5, "my COLLEAGUE-X pass", "with\ttab in the middle"]
)
async def test_a_bad_password_is_named_and_does_not_use_up_the_enrolment(office: Office, password: str):
    new = await office.add("desk", login="colleague-x")
    body = {"login": new.login, "enrolment": new.enrolment, "password": password}
    refused = await office.call("POST", "/enrolments", body)
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/password"]
    assert password not in refused.text
    assert (await office.call("POST", "/enrolments", {**body, "password": PASSWORD})).status_code == 201


async def test_enrolment_answers_an_address_that_an_authenticator_reads(office: Office):
    new = await office.add("desk")
    body = {"login": new.login, "enrolment": new.enrolment, "password": PASSWORD}
    answer = (await office.client.post(f"{BASE}/enrolments", json=body)).json()
    assert answer["totp_uri"].startswith("otpauth://totp/")
    assert f"secret={answer['totp_secret']}" in answer["totp_uri"]
    assert len(answer["totp_secret"]) == 32
