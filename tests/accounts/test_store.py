"""First administrator, housekeeping, and what the service's own login may not do."""

import asyncio
from datetime import timedelta

import psycopg
import pytest

from services.accounts import store
from services.accounts.jobs import JOBS
from services.accounts.rules import hash_of
from services.kit.jobs import last_runs, run_job
from tests.accounts.conftest import PASSWORD, START, Office

pytestmark = pytest.mark.anyio


async def bootstrap(office: Office, login: str = "administrator") -> str | None:
    async with office.app.state.engine.begin() as conn:
        return await store.bootstrap_administrator(conn, login=login, name="First", now=office.clock())


async def enrol(office: Office, enrolment: str | None, login: str = "administrator") -> int:
    body = {"login": login, "enrolment": enrolment, "password": PASSWORD}
    return (await office.call("POST", "/enrolments", body)).status_code


async def test_the_first_administrator_can_enrol_and_is_the_only_one(office: Office):
    enrolment = await bootstrap(office)
    assert await enrol(office, enrolment) == 201
    assert await bootstrap(office) is None
    assert await bootstrap(office, "another") is None
    assert office.rows("SELECT login, roles FROM accounts.people") == [("administrator", ["administrator"])]


async def test_a_first_run_that_was_cut_off_goes_on_with_a_fresh_secret(office: Office):
    first = await bootstrap(office)
    office.clock.forward(hours=100)
    second = await bootstrap(office)
    assert first != second
    assert await enrol(office, first) == 401
    assert await enrol(office, second) == 201
    assert office.rows("SELECT count(*) FROM accounts.people") == [(1,)]


async def test_a_secret_that_was_renewed_while_the_password_was_hashed_sets_nothing(office: Office):
    old = hash_of((await bootstrap(office)) or "")
    await bootstrap(office)
    async with office.app.state.engine.begin() as conn:
        late = await store.enrol(conn, office.administrator, old, office.clock(), "phc", b"box")
    assert not late
    assert office.rows("SELECT password_phc FROM accounts.credentials") == [(None,)]


async def test_two_first_runs_at_once_make_one_administrator(office: Office):
    with office.database.superuser() as conn:
        conn.execute("TRUNCATE accounts.people CASCADE")
    async with office.app.state.engine.begin() as first:
        enrolment = await store.bootstrap_administrator(first, login="one", name="One", now=office.clock())
        second = asyncio.create_task(bootstrap(office, "other"))
        await asyncio.sleep(0.3)
        assert not second.done()  # it waits for the first to commit
    assert await second is None
    assert office.rows("SELECT login FROM accounts.people") == [("one",)]
    assert await enrol(office, enrolment, "one") == 201


async def test_a_login_that_is_somebody_else_s_does_not_become_administrator(office: Office):
    await office.add("operator", login="somebody")
    office.change("UPDATE accounts.people SET active = false WHERE login = 'administrator'")
    assert await bootstrap(office, "somebody") is None
    assert office.rows("SELECT roles FROM accounts.people WHERE login = 'somebody'") == [(["operator"],)]


async def test_the_job_forgets_what_has_ended_and_nothing_else(office: Office):
    desk = await office.enrolled("desk")
    await office.sign_in(desk)
    await office.call("POST", "/sessions", {"login": "nobody", "password": "x"})
    (job,) = JOBS
    assert job.name == "accounts.forget-expired"
    office.clock.now = START + timedelta(seconds=899)
    assert await run_job(office.app.state, job, office.clock()) == 0

    office.clock.now = START + timedelta(seconds=900)  # both counters
    assert await run_job(office.app.state, job, office.clock()) == 2
    office.clock.now = START + timedelta(hours=11)
    await office.sign_in(desk)
    office.clock.now = START + timedelta(hours=12)  # the first session and the new counter
    assert await run_job(office.app.state, job, office.clock()) == 2
    assert office.rows("SELECT count(*) FROM accounts.sessions") == [(1,)]
    office.clock.now = START + timedelta(hours=72)  # the other session, the administrator's enrolment
    assert await run_job(office.app.state, job, office.clock()) == 2
    assert office.rows("SELECT count(*) FROM accounts.credentials WHERE enrolment_hash IS NOT NULL") == [(0,)]
    assert (await last_runs(office.app.state))[job.name].error == ""
    assert office.rows("SELECT count(*) FROM accounts.people") == [(2,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts.people SET login = 'administrator'",
        "UPDATE accounts.people SET name = 'x'",
        "UPDATE accounts.people SET created = now()",
        "UPDATE accounts.passkeys SET public_key = ''",
        "UPDATE accounts.passkeys SET person = gen_random_uuid()",
        "UPDATE accounts.recovery_codes SET person = gen_random_uuid()",
        "UPDATE accounts.challenges SET expires = '2999-01-01'",
        "UPDATE accounts.api_clients SET scopes = '{client:calls}'",
        "DELETE FROM accounts.api_clients",
        "DELETE FROM accounts.people",
        "DELETE FROM accounts.credentials",
        "DELETE FROM accounts.keys",
        "DELETE FROM accounts.certificates",
        "UPDATE accounts.certificates SET document = '{}'",
        "UPDATE accounts.certificates SET valid_until = '2999-01-01'",
        "UPDATE accounts.group_keys SET person = gen_random_uuid()",
        "UPDATE accounts.sessions SET expires = '2999-01-01'",
        "UPDATE accounts.sessions SET person = gen_random_uuid()",
        "UPDATE accounts.credentials SET person = gen_random_uuid()",
        "TRUNCATE accounts.sign_in_throttle",
        "DROP TABLE accounts.sessions",
        "CREATE TABLE accounts.more (id int)",
        "UPDATE accounts.alembic_version SET version_num = '0000'",
        "SELECT * FROM intake.reports",
    ],
)
def test_the_service_s_login_may_not(service_login: psycopg.Connection, statement: str):
    with service_login, pytest.raises(psycopg.errors.InsufficientPrivilege):
        service_login.execute(statement.encode())
