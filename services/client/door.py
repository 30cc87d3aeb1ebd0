"""Proof of work: what the service asks for instead of a network address."""

import base64
import json
from collections.abc import Callable, Mapping

import altcha

from services.client.directory import INTAKE
from services.client.errors import BadAnswer, Problem, understood
from services.client.http import Answer, Http

#: More than any honest challenge; a server cannot keep a phone busy for ever.
MOST_COST = 10_000_000
_SECONDS = 120.0


def solve(http: Http) -> dict[str, str]:
    """The header that lets one request in, or no header when none is asked."""
    answer = http.get(f"{INTAKE}/challenge")
    if answer.status == 204:
        return {}
    with understood():
        challenge = altcha.Challenge.from_dict(answer.json())
        if challenge.parameters.cost > MOST_COST:
            raise BadAnswer()
        solution = altcha.solve_challenge(challenge, timeout=_SECONDS)
        if solution is None:
            raise BadAnswer()
        content = {"challenge": challenge.to_dict(), "solution": solution.to_dict()}
    return {"Adal-Challenge": base64.b64encode(json.dumps(content).encode()).decode()}


def let_in(http: Http, send: Callable[[Mapping[str, str]], Answer]) -> Answer:
    """Send with a solved challenge; once more with a new one if that one was spent or too old."""
    try:
        return send(solve(http))
    except Problem as exc:
        if exc.slug != "challenge":
            raise
    return send(solve(http))
