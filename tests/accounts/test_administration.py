"""What an administrator may do to the accounts of others, and that none of it opens anything sealed."""

import asyncio

import pytest

from services.accounts.rules import hash_of
from services.crypto import age, tokens
from services.crypto.canonical import b64, b64u, unb64
from services.crypto.errors import CryptoError
from services.crypto.signatures import SigningKey
from services.crypto.staffkeys import StaffKey, new_passphrase, unwrap_staff_key, wrap_staff_key
from tests.accounts.conftest import PASSWORD, Colleague, Office, code_at

pytestmark = pytest.mark.anyio


async def act(office: Office, method: str, path: str, body: object = None) -> int:
    return (await office.call(method, path, body, office.as_administrator())).status_code


async def renew(office: Office, session: dict[str, str]) -> int:
    return (await office.call("POST", "/sessions/current/token", headers=session)).status_code


async def give_key(office: Office, who: Colleague, key_id: str) -> None:
    """A group key as it lies there: somebody sealed it to this person."""
    sealed = age.seal(b"key", [StaffKey.generate().identity.recipient])
    statement = "INSERT INTO accounts.group_keys (person, key_id, data) VALUES (%s, %s, %s)"
    office.change(statement, who.id, key_id, sealed)


# --- roles


async def test_roles_change_with_the_next_token(office: Office):
    desk = await office.enrolled("desk")
    session = await office.session(desk)
    assert await act(office, "PUT", f"/staff/{desk.id}/roles", {"roles": ["lead", "operator", "lead"]}) == 204
    answer = await office.call("POST", "/sessions/current/token", headers=session)
    now = int(office.clock().timestamp())
    claims = tokens.read(answer.json()["access_token"], [office.token_key.verify_key], now)
    assert claims["roles"] == ["lead", "operator"]


async def test_conflicting_roles_are_refused_with_the_reason(office: Office):
    desk = await office.add("desk")
    body = {"roles": ["desk", "custodian"]}
    answer = await office.call("PUT", f"/staff/{desk.id}/roles", body, office.as_administrator())
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/roles"]
    assert office.rows(f"SELECT roles FROM accounts.people WHERE id = '{desk.id}'") == [(["desk"],)]


@pytest.mark.parametrize(
    ("method", "what", "body"),
    [
        ("PUT", "roles", {"roles": ["administrator"]}),
        ("PUT", "active", {"active": False}),
        ("POST", "enrolment", None),
        ("POST", "leave", None),
    ],
)
async def test_nobody_does_it_to_their_own_account(
    office: Office, method: str, what: str, body: dict[str, object] | None
):
    assert await act(office, method, f"/staff/{office.administrator}/{what}", body) == 403
    assert office.rows("SELECT roles, active FROM accounts.people") == [(["administrator"], True)]


async def test_two_administrators_who_remove_each_other_at_once_leave_one(office: Office):
    for what, body in (("roles", {"roles": ["operator"]}), ("active", {"active": False})):
        other = await office.add("administrator")
        answers = await asyncio.gather(
            office.call("PUT", f"/staff/{other.id}/{what}", body, office.as_administrator()),
            office.call(
                "PUT",
                f"/staff/{office.administrator}/{what}",
                body,
                office.bearer(other.id, ["administrator"]),
            ),
        )
        assert [answer.status_code for answer in answers].count(204) == 1
        assert {answer.status_code for answer in answers} <= {204, 401, 403}
        left = office.rows("SELECT id FROM accounts.people WHERE active AND 'administrator' = ANY (roles)")
        assert len(left) == 1
        office.administrator = left[0][0]


# --- closing and opening


async def test_a_closed_account_has_no_session_and_no_sign_in_until_it_is_opened(office: Office):
    desk = await office.enrolled("desk")
    session = await office.session(desk)
    assert await act(office, "PUT", f"/staff/{desk.id}/active", {"active": False}) == 204
    assert await renew(office, session) == 401
    assert (await office.sign_in(desk)).status_code == 401
    assert (await office.call("GET", "/me", headers=office.bearer(desk.id, ["desk"]))).status_code == 401
    assert await act(office, "PUT", f"/staff/{desk.id}/active", {"active": True}) == 204
    assert await renew(office, session) == 401
    assert (await office.sign_in(desk)).status_code == 201


