"""Passkeys with the real thing: Chromium with a virtual authenticator against a server of its own, on localhost."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Browser, CDPSession, Page

from services.contracts.accounts import Role
from services.crypto import tokens
from services.crypto.canonical import b64u, unb64u
from services.first_run import Folder
from services.kit.ports import free_port
from tests.accounts.conftest import BASE, PASSWORD, code_at
from tests.conftest import Database
from tests.system.browser import browser

CREATE = """async options => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return (await navigator.credentials.create({publicKey})).toJSON();
}"""
GET = """async options => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({publicKey})).toJSON();
}"""
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
Answer = dict[str, Any]


@dataclass
class Device:
    """A page of the site and the authenticator of the machine it is shown on."""

    page: Page
    cdp: CDPSession
    id: str

    @classmethod
    def new(cls, opened: Browser, url: str, **changes: object) -> "Device":
        page = opened.new_context().new_page()
        page.goto(f"{url}/healthz")
        cdp = page.context.new_cdp_session(page)
        cdp.send("WebAuthn.enable")
        made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR | changes})
        return cls(page, cdp, made["authenticatorId"])

    def create(self, options: Answer) -> Answer:
        found: Answer = self.page.evaluate(CREATE, options)
        return found

    def get(self, options: Answer) -> Answer:
        found: Answer = self.page.evaluate(GET, options)
        return found

    def credentials(self) -> list[Answer]:
        found: list[Answer] = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})[
            "credentials"
        ]
        return found

    def put_back(self, credential: Answer) -> None:
        """A copy of the credential, as it was then, in place of what is there now."""
        self.cdp.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})
        where = {"authenticatorId": self.id, "credential": credential}
        self.cdp.send("WebAuthn.addCredential", where)


@dataclass
class Site:
    """The accounts service as a process, and somebody of its staff."""

    url: str
    http: httpx2.Client
    folder: Folder
    database: Database
    login: str = "administrator"
    totp: str = ""
    session: str = ""

    def call(
        self, method: str, path: str, body: Any = None, session: str = "", token: str = ""
    ) -> httpx2.Response:
        value = f"Session {session}" if session else f"Bearer {token}"
        headers = {"Authorization": value} if session or token else {}
        return self.http.request(method, BASE + path, json=body, headers=headers)

    def good(self, *arguments: Any, **more: Any) -> Answer:
        answer = self.call(*arguments, **more)
        assert answer.is_success, answer.text
        found: Answer = answer.json() if answer.content else {}
        return found

    def enrol(self, enrolment: str, login: str = "administrator") -> tuple[str, str]:
        """A token and the session of somebody who enrols and signs in with a code."""
        body = {"login": login, "enrolment": enrolment, "password": PASSWORD}
        self.totp = self.good("POST", "/enrolments", body)["totp_secret"]
        code = code_at(self.totp, datetime.now(UTC))
        found = self.good("POST", "/sessions", {"login": login, "password": PASSWORD, "totp": code})
        return found["access_token"], found["session"]

    def register(self, device: Device, token: str, name: str = "Key of the desk") -> httpx2.Response:
        options = self.good("POST", "/me/passkeys/challenges", token=token)["public_key"]
        return self.call(
            "POST", "/me/passkeys", {"name": name, "answer": device.create(options)}, token=token
        )

    def options(self, login: str = "administrator") -> Answer:
        found: Answer = self.good("POST", "/sessions/challenges", {"login": login})["public_key"]
        return found

    def sign_in(self, answer: Answer, login: str = "administrator") -> httpx2.Response:
        return self.call("POST", "/sessions", {"login": login, "password": PASSWORD, "passkey": answer})

    def change(self, statement: str) -> None:
        with self.database.superuser() as conn:
            conn.execute(statement.encode())


@contextmanager
def served(command: list[str], url: str) -> Iterator[httpx2.Client]:
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        httpx2.Client(base_url=url) as client,
    ):
        try:
            until = time.monotonic() + 30
            while True:
                try:
                    client.get("/healthz").raise_for_status()
                    break
                except httpx2.TransportError:
                    assert process.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield client
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def site(
    environment: dict[str, str], database: Database, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    monkeypatch.setenv("ADAL_ACCOUNTS_SECOND_FACTOR", "true")
    port = free_port()
    factory = "services.accounts.app:create_app"
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port), "--no-access-log"]
    url = f"http://localhost:{port}"
    with served(command, url) as client:
        yield Site(url, client, folder, database)


@pytest.fixture
def token(site: Site) -> str:
    """The token of the first administrator, who signed in with a code."""
    command = [sys.executable, "-m", "services.accounts.bootstrap", "--login", "administrator"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    token, site.session = site.enrol(done.stdout.strip())
    return token


@pytest.fixture
def device(site: Site, opened: Browser) -> Iterator[Device]:
    made = Device.new(opened, site.url)
    yield made
    made.page.context.close()


def colleague(site: Site, token: str, login: str = "second") -> str:
    """The token of another member of staff."""
    body = {"login": login, "name": "Invented Second", "roles": [Role.DESK.value]}
    enrolment = site.good("POST", "/staff", body, token=token)["enrolment"]
    return site.enrol(enrolment, login)[0]


def test_a_passkey_is_made_listed_and_signs_in_with_the_password(site: Site, token: str, device: Device):
    assert site.register(device, token).status_code == 201
    found = site.good("GET", "/me/passkeys", token=token)["items"]
    assert [(one["name"], set(one)) for one in found] == [("Key of the desk", {"id", "name", "created"})]
    for _ in range(2):
        answer = site.sign_in(device.get(site.options()))
        assert answer.status_code == 201, answer.text
    claims = tokens.read(
        answer.json()["access_token"],
        [site.folder.signing("accounts-token").verify_key],
        int(time.time()),
    )
    assert claims["stepped"] == claims["iat"]
    wrong = {"login": "administrator", "password": "wrong" * 4, "passkey": device.get(site.options())}
    assert site.call("POST", "/sessions", wrong).status_code == 401
    assert site.call("POST", "/sessions", {**wrong, "password": PASSWORD}).status_code == 401


def test_an_answer_is_good_once_in_time_and_for_what_it_was_asked(site: Site, token: str, device: Device):
    site.register(device, token)
    answer = device.get(site.options())
    assert site.sign_in(answer).status_code == 201
    replayed = site.sign_in(answer)
    assert (replayed.status_code, replayed.json()["type"]) == (401, "urn:adal:problem:sign-in")

    late = device.get(site.options())
    site.change("UPDATE accounts.challenges SET expires = now() - interval '1 second'")
    assert site.sign_in(late).status_code == 401

    step_up = site.good("POST", "/sessions/current/challenges", session=site.session)["public_key"]
    assert site.sign_in(device.get(step_up)).status_code == 401
    assert site.sign_in(device.get(site.options("somebody"))).status_code == 401
    invented = {**site.options(), "challenge": b64u(bytes(32))}
    assert site.sign_in(device.get(invented)).status_code == 401
    assert site.sign_in(device.get(site.options())).status_code == 201


def test_a_step_up_takes_a_passkey_of_this_person(site: Site, token: str, device: Device):
    site.register(device, token)
    path = "/sessions/current/challenges"
    options = site.good("POST", path, session=site.session)["public_key"]
    assert [one["id"] for one in options["allowCredentials"]] == [
        b64u(base64.b64decode(one["credentialId"])) for one in device.credentials()
    ]
    sign_in = device.get(site.options())
    proof = {"passkey": sign_in}
    refused = site.call("POST", "/sessions/current/step-up", proof, session=site.session)
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:adal:problem:step-up-refused")
    proof = {"passkey": device.get(options)}
    assert site.call("POST", "/sessions/current/step-up", proof, session=site.session).status_code == 201
    assert site.call("POST", "/sessions/current/step-up", proof, session=site.session).status_code == 401


USER_PRESENT, USER_VERIFIED = 1, 4


def forged(site: Site, credential: Answer, options: Answer, flags: int) -> Answer:
    """What a device would answer that claims just these flags: made with the passkey's own secret."""
    client = {"type": "webauthn.get", "challenge": options["challenge"], "origin": site.url}
    data = json.dumps(client).encode()
    count = credential["signCount"] + 1
    shown = hashlib.sha256(b"localhost").digest() + bytes([flags]) + count.to_bytes(4)
    key = serialization.load_der_private_key(base64.b64decode(credential["privateKey"]), None)
    assert isinstance(key, Ed25519PrivateKey)
    signature = key.sign(shown + hashlib.sha256(data).digest())
    name = b64u(base64.b64decode(credential["credentialId"]))
    response = {
        "clientDataJSON": b64u(data),
        "authenticatorData": b64u(shown),
        "signature": b64u(signature),
    }
    return {"id": name, "rawId": name, "type": "public-key", "response": response}


