"""Proof of work: what the service asks for instead of a network address."""

from collections.abc import Callable, Mapping

import altcha

from services.client.directory import INTAKE
from services.client.errors import BadAnswer, Problem, understood
from services.client.http import Answer, Http

#: The headers of somebody who files for others, instead of a solved challenge.
Credential = Callable[[], Mapping[str, str]]

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
        asked = challenge.parameters
        if not asked.algorithm.startswith("PBKDF2/") or asked.cost > MOST_COST:
            raise BadAnswer()
        found = altcha.solve_challenge(challenge, timeout=_SECONDS)
        if found is None:
            raise BadAnswer()
        # Without the time it took, which would tell one machine from another.
        solution = altcha.Solution(found.counter, found.derived_key)
        return {"Adal-Challenge": altcha.Payload(challenge, solution).to_base64()}


def let_in(
    http: Http, send: Callable[[Mapping[str, str]], Answer], credential: Credential | None = None
) -> Answer:
    """Send with a solved challenge; once more with a new one if that one was spent or too old.

    With a `credential` its headers are sent instead.
    """
    if credential is not None:
        return send(credential())
    try:
        return send(solve(http))
    except Problem as exc:
        if exc.slug != "challenge":
            raise
    return send(solve(http))