async def test_a_session_that_was_ended_by_an_administrator_renews_nothing(office: Office):
    desk, other = await office.enrolled("desk"), await office.enrolled("desk")
    mine, theirs = await office.session(desk), await office.session(other)
    assert await act(office, "DELETE", f"/staff/{desk.id}/sessions") == 204
    assert (await renew(office, mine), await renew(office, theirs)) == (401, 200)
    assert (await office.sign_in(desk)).status_code == 201


async def test_closed_accounts_are_listed_apart_and_who_left_nowhere(office: Office):
    closed, gone = await office.add("desk"), await office.add("desk")
    await act(office, "PUT", f"/staff/{closed.id}/active", {"active": False})
    await act(office, "POST", f"/staff/{gone.id}/leave")
    for query, expected in (("", office.administrator), ("?closed=true", closed.id)):
        items = (await office.call("GET", f"/staff{query}", headers=office.as_administrator())).json()[
            "items"
        ]
        assert [item["id"] for item in items] == [str(expected)]


# --- enrolment


async def test_a_renewed_enrolment_voids_every_factor_and_session_before(office: Office):
    desk = await office.enrolled("desk")
    bearer = office.bearer(desk.id, ["desk"])
    codes = (await office.call("POST", "/me/recovery-codes", headers=bearer)).json()["codes"]
    session = await office.session(desk)
    answer = await office.call("POST", f"/staff/{desk.id}/enrolment", headers=office.as_administrator())
    assert answer.status_code == 201
    assert await renew(office, session) == 401
    assert (await office.sign_in(desk)).status_code == 401
    body = {"login": desk.login, "enrolment": answer.json()["enrolment"], "password": PASSWORD}
    enrolled = await office.call("POST", "/enrolments", body)
    assert enrolled.status_code == 201
    assert (await office.sign_in(desk)).status_code == 401
    lost = {"login": desk.login, "password": PASSWORD, "recovery_code": codes[0]}
    assert (await office.call("POST", "/sessions", lost)).status_code == 401
    code = code_at(enrolled.json()["totp_secret"], office.clock())
    assert (await office.sign_in(desk, code=code)).status_code == 201


async def test_a_closed_account_gets_no_enrolment(office: Office):
    desk = await office.enrolled("desk")
    await act(office, "PUT", f"/staff/{desk.id}/active", {"active": False})
    assert await act(office, "POST", f"/staff/{desk.id}/enrolment") == 409


# --- leaving


async def test_who_leaves_has_no_way_in_and_no_group_keys_and_their_history_stays(office: Office):
    desk, other = await office.enrolled("desk"), await office.enrolled("desk")
    session = await office.session(desk)
    for who in (desk, other):
        await give_key(office, who, "central/2026-11")
    before = office.rows(f"SELECT login, name, roles, created FROM accounts.people WHERE id = '{desk.id}'")
    assert await act(office, "POST", f"/staff/{desk.id}/leave") == 204
    assert await renew(office, session) == 401
    assert (await office.sign_in(desk)).status_code == 401
    assert office.rows("SELECT person FROM accounts.group_keys") == [(other.id,)]
    columns = "login, name, roles, created, active, left_on"
    ((*after, active, left),) = office.rows(f"SELECT {columns} FROM accounts.people WHERE id = '{desk.id}'")
    assert [tuple(after)] == before
    assert (active, left) == (False, office.clock().date())


async def test_who_left_never_comes_back_under_the_same_account(office: Office):
    desk = await office.enrolled("desk")
    await act(office, "POST", f"/staff/{desk.id}/leave")
    for method, what, body in (
        ("PUT", "active", {"active": True}),
        ("PUT", "roles", {"roles": ["lead"]}),
        ("POST", "enrolment", None),
        ("POST", "leave", None),
    ):
        assert await act(office, method, f"/staff/{desk.id}/{what}", body) == 404