@pytest.mark.parametrize(
    ("flags", "status"), [(USER_PRESENT | USER_VERIFIED, 201), (USER_PRESENT, 401), (USER_VERIFIED, 401)]
)
def test_a_device_that_did_not_verify_its_user_proves_nothing(
    site: Site, token: str, device: Device, flags: int, status: int
):
    site.register(device, token)
    answer = forged(site, device.credentials()[0], site.options(), flags)
    assert site.sign_in(answer).status_code == status


def test_a_passkey_made_without_verification_is_not_kept(
    site: Site, token: str, device: Device, opened: Browser
):
    careless = Device.new(opened, site.url, transport="usb", hasUserVerification=False, isUserVerified=False)
    options = site.good("POST", "/me/passkeys/challenges", token=token)["public_key"]
    options["authenticatorSelection"] = {"userVerification": "discouraged"}
    body = {"name": "lazy", "answer": careless.create(options)}
    assert site.call("POST", "/me/passkeys", body, token=token).status_code == 422
    assert site.good("GET", "/me/passkeys", token=token)["items"] == []
    careless.page.context.close()


def test_a_copied_passkey_is_found_out_by_its_counter(site: Site, token: str, device: Device):
    site.register(device, token)
    (before,) = device.credentials()
    assert site.sign_in(device.get(site.options())).status_code == 201
    device.put_back(before)
    assert site.sign_in(device.get(site.options())).status_code == 401


