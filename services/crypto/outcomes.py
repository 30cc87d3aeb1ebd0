"""How a case ended: the body of an `outcome` part, which desk or staff seal to the report and to the reporter.

It carries a random claim token that ties a later reward claim to the outcome and to nothing else; nobody reads it out,
the reporter's client keeps it. Who the act is about is not in it. Money is whole tenge.
Source: `docs/sealing-format.md`, section 17.
"""

import secrets
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

from services.crypto import rules
from services.crypto.canonical import b64u, members
from services.crypto.errors import FormatError
from services.crypto.signatures import Signed

TYPE = "outcome"
GRAVITIES = ("administrative", "minor", "medium", "grave", "especially_grave")
MAX_NAME, MAX_TEXT, MOST_ARTICLES = 300, 100_000, 50


@dataclass(frozen=True)
class Act:
    """The court's or body's act: who gave it, its number, its day, and the day it entered into force, if it did."""

    court: str
    number: str
    day: date
    in_force: date | None

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        in_force = None if self.in_force is None else self.in_force.isoformat()
        return {
            "court": self.court, "date": self.day.isoformat(), "in_force": in_force, "number": self.number,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse strictly. Error: FormatError, also for an act in force before its own day."""
        found = members(value, ("court", "date", "in_force", "number"))
        in_force = rules.day_or_none(found["in_force"])
        act = cls(
            rules.text(found["court"], MAX_NAME), rules.text(found["number"], MAX_NAME),
            rules.day(found["date"]), in_force,
        )  # fmt: skip
        if in_force is not None and in_force < act.day:
            raise FormatError("in force before its day")
        return act


@dataclass(frozen=True)
class Facts:
    """What was decided: the kind's code, the act, gravity, articles (codes), and sums in tenge."""

    kind: str
    act: Act | None = None
    gravity: str | None = None
    articles: tuple[str, ...] = ()
    bribe: int | None = None
    damage: int | None = None
    value_of_benefits: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "act": self.act and self.act.to_json(), "articles": list(self.articles), "bribe": self.bribe,
            "damage": self.damage, "gravity": self.gravity, "kind": self.kind,
            "value_of_benefits": self.value_of_benefits,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse strictly. Error: FormatError."""
        found = members(value, ("act", "articles", "bribe", "damage", "gravity", "kind", "value_of_benefits"))
        articles = tuple(rules.code(line) for line in rules.items(found["articles"], MOST_ARTICLES))
        if found["gravity"] not in (None, *GRAVITIES) or len(set(articles)) != len(articles):
            raise FormatError("unknown word, or one article twice")
        act = None if found["act"] is None else Act.from_json(found["act"])
        sums = {name: _sum(found[name]) for name in ("bribe", "damage", "value_of_benefits")}
        return cls(rules.code(found["kind"]), act, found["gravity"], articles, **sums)


@dataclass(frozen=True)
class Outcome:
    """Facts, the words for the reporter, and the 32-byte claim token."""

    facts: Facts
    text: str = field(repr=False)
    claim: bytes = field(repr=False)

    def body(self, certificate: Signed | None = None) -> dict[str, Any]:
        """The body of the part; the certificate only if a member of staff signs. Error: FormatError."""
        body: dict[str, Any] = {
            "claim": b64u(self.claim), "outcome": self.facts.to_json(), "text": self.text,
        }  # fmt: skip
        read_outcome(body)
        return body if certificate is None else {**body, "certificate": certificate.to_json()}


def read_outcome(body: Any) -> Outcome:
    """Parse the body of an `outcome`. Error: FormatError."""
    found = members(body, ("claim", "outcome", "text"), ("certificate",))
    return Outcome(
        Facts.from_json(found["outcome"]), rules.text(found["text"], MAX_TEXT), rules.bytes32(found["claim"])
    )


def new_claim() -> bytes:
    """A fresh claim token."""
    return secrets.token_bytes(32)


def event_id(claim: bytes, consumer: str, n: int) -> UUID:
    """The id of the event that tells `consumer` of the outcome at place `n` of the desk's chain.

    A UUID v4 in form, which only who reads the outcome can make again: so that a later outcome can say which event
    it corrects, and no two consumers share an id.
    """
    digest = sha256(b"adal/v1/event" + consumer.encode() + b"\x00" + n.to_bytes(4) + claim).digest()
    return UUID(bytes=digest[:16], version=4)


def _sum(value: Any) -> int | None:
    return None if value is None else rules.integer(value)