@pytest.mark.parametrize("key_id", ["seat-2/2026H2", "payments-1/2026H2"])
async def test_the_last_holder_of_a_seat_hands_it_over_first(office: Office, key_id: str):
    role = "custodian" if key_id.startswith("seat") else "payments"
    holder, successor, closed = [await office.enrolled(role) for _ in range(3)]
    session = await office.session(holder)
    await give_key(office, holder, key_id)
    await give_key(office, closed, key_id)
    await act(office, "PUT", f"/staff/{closed.id}/active", {"active": False})
    answer = await office.call("POST", f"/staff/{holder.id}/leave", headers=office.as_administrator())
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:adal:problem:conflict")
    assert await renew(office, session) == 200
    await give_key(office, successor, key_id)
    assert await act(office, "POST", f"/staff/{holder.id}/leave") == 204
    assert await act(office, "POST", f"/staff/{successor.id}/leave") == 409


async def test_two_last_holders_who_leave_at_once_do_not_both_go(office: Office):
    holders = [await office.enrolled("custodian") for _ in range(2)]
    for who in holders:
        await give_key(office, who, "seat-1/2026H2")
    answers = await asyncio.gather(*(act(office, "POST", f"/staff/{who.id}/leave") for who in holders))
    assert sorted(answers) == [204, 409]
    assert office.rows("SELECT count(*) FROM accounts.group_keys") == [(1,)]


# --- the administrator as adversary


async def test_taking_an_account_over_gives_ciphertext_only(office: Office):
    """An administrator renews somebody's enrolment and signs in as them: the key needs a passphrase nobody sent."""
    lead = await office.enrolled("lead")
    key, passphrase = StaffKey.generate(), new_passphrase()
    body = {
        "wrapped": b64(wrap_staff_key(key, passphrase)),
        "recipient": str(key.identity.recipient),
        "verify_key": b64u(key.signing.verify_key),
    }
    assert (await office.call("PUT", "/me/key", body, office.bearer(lead.id, ["lead"]))).status_code == 204
    secret = (
        await office.call("POST", f"/staff/{lead.id}/enrolment", headers=office.as_administrator())
    ).json()["enrolment"]
    mine = "the administrator's own"
    enrolled = await office.call(
        "POST", "/enrolments", {"login": lead.login, "enrolment": secret, "password": mine}
    )
    code = code_at(enrolled.json()["totp_secret"], office.clock())
    token = (await office.sign_in(lead, mine, code)).json()["access_token"]
    found = await office.call("GET", "/me", headers={"Authorization": f"Bearer {token}"})
    wrapped = unb64(found.json()["key"]["wrapped"])
    for guess in (mine, secret, PASSWORD):
        with pytest.raises(CryptoError):
            unwrap_staff_key(wrapped, guess)
    assert unwrap_staff_key(wrapped, passphrase).signing.verify_key == key.signing.verify_key


async def test_no_answer_to_an_administrator_holds_a_wrapped_key_of_somebody_else(office: Office):
    lead = await office.enrolled("lead")
    key = StaffKey.generate()
    wrapped = b64(wrap_staff_key(key, new_passphrase()))
    body = {
        "wrapped": wrapped,
        "recipient": str(key.identity.recipient),
        "verify_key": b64u(SigningKey.generate().verify_key),
    }
    await office.call("PUT", "/me/key", body, office.bearer(lead.id, ["lead"]))
    await give_key(office, lead, "central/2026-11")
    sealed = b64(office.rows("SELECT data FROM accounts.group_keys")[0][0])
    for path in ("/me", "/staff", "/clients", f"/staff/{lead.id}/keys", f"/staff/{lead.id}"):
        answer = await office.call("GET", path, headers=office.as_administrator())
        assert wrapped not in answer.text
        assert sealed not in answer.text


async def test_the_database_holds_no_enrolment_secret(office: Office):
    desk = await office.enrolled("desk")
    answer = await office.call("POST", f"/staff/{desk.id}/enrolment", headers=office.as_administrator())
    secret = answer.json()["enrolment"]
    query = f"SELECT enrolment_hash FROM accounts.credentials WHERE person = '{desk.id}'"
    assert office.rows(query) == [(hash_of(secret),)]
