"""Single sign-on with a passkey: the real provider says who, a real browser's authenticator is the second factor."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx2
import pytest

from services.first_run import Folder
from services.kit.ports import free_port
from tests.accounts.provider import CLIENT, REDIRECT, SECRET, browse, real_provider
from tests.accounts.test_passkeys import Answer, Device, Site, served
from tests.conftest import Database
from tests.system.browser import browser

SUBJECT = "aigerim"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with real_provider() as found:
        yield found


@pytest.fixture
def secret(issuer: str, environment: dict[str, str], folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a service that signs on at the provider."""
    path = folder.keys / "oidc-secret"
    path.write_text(SECRET)
    monkeypatch.setenv("ADAL_ACCOUNTS_SECOND_FACTOR", "true")
    for name, value in (
        ("ISSUER", issuer),
        ("CLIENT_ID", CLIENT),
        ("REDIRECT_URI", REDIRECT),
        ("CLIENT_SECRET_FILE", str(path)),
    ):
        monkeypatch.setenv(f"ADAL_ACCOUNTS_OIDC_{name}", value)


@pytest.fixture
def site(secret: None, database: Database, folder: Folder) -> Iterator[Site]:
    port = free_port()
    factory = "services.accounts.app:create_app"
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port), "--no-access-log"]
    with served(command, f"http://localhost:{port}") as client:
        yield Site(f"http://localhost:{port}", client, folder, database)


@pytest.fixture
def token(site: Site, issuer: str) -> str:
    """The token of a desk member who is SUBJECT at the provider."""
    command = [sys.executable, "-m", "services.accounts.bootstrap", "--login", "administrator"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    administrator, _ = site.enrol(done.stdout.strip())
    body = {"login": "second", "name": "Invented Second", "roles": ["desk"]}
    new = site.good("POST", "/staff", body, token=administrator)
    path, link = f"/staff/{new['id']}/external-subject", {"issuer": issuer, "subject": SUBJECT}
    site.good("PUT", path, link, token=administrator)
    return site.enrol(new["enrolment"], "second")[0]


@pytest.fixture
def device(site: Site, token: str) -> Iterator[Device]:
    """The desk member's own device, with a passkey."""
    with browser() as opened:
        made = Device.new(opened, site.url)
        assert site.register(made, token).status_code == 201
        yield made


def begun(site: Site) -> Answer:
    """A sign-on that the provider has answered, as the body of `finish`, still without a factor."""
    made = site.good("POST", "/oidc/begin", {})
    with ThreadPoolExecutor(1) as pool:  # the browser's driver has the loop of this thread
        sent = pool.submit(anyio.run, browse, made["authorization_url"], SUBJECT).result()
    return {"login": made["login"], "state": sent["state"], "code": sent["code"]}


def question(site: Site, login: str) -> Answer:
    found: Answer = site.good("POST", "/oidc/challenges", {"login": login})["public_key"]
    return found


def finish(site: Site, body: Answer, **factor: object) -> httpx2.Response:
    return site.call("POST", "/oidc/finish", body | factor)


def test_a_passkey_is_the_second_factor_of_a_single_sign_on(site: Site, device: Device):
    body = begun(site)
    asked = question(site, body["login"])
    assert asked["userVerification"] == "required"
    assert asked["allowCredentials"] == [], "the question names no passkey of anybody"
    answer = finish(site, body, passkey=device.get(asked))
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["person"]["login"], found["person"]["roles"]) == ("second", ["desk"])
    assert site.good("POST", "/sessions/current/token", session=found["session"])["access_token"]


def test_an_answer_is_good_for_its_own_sign_on_and_once(site: Site, device: Device):
    first, second = begun(site), begun(site)
    answer = device.get(question(site, first["login"]))
    crossed = finish(site, second, passkey=answer)
    assert (crossed.status_code, crossed.json()["type"]) == (401, "urn:adal:problem:sign-on")
    assert finish(site, first, passkey=answer).status_code == 201
    assert finish(site, first, passkey=answer).status_code == 401
    third = begun(site)
    assert finish(site, third | {"login": first["login"]}, passkey=answer).status_code == 401
    by_password = device.get(site.options("second"))
    assert finish(site, third, passkey=by_password).status_code == 401, "asked for at another door"


def test_an_answer_for_a_sign_on_opens_no_other_door(site: Site, device: Device):
    answer = device.get(question(site, begun(site)["login"]))
    assert site.sign_in(answer, "second").status_code == 401
    step_up = site.call("POST", "/sessions/current/step-up", {"passkey": answer}, session=site.session)
    assert step_up.status_code == 401


def test_ten_answers_at_once_open_one_session(site: Site, device: Device):
    body = begun(site)
    answer = device.get(question(site, body["login"]))
    with ThreadPoolExecutor(10) as pool:
        sent = [pool.submit(finish, site, body, passkey=answer) for _ in range(10)]
        statuses = sorted(one.result().status_code for one in sent)
    assert statuses == [201] + [401] * 9


def test_a_removed_passkey_proves_nothing(site: Site, device: Device, token: str):
    (passkey,) = site.good("GET", "/me/passkeys", token=token)["items"]
    assert site.call("DELETE", f"/me/passkeys/{passkey['id']}", token=token).status_code == 204
    body = begun(site)
    assert finish(site, body, passkey=device.get(question(site, body["login"]))).status_code == 401


def test_a_passkey_of_somebody_else_proves_nothing(site: Site, device: Device):
    site.change(
        "UPDATE accounts.passkeys SET person = (SELECT id FROM accounts.people WHERE login = 'administrator')"
    )
    body = begun(site)
    assert finish(site, body, passkey=device.get(question(site, body["login"]))).status_code == 401
