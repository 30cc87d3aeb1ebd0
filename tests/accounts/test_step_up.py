"""Step-up: what asks for a fresh proof gets none from an old sign-in, and a proof is good once, for five minutes."""

import asyncio

import pytest

from services.accounts import rules
from services.crypto import tokens
from tests.accounts.conftest import PASSWORD, START, Office, code_at
from tests.accounts.test_access import CALLS

pytestmark = pytest.mark.anyio
LIMIT = 5
SOMEBODY = "00000000-0000-4000-8000-000000000001"
#: The operations that ask for a fresh proof, written again by hand.
OPERATIONS = {
    "add_staff",
    "start_passkey",
    "add_passkey",
    "remove_passkey",
    "renew_recovery_codes",
    "renew_second_factor",
    "change_roles",
    "set_active",
    "renew_enrolment",
    "leave_staff",
    "link_external_subject",
    "unlink_external_subject",
    "add_client",
    "renew_client_secret",
    "set_client_active",
    "destroy_group_key",
}
#: Whom a rule lets in who is no administrator.
CALLERS = {"destroy_group_key": "lead"}


def stepped(office: Office, token: str) -> int:
    found = tokens.read(token, [office.token_key.verify_key], int(office.clock().timestamp()))
    return int(found["stepped"])


async def prove(office: Office, session: dict[str, str], **proof: object) -> tuple[int, dict[str, object]]:
    answer = await office.call("POST", "/sessions/current/step-up", proof, session)
    return answer.status_code, answer.json()


def test_the_operations_are_those_that_give_a_way_in_or_destroy_a_key():
    assert OPERATIONS == rules.STEP_UP
    assert set(rules.ACCESS) >= rules.STEP_UP


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
async def test_an_old_proof_is_refused_and_a_fresh_one_is_not(office: Office, operation: str):
    method, path = CALLS[operation]
    role = CALLERS.get(operation, "administrator")
    person = office.administrator if role == "administrator" else (await office.enrolled(role)).id
    for age, refused in ((301, True), (300, False)):
        headers = office.bearer(person, [role], age)
        answer = await office.call(method, path, headers=headers)
        assert (answer.status_code == 403) == refused, answer.text
        if refused:
            assert answer.json()["type"] == "urn:adal:problem:step-up"


async def test_a_code_makes_the_proof_fresh_for_this_session_and_its_later_tokens(office: Office):
    desk = await office.enrolled("desk")
    session = await office.session(desk)
    other = await office.session(desk)
    signed_in_at = int(START.timestamp())
    office.clock.forward(hours=1)
    old = (await office.call("POST", "/sessions/current/token", headers=session)).json()
    assert stepped(office, old["access_token"]) == signed_in_at
    status, found = await prove(office, session, totp=code_at(desk.totp, office.clock()))
    now = int(office.clock().timestamp())
    assert (status, stepped(office, str(found["access_token"]))) == (201, now)
    office.clock.forward(seconds=100)
    later = (await office.call("POST", "/sessions/current/token", headers=session)).json()
    assert stepped(office, later["access_token"]) == now
    elsewhere = (await office.call("POST", "/sessions/current/token", headers=other)).json()
    assert stepped(office, elsewhere["access_token"]) == signed_in_at + 30


async def test_wrong_used_and_missing_proofs_have_one_answer(office: Office):
    desk, colleague = await office.enrolled("desk"), await office.enrolled("desk")
    session = await office.session(desk)
    used = code_at(desk.totp, office.clock())
    assert (await prove(office, session, totp=used))[0] == 201
    theirs = code_at(colleague.totp, office.clock())
    answers = [
        await prove(office, session, **proof)
        for proof in ({"totp": used}, {"totp": theirs}, {}, {"password": PASSWORD}, {"passkey": {"id": "x"}})
    ]
    assert {status for status, _ in answers} == {401}
    assert {str(body) for _, body in answers} == {str(answers[0][1])}
    assert answers[0][1]["type"] == "urn:adal:problem:step-up-refused"


async def test_a_recovery_code_is_for_sign_in_only(office: Office):
    desk = await office.enrolled("desk")
    session = await office.session(desk)
    assert (await prove(office, session, recovery_code="0123-4567-89ab-cdef"))[0] == 422


async def test_guesses_at_once_are_counted_exactly_and_leave_the_sign_in_open(office: Office):
    desk = await office.enrolled("desk")
    session = await office.session(desk)
    answers = await asyncio.gather(*(prove(office, session, totp="000000") for _ in range(20)))
    assert sorted(status for status, _ in answers) == [401] * LIMIT + [429] * (20 - LIMIT)
    code = code_at(desk.totp, office.clock())
    assert (await prove(office, session, totp=code))[0] == 429
    assert (await office.sign_in(desk)).status_code == 201


async def test_one_code_sent_many_times_at_once_proves_once(office: Office):
    desk = await office.enrolled("desk")
    session = await office.session(desk)
    code = code_at(desk.totp, office.clock())
    answers = await asyncio.gather(*(prove(office, session, totp=code) for _ in range(LIMIT)))
    assert sorted(status for status, _ in answers) == [201] + [401] * (LIMIT - 1)


async def test_in_development_without_a_second_factor_the_password_stands_in(office: Office):
    desk = await office.enrolled("desk")
    session = await office.session(desk)
    settings = office.app.state.settings.model_copy(update={"second_factor": False})
    context = office.app.state.context
    office.app.state.context = type(context)(**{**vars(context), "settings": settings})
    assert (await prove(office, session, password="wrong" * 4))[0] == 401
    assert (await prove(office, session))[0] == 401
    assert (await prove(office, session, password=PASSWORD))[0] == 201


async def test_an_ended_session_proves_nothing(office: Office):
    desk = await office.enrolled("desk")
    session = await office.session(desk)
    await office.call("DELETE", "/sessions/current", headers=session)
    assert (await prove(office, session, totp=code_at(desk.totp, office.clock())))[0] == 401
    bearer = office.bearer(desk.id, ["desk"])
    assert (await prove(office, bearer, totp=code_at(desk.totp, office.clock())))[0] == 401
