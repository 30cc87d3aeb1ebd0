"""Accounts by command: an administrator changes, closes and renews; everybody has sessions and recovery codes."""

import asyncio
import json
import re
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from services import dev
from tests.cli.conftest import Outcome, Run, run_command, value_of
from tests.system.conftest import Server


@pytest.fixture
def adal(strict: Server) -> Run:
    return lambda *args, typed="": run_command("--url", strict.url, "--var", strict.var, *args, typed=typed)


def good(found: Outcome) -> Outcome:
    assert found.code == 0, found.text
    return found


def colleague(adal: Run, login: str, folder: Path, role: str = "desk") -> tuple[str, Path]:
    """Id and file of secrets of somebody who enrolled."""
    path = folder / f"{login}.json"
    found = good(adal("staff", "add", login, "--name", login, "--role", role, "--enrol", "--save", path))
    return value_of(found, "Id"), path


def test_roles_change_and_two_sides_of_one_step_are_refused(adal: Run, tmp_path: Path):
    person, _ = colleague(adal, "roles", tmp_path)
    good(adal("staff", "roles", person, "--role", "desk", "--role", "lead"))
    assert re.search(rf"{person}.*desk lead", good(adal("staff", "list", "--secrets", _)).out)
    refused = adal("staff", "roles", person, "--role", "desk", "--role", "custodian")
    assert refused.code == 2
    assert "custodian guards identities" in refused.err
    assert adal("staff", "roles", person, "--role", "root").code == 2


def test_a_closed_account_lists_no_cases_until_it_is_opened(adal: Run, tmp_path: Path):
    person, secrets = colleague(adal, "closed", tmp_path)
    _, other = colleague(adal, "other", tmp_path)
    good(adal("case", "list", "--secrets", secrets))
    good(adal("staff", "disable", person))
    assert adal("case", "list", "--secrets", secrets).code == 2
    assert person not in good(adal("staff", "list", "--secrets", other)).out
    assert person in good(adal("staff", "list", "--closed", "--secrets", other)).out
    good(adal("staff", "disable", person, "--enable"))
    assert person in good(adal("staff", "list", "--secrets", other)).out


def test_a_renewed_enrolment_makes_the_old_secrets_useless(adal: Run, tmp_path: Path):
    person, secrets = colleague(adal, "renewed", tmp_path)
    enrolment = value_of(good(adal("staff", "renew", person)), "One-time enrolment secret")
    assert adal("case", "list", "--secrets", secrets).code == 2
    assert len(enrolment) == 32


def test_who_left_is_gone_from_the_list(adal: Run, tmp_path: Path):
    person, secrets = colleague(adal, "leaver", tmp_path)
    _, stays = colleague(adal, "stays", tmp_path, "lead")
    good(adal("staff", "leave", person))
    assert person not in good(adal("staff", "list", "--secrets", stays)).out
    assert adal("case", "list", "--secrets", secrets).code == 2
    assert adal("staff", "leave", person).code == 2


def test_sessions_are_listed_and_ended(adal: Run, tmp_path: Path):
    person, secrets = colleague(adal, "sessions", tmp_path)
    listed = good(adal("staff", "sessions", "--secrets", secrets))
    assert listed.out.count("this one") == 1
    assert len(re.findall(r"\d{4}-\d\d-\d\d", listed.out)) >= 2
    ended = good(adal("staff", "sessions", "--end-others", "--secrets", secrets))
    assert len(re.findall(r"\d{4}-\d\d-\d\d", ended.out)) == 1
    refused = adal("staff", "sessions", "--of", person, "--secrets", secrets)
    assert refused.code == 2


def test_recovery_codes_are_shown_once_and_sign_in(adal: Run, strict: Server, tmp_path: Path):
    _, secrets = colleague(adal, "recovery", tmp_path)
    shown = good(adal("staff", "recovery", "--secrets", secrets)).out
    codes = re.findall(r"\b(?:[0-9a-z]{4}-){3}[0-9a-z]{4}\b", shown)
    assert len(set(codes)) == 10
    known = json.loads(secrets.read_text())
    body = {"login": known["login"], "password": known["password"], "recovery_code": codes[0]}
    answers = [httpx2.post(f"{strict.url}/api/accounts/v1/sessions", json=body).status_code for _ in range(2)]
    assert answers == [201, 401]


def test_a_step_up_by_command(adal: Run, tmp_path: Path):
    _, secrets = colleague(adal, "stepper", tmp_path)
    assert "five minutes" in good(adal("staff", "step-up", "--secrets", secrets)).out


def test_a_kept_session_proves_itself_anew_when_that_is_asked(adal: Run, strict: Server, tmp_path: Path):
    person, _ = colleague(adal, "proved", tmp_path)
    asyncio.run(make_all_proofs_old(strict.var))
    kept = strict.var / "dev" / "administrator.json.session"
    before = kept.read_text()
    good(adal("staff", "roles", person, "--role", "lead"))
    assert kept.read_text() == before
    assert asyncio.run(fresh_proofs(strict.var)) == 1


async def make_all_proofs_old(var: Path) -> None:
    async with dev.local_states(var) as states, states["accounts"].engine.begin() as conn:
        await conn.execute(text("UPDATE accounts.sessions SET stepped = now() - interval '1 hour'"))


async def fresh_proofs(var: Path) -> int:
    query = text("SELECT count(*) FROM accounts.sessions WHERE stepped > now() - interval '1 minute'")
    async with dev.local_states(var) as states, states["accounts"].engine.connect() as conn:
        return int(await conn.scalar(query) or 0)


def test_api_clients_from_making_to_closing(adal: Run, strict: Server):
    made = good(adal("staff", "client", "add", "Telephony", "--scope", "client:calls"))
    client, secret = value_of(made, "Id"), value_of(made, "Secret")

    def status(secret: str) -> int:
        body = {"client_id": client, "secret": secret}
        return httpx2.post(f"{strict.url}/api/accounts/v1/clients/token", json=body).status_code

    assert status(secret) == 201
    listed = good(adal("staff", "client", "list")).out
    assert client in listed
    assert secret not in listed
    new = value_of(good(adal("staff", "client", "rotate", client)), "Secret")
    assert (status(secret), status(new)) == (401, 201)
    good(adal("staff", "client", "disable", client))
    assert status(new) == 401
    good(adal("staff", "client", "disable", client, "--enable"))
    assert status(new) == 201
    assert adal("staff", "client", "add", "X", "--scope", "desk").code == 2


def test_somebody_is_linked_to_the_identity_provider_and_unlinked(adal: Run, tmp_path: Path):
    person, _ = colleague(adal, "linked", tmp_path)
    other, _ = colleague(adal, "unlinked", tmp_path)
    link = ("--issuer", "https://id.example.org", "--subject", "aigerim")
    good(adal("staff", "link", person, *link))
    assert adal("staff", "link", other, *link).code != 0
    good(adal("staff", "unlink", person))
    good(adal("staff", "link", other, *link))
