"""What intake tells rewards and registry when a case ends: an outcome, sealed to each of them apart.

Neither shape has a place for a report's id, its reference, a reporter's name or a reporter's key: an act's number must
not tie a report to a public case for whoever steals a database (`sealing.md` section 6). Money is whole tenge.
A claim finds its outcome by the hash of a random token that only the reporter has.

Client side: `seal_outcome(RewardsOutcome(...), recipient)`. Consumer side: `RewardsOutcome.opened(file, identity)`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, ClassVar, Self
from uuid import UUID

from services.crypto import canonical, rules
from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.canonical import b64u, members
from services.crypto.errors import FormatError
from services.crypto.outcomes import GRAVITIES as GRAVITIES
from services.crypto.outcomes import Act as Act
from services.crypto.padding import frame, unframe

#: Kind of the outbox event that carries such a file.
KIND = "outcome"
REWARDS, REGISTRY = "rewards", "registry"

LANGUAGES = ("kk", "ru", "latin")
MOST_ARTICLES, MOST_EXCLUDED, MOST_PERSONS = 50, 200, 100
MAX_NAME, MAX_TEXT = 300, 2000
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_IIN = re.compile(r"[0-9]{12}")


def claim_hash(token: bytes) -> bytes:
    """What rewards knows of a claim token (32 random bytes): SHA-256 under its own label."""
    return hashlib.sha256(b"adal/v1/claim" + token).digest()


@dataclass(frozen=True)
class Name:
    """A name as an act writes it, in one script; a patronymic may be missing."""

    language: str
    surname: str
    given: str
    patronymic: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "given": self.given, "language": self.language, "patronymic": self.patronymic,
            "surname": self.surname,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse strictly. Error: FormatError."""
        found = members(value, ("given", "language", "patronymic", "surname"))
        return cls(
            _word(found["language"], LANGUAGES), rules.text(found["surname"], MAX_NAME),
            rules.text(found["given"], MAX_NAME), _or_none(_name, found["patronymic"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Whom the act is about: for the registry alone. What the act does not say is None."""

    names: tuple[Name, ...]
    born: date | None = None
    iin: str | None = None
    body: str | None = None
    position: str | None = None
    penalty: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "body": self.body, "born": _day_text(self.born), "iin": self.iin,
            "names": [name.to_json() for name in self.names], "penalty": self.penalty, "position": self.position,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse strictly. Error: FormatError."""
        found = members(value, ("body", "born", "iin", "names", "penalty", "position"))
        names = tuple(Name.from_json(line) for line in rules.items(found["names"], len(LANGUAGES)))
        if not names or len({name.language for name in names}) != len(names):
            raise FormatError("no name, or two in one script")
        return cls(
            names, _or_none(rules.day, found["born"]), _or_none(_iin, found["iin"]),
            _or_none(_text, found["body"]), _or_none(_text, found["position"]), _or_none(_text, found["penalty"]),
        )  # fmt: skip


#: Member -> (how it is written, how it is read).
Members = Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What both consumers are told.

    `event` is new for each consumer, so that the two databases share no key. `kind` is the code of the outcome that
    stands in clear with the case. `replaces` is the event this one corrects, when a closed case was reopened.
    `excluded` are people of the staff who worked on the case and may not decide on it.
    """

    event: UUID
    kind: str
    act: Act | None
    gravity: str | None = None
    articles: tuple[str, ...] = ()
    bribe: int | None = None
    damage: int | None = None
    value_of_benefits: int | None = None
    excluded: tuple[UUID, ...] = ()
    replaces: UUID | None = None

    #: Further members of a subclass.
    _own: ClassVar[Members] = {}

    def to_json(self) -> dict[str, Any]:
        """The object that is sealed."""
        return {
            "act": None if self.act is None else self.act.to_json(), "articles": list(self.articles), "bribe": self.bribe,
            "damage": self.damage, "event": str(self.event), "excluded": sorted(map(str, self.excluded)),
            "gravity": self.gravity, "kind": self.kind, "replaces": _uuid_text(self.replaces), "v": 1,
            "value_of_benefits": self.value_of_benefits,
            **{name: write(getattr(self, name)) for name, (write, _) in self._own.items()},
        }  # fmt: skip

    @property
    def digest(self) -> bytes:
        """SHA-256 of its canonical bytes: the same outcome has the same one, however often it is sealed."""
        return hashlib.sha256(canonical.dumps(self.to_json())).digest()

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse strictly: every member is there, none besides. Error: FormatError."""
        found = members(value, (*_COMMON, *cls._own))
        rules.version(found["v"])
        return cls(
            event=_random_id(found["event"]),
            kind=rules.code(found["kind"]),
            act=_or_none(Act.from_json, found["act"]),
            gravity=_or_none(lambda word: _word(word, GRAVITIES), found["gravity"]),
            articles=_distinct(rules.code, rules.items(found["articles"], MOST_ARTICLES)),
            bribe=_or_none(rules.integer, found["bribe"]),
            damage=_or_none(rules.integer, found["damage"]),
            value_of_benefits=_or_none(rules.integer, found["value_of_benefits"]),
            excluded=_distinct(_person_id, rules.items(found["excluded"], MOST_EXCLUDED)),
            replaces=_or_none(_random_id, found["replaces"]),
            **{name: read(found[name]) for name, (_, read) in cls._own.items()},
        )

    @classmethod
    def opened(cls, file: bytes, identity: HybridIdentity) -> Self:
        """The outcome inside a sealed event. Errors: WrongKey, Refused, FormatError."""
        return cls.from_json(canonical.loads(unframe(open_part(file, identity))))


def seal_outcome(outcome: Outcome, recipient: HybridRecipient) -> bytes:
    """The age file for the consumer; padded, so that its size does not tell how much an act says.

    Error: FormatError for a value that the consumer would not read.
    """
    body = outcome.to_json()
    type(outcome).from_json(body)
    return seal(frame(canonical.dumps(body)), [recipient])


def _or_none(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


def _day_text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _uuid_text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _word(value: Any, words: tuple[str, ...]) -> str:
    if value not in words:
        raise FormatError("unknown word")
    return str(value)


def _person_id(value: Any) -> UUID:
    return UUID(rules.uuid(value))


def _random_id(value: Any) -> UUID:
    found = _person_id(value)
    if found.version != 4:
        raise FormatError("not a random UUID")
    return found


def _distinct(read: Callable[[Any], Any], values: list[Any]) -> tuple[Any, ...]:
    found = tuple(read(value) for value in values)
    if len(set(found)) != len(found):
        raise FormatError("one line twice")
    return found


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise FormatError("not of the right form")
        return value

    return read


def _name(value: Any) -> str:
    return rules.text(value, MAX_NAME)


def _text(value: Any) -> str:
    return rules.text(value, MAX_TEXT)


def _persons(value: Any) -> tuple[Person, ...]:
    return tuple(Person.from_json(line) for line in rules.items(value, MOST_PERSONS))


def _same(value: Any) -> Any:
    return value


_iin = _matching(_IIN)
_month = _matching(_MONTH)
_COMMON = ("v", *(each.name for each in fields(Outcome)))


@dataclass(frozen=True, kw_only=True)
class RewardsOutcome(Outcome):
    """For rewards: the hash of the reporter's claim token, and the month of the report for the index in force then.

    The month only: a day would lead back to a report in a small installation.
    """

    claim: bytes | None = field(default=None, repr=False)
    reported: str | None = None

    _own: ClassVar[Members] = {
        "claim": (lambda claim: _or_none(b64u, claim), lambda text: _or_none(rules.bytes32, text)),
        "reported": (_same, lambda month: _or_none(_month, month)),
    }


@dataclass(frozen=True, kw_only=True)
class RegistryOutcome(Outcome):
    """For the registry: whom the act is about, and the region it concerns."""

    persons: tuple[Person, ...] = field(default=(), repr=False)
    region: str | None = None

    _own: ClassVar[Members] = {
        "persons": (lambda persons: [person.to_json() for person in persons], _persons),
        "region": (_same, lambda region: _or_none(rules.code, region)),
    }
