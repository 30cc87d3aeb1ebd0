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


def fingerprint_in(found: Outcome) -> str:
    """The six groups of digits that were shown."""
    match = re.search(r"Fingerprint +((?:[0-9]{5} ?){6})", found.out)
    assert match is not None, found.text
    return match[1]


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


def test_who_lost_their_factors_enrols_again_and_keeps_the_certified_keys(adal: Run, tmp_path: Path):
    person, secrets = colleague(adal, "again", tmp_path)
    before = fingerprint_in(good(adal("keys", "fingerprint", "--secrets", secrets)))
    enrolment = value_of(good(adal("staff", "renew", person)), "One-time enrolment secret")
    fresh = tmp_path / "fresh.json"
    found = good(adal("staff", "enrol", "again", "--save", fresh, typed=enrolment + "\n"))
    assert "Passphrase" not in found.out
    assert "adal keys renew" in found.out
    assert "passphrase" not in json.loads(fresh.read_text())
    passphrase = json.loads(secrets.read_text())["passphrase"]
    shown = good(adal("keys", "fingerprint", "--secrets", fresh, typed=passphrase + "\n"))
    assert fingerprint_in(shown) == before
    assert re.search(rf"{person}.*yes", good(adal("staff", "list", "--secrets", fresh)).out)


def test_a_lost_passphrase_is_replaced_and_the_certificate_ends(adal: Run, tmp_path: Path):
    person, secrets = colleague(adal, "lost", tmp_path)
    before = fingerprint_in(good(adal("keys", "fingerprint", "--secrets", secrets)))
    assert adal("keys", "renew", "--secrets", secrets, typed="no\n").code == 2
    made = good(adal("keys", "renew", "--yes", "--secrets", secrets))
    assert value_of(made, "Id") == person
    assert fingerprint_in(made) != before
    content = json.loads(secrets.read_text())
    assert adal("keys", "fingerprint", "--secrets", secrets).code == 2, "the old passphrase opens nothing"
    secrets.write_text(json.dumps(content | {"passphrase": value_of(made, "Passphrase")}))
    shown = good(adal("keys", "fingerprint", "--secrets", secrets))
    assert fingerprint_in(shown) == fingerprint_in(made)
    assert re.search(rf"{person}.* no", good(adal("staff", "list", "--secrets", secrets)).out)


def test_a_person_is_named_by_id_or_by_the_exact_name(adal: Run, tmp_path: Path):
    colleague(adal, "exact.name", tmp_path)
    good(adal("staff", "disable", "exact.name"))
    good(adal("staff", "disable", "exact.name", "--enable"))
    good(adal("staff", "roles", "exact.name", "--role", "lead"))
    for unknown in ("exact", "Exact.Name", "00000000-0000-4000-8000-00000000dead"):
        assert adal("staff", "roles", unknown, "--role", "desk").code == 2
    twins = [colleague(adal, login, tmp_path) for login in ("twin.a",)]
    good(adal("staff", "add", "twin.b", "--name", "twin.a", "--role", "desk"))
    several = adal("staff", "disable", "twin.a")
    assert (several.code, "Several people" in several.err) == (2, True)
    good(adal("staff", "disable", twins[0][0]))
    _, blind = colleague(adal, "sees.nobody", tmp_path, "investigator")
    told = adal("keys", "escrow", "--keeper", "exact.name", "--keeper", "twin.a", "--secrets", blind)
    assert (told.code, "Give the id" in told.err) == (2, True)


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
