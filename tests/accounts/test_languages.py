"""Refusals are problem documents in the reader's language; what programs read stays the same."""

import pytest

from tests.accounts.conftest import BASE, PASSWORD, Office

pytestmark = pytest.mark.anyio

LANGUAGES = ("kk", "ru", "en")


async def refusals(office: Office) -> dict[str, tuple[str, str, object, dict[str, str]]]:
    """Requests that this service refuses for reasons of its own, by slug."""
    desk = await office.enrolled("desk", login="daniyar")
    waiting = await office.add("desk", login="waiting")
    office.change("UPDATE accounts.credentials SET enrolment_expires = now() + interval '99 years'")
    administrator = office.as_administrator()
    short = {"login": waiting.login, "enrolment": waiting.enrolment, "password": "short"}
    both = {"login": "saule", "name": "S", "roles": ["desk", "custodian"]}
    taken = {"login": desk.login, "name": "S", "roles": ["desk"]}
    key = {"wrapped": "", "recipient": "x", "verify_key": "A" * 43}
    return {
        "sign-in": ("POST", "/sessions", {"login": "nobody", "password": "x"}, {}),
        "enrolment": ("POST", "/enrolments", {**short, "enrolment": "x", "password": PASSWORD}, {}),
        "invalid (password)": ("POST", "/enrolments", short, {}),
        "invalid (roles)": ("POST", "/staff", both, administrator),
        "conflict": ("POST", "/staff", taken, administrator),
        "invalid (key)": ("PUT", "/me/key", key, administrator),
        "invalid (certificate)": ("PUT", f"/staff/{desk.id}/certificate", {}, administrator),
        "step-up": ("POST", "/me/recovery-codes", None, office.bearer(desk.id, ["desk"], 301)),
        "client": ("POST", "/clients/token", {"client_id": str(desk.id), "secret": "x"}, {}),
        "forbidden (oneself)": ("POST", f"/staff/{office.administrator}/leave", None, administrator),
        "invalid (passkey)": (
            "POST",
            "/me/passkeys",
            {"name": "x", "answer": {}},
            office.bearer(desk.id, ["desk"]),
        ),
        "unauthorised": ("GET", "/me", None, {}),
        "forbidden": ("POST", "/staff", taken, office.bearer(desk.id, ["desk"])),
    }


def sentences(problem: dict[str, object]) -> list[str]:
    errors = problem.get("errors", [])
    assert isinstance(errors, list)
    return [str(problem["detail"]), *(error["detail"] for error in errors)]


async def test_every_refusal_is_told_in_three_languages(office: Office):
    for slug, (method, path, body, headers) in (await refusals(office)).items():
        told = []
        for language in LANGUAGES:
            answer = await office.client.request(
                method, BASE + path, json=body, headers={**headers, "Accept-Language": language}
            )
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert problem["type"] == f"urn:adal:problem:{slug.split(' ')[0]}"
            assert problem["status"] == answer.status_code
            told.append(problem)
        assert len({(problem["type"], problem["title"]) for problem in told}) == 1, slug
        for texts in zip(*(sentences(problem) for problem in told), strict=True):
            assert len(set(texts)) == 3, (slug, texts)


async def test_too_many_attempts_are_told_in_three_languages(office: Office):
    for _ in range(10):
        await office.call("POST", "/sessions", {"login": "nobody", "password": "x"})
    told = set()
    for language in LANGUAGES:
        body = {"login": "nobody", "password": "x"}
        answer = await office.call("POST", "/sessions", body, {"Accept-Language": language})
        assert (answer.status_code, answer.json()["title"]) == (429, "Too many attempts")
        told.add(answer.json()["detail"])
    assert len(told) == 3
