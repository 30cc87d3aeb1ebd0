"""The proof of work that a client brings is one the service accepts, and no server can ask for too much."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import altcha
import pytest

from services.client.directory import INTAKE
from services.client.door import let_in, solve
from services.client.errors import BadAnswer, Problem
from tests.client.local import Asked, Reply, as_json, http_to, in_turn, problem, serving

KEY = b"door key of this test"


def challenge(cost: int = 50, **changes: Any) -> dict[str, Any]:
    made = altcha.create_challenge(
        changes.pop("algorithm", "PBKDF2/SHA-256"),
        cost,
        key_prefix="00",
        expires_at=datetime.now(UTC) + timedelta(minutes=5),
        hmac_secret=KEY,
    )
    return {**made.to_dict(), **changes}


def test_the_solution_verifies_and_says_nothing_about_the_machine():
    with serving(in_turn(as_json(challenge()))) as local:
        payload = solve(http_to(local.url))["Adal-Challenge"]
    assert altcha.verify_solution(payload, KEY).verified
    assert "time" not in json.loads(base64.b64decode(payload))["solution"]


def test_no_header_when_no_work_is_asked():
    with serving(in_turn(Reply(204))) as local:
        assert solve(http_to(local.url)) == {}


@pytest.mark.parametrize(
    "answer",
    [
        {**challenge(), "parameters": {**challenge()["parameters"], "cost": 10**9}},
        {**challenge(), "parameters": {**challenge()["parameters"], "algorithm": "ARGON2ID"}},
        {},
        [],
        {"parameters": {}, "signature": ""},
        {**challenge(), "parameters": {**challenge()["parameters"], "nonce": "not hex"}},
    ],
)
def test_what_is_no_honest_challenge_is_refused(answer: Any):
    with serving(in_turn(as_json(answer))) as local, pytest.raises(BadAnswer):
        solve(http_to(local.url))


def test_a_spent_challenge_is_replaced_once():
    posts: list[str] = []

    def answer(asked: Asked) -> Reply:
        if asked.path == f"{INTAKE}/challenge":
            return as_json(challenge())
        posts.append(asked.headers["adal-challenge"])
        return problem("challenge", 403) if len(posts) == 1 else as_json({"in": True}, 201)

    with serving(answer) as local:
        client = http_to(local.url)
        assert let_in(client, lambda door: client.post("/reports", {}, door)).status == 201
    assert len(set(posts)) == 2


def test_a_door_that_stays_shut_is_not_run_into_for_ever():
    def answer(asked: Asked) -> Reply:
        return as_json(challenge()) if asked.method == "GET" else problem("challenge", 403)

    with serving(answer) as local:
        client = http_to(local.url)
        with pytest.raises(Problem):
            let_in(client, lambda door: client.post("/reports", {}, door))
    assert len(local.asked) == 4
