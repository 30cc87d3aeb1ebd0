"""ID tokens of a provider that lies, forges or fails: nothing but a proof for us, now, to our question, lets in."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from services.accounts import id_tokens
from services.accounts.id_tokens import Expected, claims_hold
from services.accounts.identity_provider import challenge_of
from services.crypto.canonical import b64u
from tests.accounts.conftest import Clock, Colleague, Office
from tests.accounts.provider import CLIENT, Liar, begin, finish, link, lying_provider, use

KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER = RSAKey.generate_key(2048, {"kid": "one"})
NOW = 1_800_000_000
ISSUER = "https://id.example.org"


def public(key: RSAKey | ECKey) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


def signed(claims: dict[str, Any], key: Any = KEY, algorithm: str = "RS256", kid: str = "one") -> str:
    return jwt.encode({"alg": algorithm, "kid": kid}, claims, key, algorithms=[algorithm])


def unsigned(claims: dict[str, Any]) -> str:
    head, body = (b64u(json.dumps(part).encode()) for part in ({"alg": "none", "kid": "one"}, claims))
    return f"{head}.{body}."


# --- claims, as a pure function


def claims(**changes: Any) -> dict[str, Any]:
    found = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "aigerim",
        "nonce": "n",
        "iat": NOW,
        "exp": NOW + 300,
    } | changes
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": [CLIENT]},
        {"azp": CLIENT},
        {"iat": NOW + 60},
        {"iat": NOW - 600},
        {"exp": NOW - 59},
        {"sub": "s" * 255},
    ],
    ids=str,
)
def test_claims_that_hold(changes: dict[str, Any]):
    assert claims_hold(claims(**changes), Expected(ISSUER, CLIENT, "n"), NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
        {"aud": None},
        {"aud": []},
        {"azp": "another"},
        {"iat": NOW + 61},
        {"iat": NOW - 601},
        {"iat": None},
        {"iat": str(NOW)},
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": float("inf")},
        {"nonce": "m"},
        {"nonce": None},
        {"nonce": ["n"]},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "s" * 256},
    ],
    ids=str,
)
def test_claims_that_do_not_hold(changes: dict[str, Any]):
    assert not claims_hold(claims(**changes), Expected(ISSUER, CLIENT, "n"), NOW)


def test_the_challenge_is_that_of_the_standard():
    # RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_every_allowed_algorithm_is_asymmetric():
    assert set(id_tokens.ALGORITHMS.values()) == {"RSA", "EC", "OKP"}


# --- through the service


@pytest.fixture
def liar(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Liar]:
    with lying_provider() as found:
        found.keys = [public(KEY)]
        use(monkeypatch, found.issuer, clock)
        yield found


@pytest.fixture
async def desk(liar: Liar, office: Office) -> Colleague:
    who = await office.enrolled("desk")
    assert (await link(office, who, liar.issuer, "aigerim")).status_code == 204
    return who


async def attempt(
    office: Office, liar: Liar, who: Colleague, make: Callable[[dict[str, Any]], str]
) -> httpx2.Response:
    """The answer to an ID token made of right claims."""
    begun = await begin(office)
    query = parse_qs(urlsplit(begun["authorization_url"]).query)
    now = int(office.clock().timestamp())
    right = claims(iss=liar.issuer, nonce=query["nonce"][0], iat=now, exp=now + 300)
    liar.token = make(right)
    return await finish(office, begun, {"state": query["state"][0], "code": "c"}, who)


FORGED: dict[str, Callable[[dict[str, Any]], str]] = {
    "another key of the same name": lambda right: signed(right, OTHER),
    "no algorithm": unsigned,
    "the public key as a secret": lambda right: signed(
        right, OctKey.import_key(b64u(KEY.as_pem(private=False))), "HS256"
    ),
    "an algorithm that is not allowed": lambda right: signed(right, KEY, "RS512"),
    "changed claims": lambda right: ".".join(
        [*signed(right | {"sub": "bolat"}).split(".")[:2], signed(right).split(".")[2]]
    ),
    "another audience": lambda right: signed(right | {"aud": "another"}),
    "another nonce": lambda right: signed(right | {"nonce": "another"}),
    "another issuer": lambda right: signed(right | {"iss": ISSUER}),
    "expired": lambda right: signed(right | {"exp": right["iat"] - 61}),
    "a list of claims": lambda _: jws.serialize_compact({"alg": "RS256", "kid": "one"}, b"[]", KEY),
    "no token": lambda _: "not a token",
    "too long": lambda right: signed(right | {"more": "x" * 20_000}),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", FORGED)
async def test_a_token_that_proves_nothing_is_refused(liar: Liar, office: Office, desk: Colleague, name: str):
    answer = await attempt(office, liar, desk, FORGED[name])
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:adal:problem:sign-on")
    assert (await attempt(office, liar, desk, signed)).status_code == 201


@pytest.mark.anyio
async def test_keys_are_kept_for_an_hour_and_fetched_once_more_for_an_unknown_one(
    liar: Liar, office: Office, desk: Colleague
):
    new = RSAKey.generate_key(2048, {"kid": "two"})
    assert (await attempt(office, liar, desk, signed)).status_code == 201
    office.clock.forward(minutes=59)
    liar.keys = [public(new)]
    assert (await attempt(office, liar, desk, lambda r: signed(r, new, kid="two"))).status_code == 201
    assert liar.asked.count("/jwks") == 2
    office.clock.forward(seconds=30)
    assert (await attempt(office, liar, desk, lambda r: signed(r, new, kid="three"))).status_code == 401
    assert liar.asked.count("/jwks") == 3
    office.clock.forward(hours=1)
    assert (await attempt(office, liar, desk, lambda r: signed(r, new, kid="two"))).status_code == 201
    assert liar.asked.count("/jwks") == 4


@pytest.mark.anyio
async def test_a_symmetric_key_that_the_issuer_publishes_is_not_used(
    liar: Liar, office: Office, desk: Colleague
):
    secret = OctKey.generate_key(256, {"kid": "one"})
    liar.keys = [dict(secret.as_dict(private=True))]
    answer = await attempt(office, liar, desk, lambda right: signed(right, secret, "HS256"))
    assert answer.status_code == 401


DOCUMENT = "/.well-known/openid-configuration"
FAILURES: dict[str, Callable[[Liar], object]] = {
    "another issuer": lambda liar: liar.document.update(issuer=ISSUER),
    "an issuer that ends otherwise": lambda liar: liar.document.update(issuer=liar.issuer + "/"),
    "keys elsewhere": lambda liar: liar.document.update(jwks_uri="http://127.0.0.1:1/jwks"),
    "codes elsewhere": lambda liar: liar.document.update(token_endpoint="https://evil.example.org/"),
    "sign-in elsewhere": lambda liar: liar.document.update(
        authorization_endpoint="https://evil.example.org/"
    ),
    "an address missing": lambda liar: liar.document.pop("jwks_uri"),
    "a redirect": lambda liar: liar.instead.update({DOCUMENT: (302, {"Location": "/jwks"}, b"{}")}),
    "a failure": lambda liar: liar.instead.update({DOCUMENT: (500, {}, b"{}")}),
    "no JSON": lambda liar: liar.instead.update({DOCUMENT: (200, {}, b"<html>")}),
    "too many bytes": lambda liar: liar.instead.update({DOCUMENT: (200, {}, b" " * (257 << 10))}),
    "no keys": lambda liar: liar.instead.update({"/jwks": (200, {}, b'{"keys": 5}')}),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", FAILURES)
async def test_a_provider_that_fails_is_a_clear_problem(liar: Liar, office: Office, name: str):
    FAILURES[name](liar)
    answer = await office.call("POST", "/oidc/begin", {})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:adal:problem:identity-provider")
    assert office.rows("SELECT * FROM accounts.external_logins") == []


@pytest.mark.anyio
async def test_a_provider_that_went_away_is_a_clear_problem_and_passwords_go_on(
    liar: Liar, office: Office, desk: Colleague
):
    liar.instead["/token"] = (502, {}, b"")
    answer = await attempt(office, liar, desk, signed)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:adal:problem:identity-provider")
    assert liar.token not in answer.text
    assert (await office.sign_in(desk)).status_code == 201


@pytest.mark.anyio
async def test_many_who_begin_at_once_ask_the_provider_once(liar: Liar, office: Office):
    await asyncio.gather(*(begin(office) for _ in range(20)))
    assert sorted(liar.asked) == sorted([DOCUMENT, "/jwks"])


@pytest.mark.anyio
async def test_a_provider_that_fails_is_left_alone_for_a_moment(liar: Liar, office: Office, clock: Clock):
    liar.instead[DOCUMENT] = (500, {}, b"")
    answers = await asyncio.gather(*(office.call("POST", "/oidc/begin", {}) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {503}
    assert liar.asked == [DOCUMENT]
    liar.instead.clear()
    assert (await office.call("POST", "/oidc/begin", {})).status_code == 503
    clock.forward(seconds=5)
    assert (await office.call("POST", "/oidc/begin", {})).status_code == 201


@pytest.mark.anyio
async def test_where_it_is_off_there_is_nothing(office: Office):
    for path, body in [
        ("begin", None),
        ("challenges", {"login": "x"}),
        ("finish", {"login": "x", "state": "x", "code": "x"}),
    ]:
        assert (await office.call("POST", f"/oidc/{path}", body)).status_code == 404


@pytest.mark.anyio
async def test_a_passkey_may_be_asked_for_by_a_login_that_waits(liar: Liar, office: Office):
    begun = await begin(office)
    answer = await office.call("POST", "/oidc/challenges", {"login": begun["login"]})
    assert answer.status_code == 201
    assert answer.json()["public_key"]["userVerification"] == "required"
    assert not answer.json()["public_key"].get("allowCredentials")
    assert (await office.call("POST", "/oidc/challenges", {"login": "another"})).status_code == 401


@pytest.fixture
def nobody_there(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    use(monkeypatch, "http://localhost:1", clock)


@pytest.mark.anyio
async def test_a_provider_that_does_not_listen_is_a_clear_problem(nobody_there: None, office: Office):
    answer = await office.call("POST", "/oidc/begin", {})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:adal:problem:identity-provider")