def test_a_passkey_of_somebody_else_opens_nothing(site: Site, token: str, device: Device):
    second = colleague(site, token)
    site.register(device, second)
    assert site.sign_in(device.get(site.options())).status_code == 401
    assert site.sign_in(device.get(site.options("second")), "second").status_code == 201
    (theirs,) = site.good("GET", "/me/passkeys", token=second)["items"]
    assert site.call("DELETE", f"/me/passkeys/{theirs['id']}", token=token).status_code == 404


def test_the_question_is_the_same_for_known_and_unknown_logins(site: Site, token: str, device: Device):
    site.register(device, token)
    known, unknown = site.options(), site.options("nobody")
    assert known.pop("challenge") != unknown.pop("challenge")
    assert known == unknown
    assert known["allowCredentials"] == []


def test_a_removed_passkey_opens_nothing(site: Site, token: str, device: Device):
    made = site.register(device, token).json()
    assert site.call("DELETE", f"/me/passkeys/{made['id']}", token=token).status_code == 204
    assert site.sign_in(device.get(site.options())).status_code == 401


def test_a_person_has_several_and_a_renewed_enrolment_none(
    site: Site, token: str, device: Device, opened: Browser
):
    second = colleague(site, token)
    other = Device.new(opened, site.url)
    for each, name in ((device, "One"), (other, "Two")):
        assert site.register(each, second, name).status_code == 201
        assert site.sign_in(each.get(site.options("second")), "second").status_code == 201
    other.page.context.close()
    (person,) = [
        one["id"] for one in site.good("GET", "/staff", token=token)["items"] if one["roles"] == ["desk"]
    ]
    site.good("POST", f"/staff/{person}/enrolment", token=token)
    with site.database.superuser() as conn:
        assert conn.execute("SELECT count(*) FROM accounts.passkeys").fetchone() == (0,)


def test_one_authenticator_answer_registers_once_and_for_its_person(site: Site, token: str, device: Device):
    options = site.good("POST", "/me/passkeys/challenges", token=token)["public_key"]
    body = {"name": "x", "answer": device.create(options)}
    second = colleague(site, token)
    assert site.call("POST", "/me/passkeys", body, token=second).status_code == 422
    # The challenge is spent by the attempt, whoever made it.
    assert site.call("POST", "/me/passkeys", body, token=token).status_code == 422


def test_an_answer_made_for_another_page_is_refused(site: Site, token: str, device: Device):
    site.register(device, token)
    changes: list[Answer] = [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost.evil.example"},
        {"crossOrigin": True},
    ]
    for change in changes:
        answer = device.get(site.options())
        client = json.loads(unb64u(answer["response"]["clientDataJSON"])) | change
        answer["response"]["clientDataJSON"] = b64u(json.dumps(client).encode())
        assert site.sign_in(answer).status_code == 401
    assert site.sign_in(device.get(site.options())).status_code == 201


def test_what_is_no_answer_is_refused_like_a_wrong_one(site: Site, token: str):
    answers: list[Answer] = [
        {},
        {"response": {"clientDataJSON": "x"}},
        {"response": {"clientDataJSON": b64u(b"[" * 300)}},
        {"rawId": 5, "response": {"clientDataJSON": b64u(b"{}")}},
    ]
    for answer in answers:
        refused = site.sign_in(answer)
        assert (refused.status_code, refused.json()["type"]) == (401, "urn:adal:problem:sign-in")
        body = {"name": "x", "answer": answer}
        assert site.call("POST", "/me/passkeys", body, token=token).status_code == 422
