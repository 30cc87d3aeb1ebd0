"""Recovery codes and new authenticators: what takes the place of a lost device, once."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.accounts import rules
from tests.accounts.conftest import PASSWORD, Colleague, Office, code_at

pytestmark = pytest.mark.anyio


async def codes_of(office: Office, who: Colleague) -> list[str]:
    answer = await office.call("POST", "/me/recovery-codes", headers=office.bearer(who.id, who.roles))
    assert answer.status_code == 201, answer.text
    found: list[str] = answer.json()["codes"]
    return found


async def recover(office: Office, who: Colleague, code: str, password: str = PASSWORD) -> int:
    body = {"login": who.login, "password": password, "recovery_code": code}
    return (await office.call("POST", "/sessions", body)).status_code


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=10, max_size=10))
def test_a_code_is_read_back_however_it_was_typed(random: bytes):
    code = rules.recovery_code(random)
    letters = code.replace("-", "")
    assert len(letters) == 16
    for typed in (code, code.upper(), letters, f" {code} ", code.replace("-", " "), code.replace("0", "O")):
        assert rules.typed_recovery_code(typed) == letters


def test_codes_carry_all_their_80_bits():
    assert len({rules.recovery_code((1 << bit).to_bytes(10)) for bit in range(80)}) == 80
    assert rules.recovery_code(bytes(10)) == "0000-0000-0000-0000"
    assert rules.recovery_code(b"\xff" * 10) == "zzzz-zzzz-zzzz-zzzz"


@pytest.mark.parametrize(
    "text", ["", "0000-0000-0000-000", "0000-0000-0000-00000", "uuuu-0000-0000-0000", "қ" * 16]
)
def test_what_cannot_be_a_code_is_none(text: str):
    assert rules.typed_recovery_code(text) is None


async def test_each_code_works_once_in_place_of_the_second_factor(office: Office):
    desk = await office.enrolled("desk")
    codes = await codes_of(office, desk)
    assert len(set(codes)) == 10
    assert await recover(office, desk, codes[0], "wrong" * 4) == 401
    assert await recover(office, desk, codes[0]) == 201
    assert await recover(office, desk, codes[0]) == 401
    assert await recover(office, desk, codes[1].upper()) == 201
    left = await office.call("GET", "/me/passkeys", headers=office.bearer(desk.id, ["desk"]))
    assert left.json() == {"items": [], "recovery_codes_left": 8}


async def test_one_code_sent_many_times_at_once_opens_one_session(office: Office):
    desk = await office.enrolled("desk")
    code = (await codes_of(office, desk))[0]
    answers = await asyncio.gather(*(recover(office, desk, code) for _ in range(5)))
    assert sorted(answers) == [201] + [401] * 4


async def test_using_a_code_ends_all_other_sessions(office: Office):
    desk, colleague = await office.enrolled("desk"), await office.enrolled("desk")
    mine, theirs = await office.session(desk), await office.session(colleague)
    code = (await codes_of(office, desk))[0]
    assert await recover(office, desk, code) == 201
    assert (await office.call("POST", "/sessions/current/token", headers=mine)).status_code == 401
    assert (await office.call("POST", "/sessions/current/token", headers=theirs)).status_code == 200


async def test_a_code_of_somebody_else_opens_nothing(office: Office):
    desk, colleague = await office.enrolled("desk"), await office.enrolled("desk")
    code = (await codes_of(office, colleague))[0]
    assert await recover(office, desk, code) == 401
    assert await recover(office, colleague, code) == 201


async def test_new_codes_make_the_old_ones_void(office: Office):
    desk = await office.enrolled("desk")
    before = await codes_of(office, desk)
    after = await codes_of(office, desk)
    assert await recover(office, desk, before[0]) == 401
    assert await recover(office, desk, after[0]) == 201


async def test_codes_are_stored_as_keyed_hashes_of_their_owner(office: Office):
    desk = await office.enrolled("desk")
    codes = await codes_of(office, desk)
    context = office.app.state.context
    stored = {row[0] for row in office.rows("SELECT hash FROM accounts.recovery_codes")}
    assert stored == {context.recovery_hash(desk.id, code.replace("-", "")) for code in codes}
    assert stored.isdisjoint(context.recovery_hash(office.administrator, c.replace("-", "")) for c in codes)


@pytest.mark.parametrize("known", [True, False])
async def test_guesses_have_a_small_budget_of_their_own(office: Office, known: bool):
    desk = await office.enrolled("desk")
    login = desk.login if known else "nobody"
    body = {"login": login, "password": PASSWORD, "recovery_code": "0000-0000-0000-0000"}
    answers = await asyncio.gather(*(office.call("POST", "/sessions", body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 3
    assert (await office.sign_in(desk)).status_code == 201


async def test_two_second_factors_in_one_request_are_refused(office: Office):
    desk = await office.enrolled("desk")
    body = {"login": desk.login, "password": PASSWORD, "totp": "123456", "recovery_code": "x"}
    assert (await office.call("POST", "/sessions", body)).status_code == 422


async def test_a_new_authenticator_makes_codes_of_the_old_one_void(office: Office):
    desk = await office.enrolled("desk")
    answer = await office.call("POST", "/me/second-factor", headers=office.bearer(desk.id, ["desk"]))
    assert answer.status_code == 201
    assert f"secret={answer.json()['totp_secret']}" in answer.json()["totp_uri"]
    assert (await office.sign_in(desk)).status_code == 401
    fresh = code_at(answer.json()["totp_secret"], office.clock())
    assert (await office.sign_in(desk, code=fresh)).status_code == 201
