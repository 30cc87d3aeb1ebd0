"""Secrets go in and stay in: no answer, no row and no log line gives one back."""

import base64
import io
import json
import re
from contextlib import redirect_stderr

import httpx2
import pytest

from services.crypto.errors import WrongKey
from services.kit import logs
from tests.accounts.conftest import PASSWORD, Office
from tests.accounts.test_keys import certificate, key_body

pytestmark = pytest.mark.anyio

PASSPHRASE = "abcd-efgh-jkmn-pqrs"


async def every_answer(office: Office) -> tuple[list[httpx2.Response], dict[str, str]]:
    """A whole life of an account: all answers after the enrolment's, and the secrets that were in play."""
    lead = await office.enrolled("lead")
    signed_in = await office.sign_in(lead)
    session = {"Authorization": f"Session {signed_in.json()['session']}"}
    bearer = office.bearer(lead.id, ["lead"])
    answers = [
        await office.call("POST", "/sessions/current/token", headers=session),
        await office.call("PUT", "/me/key", key_body(), bearer),
        await office.call(
            "PUT", f"/staff/{lead.id}/certificate", certificate(lead.id), office.as_administrator()
        ),
        await office.call("GET", "/me", headers=bearer),
        await office.call("GET", "/staff", headers=office.as_administrator()),
        await office.call(
            "POST",
            "/staff",
            {"login": lead.login, "name": "x", "roles": ["desk"]},
            office.as_administrator(),
        ),
        await office.sign_in(lead),
        await office.call(
            "POST",
            "/enrolments",
            {"login": lead.login, "enrolment": lead.enrolment, "password": PASSWORD},
        ),
        await office.call("DELETE", "/sessions/current", headers=session),
        await office.client.get("/api/accounts/v1/openapi.json"),
        await office.client.get("/healthz"),
        await office.client.get("/readyz"),
    ]
    secrets = {
        "password": PASSWORD,
        "totp": lead.totp,
        "enrolment": lead.enrolment,
        "session": signed_in.json()["session"],
    }
    return answers, secrets


def quiet_client(office: Office) -> httpx2.AsyncClient:
    """A client that gets the answer to a failure, as over a network, instead of the exception."""
    transport = httpx2.ASGITransport(app=office.app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


def stored(office: Office, query: str) -> list[str]:
    return [value for row in office.rows(query) for value in row if value]


async def test_no_answer_gives_a_secret_or_its_stored_form(office: Office):
    answers, secrets = await every_answer(office)
    hidden = [
        *secrets.values(),
        *stored(office, "SELECT password_phc FROM accounts.credentials"),
        *stored(office, "SELECT encode(totp_box, 'base64') FROM accounts.credentials"),
        *stored(office, "SELECT encode(hash, 'base64') FROM accounts.sessions"),
        *stored(office, "SELECT encode(hash, 'hex') FROM accounts.sessions"),
    ]
    assert len(hidden) >= 8
    for answer in answers:
        for secret in hidden:
            assert secret not in answer.text
        assert "$argon2id" not in answer.text


async def test_the_database_holds_no_secret_in_clear(office: Office):
    _, secrets = await every_answer(office)
    tables = [
        name for (name,) in office.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'accounts'")
    ]
    dump = "\n".join(
        str(row) for table in tables for row in office.rows(f"SELECT t::text FROM accounts.{table} t")
    )
    assert "Invented colleague0" in dump
    forms = [form for secret in secrets.values() for form in (secret, secret.encode().hex())]
    raw = base64.b32decode(secrets["totp"])
    for form in [*forms, raw.hex(), base64.b64encode(raw).decode(), PASSPHRASE]:
        assert form not in dump
    assert re.search(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$", dump)


async def test_a_second_factor_opens_for_its_own_person_only(office: Office):
    one, other = await office.enrolled("desk"), await office.enrolled("desk")
    context = office.app.state.context
    ((box,),) = office.rows(f"SELECT totp_box FROM accounts.credentials WHERE person = '{one.id}'")
    assert base64.b32encode(context.open_totp(box, one.id)).decode() == one.totp
    with pytest.raises(WrongKey):
        context.open_totp(box, other.id)


async def test_nothing_of_a_request_reaches_the_log(office: Office):
    log = io.StringIO()
    office.client = quiet_client(office)
    with redirect_stderr(log):
        logs.configure()
        _, secrets = await every_answer(office)
        # A failure of ours must say nothing either.
        office.change("ALTER TABLE accounts.people RENAME TO hidden")
        try:
            answer = await office.call("POST", "/sessions", {"login": "marker-login", "password": PASSWORD})
        finally:
            office.change("ALTER TABLE accounts.hidden RENAME TO people")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:adal:problem:internal"
    for secret in (*secrets.values(), "marker-login", "colleague0", "Invented"):
        assert secret not in log.getvalue() + answer.text
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert any(line.get("sqlstate") == "42P01" for line in lines)
