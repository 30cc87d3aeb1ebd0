"""Requests of the fault rounds: what was sent, and what came of it."""

import http.client
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.intake.form import load_form

#: Seconds to wait for an answer. Under strace everything is slow.
TIMEOUT = 20.0


class Lost(Exception):
    """The connection broke before an answer was there."""


@dataclass(frozen=True)
class Answer:
    """An answer that came whole; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Answer:
    """Send once. Errors: Lost."""
    connection = http.client.HTTPConnection("localhost", port, timeout=timeout)
    sent = {"Content-Type": "application/json", **(headers or {})}
    try:
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
    except (OSError, http.client.HTTPException):
        raise Lost from None
    finally:
        connection.close()


@dataclass
class Filing:
    """One report and what became of it. `reference` is set when a `201` was received whole, `receipt` too in plain mode;
    `broken` says what the server broke, if it broke its word."""

    path: str
    body: bytes = field(repr=False)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    headers: dict[str, str] = field(default_factory=dict)
    reference: str | None = None
    receipt: str = field(default="", repr=False)
    broken: str = ""

    def send(self, port: int, timeout: float = TIMEOUT) -> int | None:
        """Send once; the status, or None when the connection broke."""
        headers = {**self.headers, "Idempotency-Key": self.key}
        try:
            answer = request(port, "POST", self.path, self.body, headers, timeout)
        except Lost:
            return None
        if answer.status == 201:
            filed = json.loads(answer.body)
            self.reference, self.receipt = filed["reference"], filed.get("receipt", "")
        return answer.status


def fields() -> dict[str, Any]:
    """The first code of every list."""
    form = load_form()
    first = {f.code: form.lists[f.list].items[0].code for f in form.of("fields").values() if f.list}
    return {**first, "language": "kk", "year": 2026}
