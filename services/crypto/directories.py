"""The key directory says whose keys are whose; two of three offline roots vouch for it, clients trust no other.

A directory that is unsigned, expired, too long valid, older than what was seen, or in which one key plays two
parts is refused; so a server that was taken over cannot slip in a desk, a seat or a certifier.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from services.crypto import rules
from services.crypto.age import HybridRecipient
from services.crypto.canonical import b64u, members
from services.crypto.errors import FormatError, Refused
from services.crypto.notes import VerifierKey
from services.crypto.shares import Seat
from services.crypto.signatures import Signed, check_document

ROOT_THRESHOLD = 2
THRESHOLD = 2
LONGEST = timedelta(days=90)
ENVIRONMENTS = ("development", "production")
_MAX_LINES = 255
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
EPOCH = re.compile(r"[0-9]{4}H[12]")
#: Services that are told outcomes, each sealed to a key of its own.
SERVICES = ("registry", "rewards")
#: Who opens the addresses of reporters who want to be told that there is something new, and nothing else.
NOTIFIER = "notifier"
WITH_KEYS = (*SERVICES, NOTIFIER)
_MEMBERS = (
    "certifiers", "desks", "environment", "logs", "payments", "previous", "seats", "sequence",
    "thresholds", "v", "valid_from", "valid_until", "witnesses",
)  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """A desk's keys of one month (`YYYY-MM`): grants go to the recipient, the verify key is for answers."""

    id: str
    month: str
    recipient: HybridRecipient = field(repr=False)
    verify_key: bytes


@dataclass(frozen=True)
class Certifier:
    """Somebody who, with a second one, vouches for staff keys."""

    id: str
    verify_key: bytes


@dataclass(frozen=True)
class Log:
    """A log: its origin and the signed-note key of its checkpoints, which signs promises too."""

    origin: str
    vkey: str

    @property
    def verify_key(self) -> bytes:
        """The 32-byte public key inside the vkey. Error: FormatError."""
        return VerifierKey.parse(self.vkey).public


@dataclass(frozen=True)
class Service:
    """A service that outcomes are sealed to, and its key."""

    id: str
    recipient: HybridRecipient = field(repr=False)


@dataclass(frozen=True)
class Directory:
    """A checked directory; instants are aware, keys parsed once, `k` of `n` seats open an identity."""

    sequence: int
    digest: bytes
    previous: bytes
    environment: str
    valid_from: datetime
    valid_until: datetime
    desks: tuple[Desk, ...]
    seats: tuple[Seat, ...]
    payments: tuple[Seat, ...]
    certifiers: tuple[Certifier, ...]
    logs: tuple[Log, ...]
    witnesses: tuple[str, ...]
    k: int
    certifier_threshold: int
    payment_threshold: int
    services: tuple[Service, ...] = ()

    @property
    def n(self) -> int:
        """The number of custodian seats."""
        return len(self.seats)

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """Every public key in it, hybrid ones as 1216 bytes, Ed25519 ones as 32."""
        return (
            *(key for desk in self.desks for key in (desk.recipient.key, desk.verify_key)),
            *(key for seat in (*self.seats, *self.payments) for key in (seat.recipient.key, seat.verify_key)),
            *(certifier.verify_key for certifier in self.certifiers),
            *(log.verify_key for log in self.logs),
            *(VerifierKey.parse(vkey).public for vkey in self.witnesses),
            *(service.recipient.key for service in self.services),
        )

    def desk(self, id: str, today: date) -> Desk:  # noqa: A002
        """The desk's key to seal to: of this month, else of the latest month before. Error: Refused."""
        known = [desk for desk in self.desks if desk.id == id and desk.month <= f"{today:%Y-%m}"]
        if not known:
            raise Refused("no such desk")
        return max(known, key=lambda desk: desk.month)

    def service(self, id: str) -> HybridRecipient:  # noqa: A002
        """The recipient of a service, to seal an outcome or an address to. Error: Refused when there is none."""
        for service in self.services:
            if service.id == id:
                return service.recipient
        raise Refused("no such service")


def make_directory_body(
    *,
    sequence: int,
    previous: bytes,
    environment: str,
    valid_from: datetime,
    valid_until: datetime,
    desks: Sequence[Desk],
    seats: Sequence[Seat],
    k: int,
    certifiers: Sequence[Certifier] = (),
    payments: Sequence[Seat] = (),
    logs: Sequence[Log] = (),
    witnesses: Sequence[str] = (),
    services: Sequence[Service] = (),
) -> dict[str, Any]:
    """The body that roots sign; `previous` is the digest of directory `sequence - 1`, `bytes(32)` for the first."""
    body = {
        "certifiers": [{"id": c.id, "verify_key": b64u(c.verify_key)} for c in certifiers],
        "desks": [desk_json(desk) for desk in desks],
        "environment": environment,
        "logs": [{"origin": log.origin, "vkey": log.vkey} for log in logs],
        "payments": [seat_json(seat) for seat in payments],
        "previous": b64u(previous),
        "seats": [seat_json(seat) for seat in seats],
        "sequence": sequence,
        "thresholds": {"certifiers": THRESHOLD, "identity": k, "payments": THRESHOLD},
        "v": 1,
        "valid_from": rules.instant_text(valid_from),
        "valid_until": rules.instant_text(valid_until),
        "witnesses": list(witnesses),
    }
    # No services, no member: a directory without them has one spelling, that of the time before there were any.
    return body | {"services": [service_json(service) for service in services]} if services else body


def check_directory(
    doc: Signed,
    roots: Sequence[bytes],
    now: datetime,
    minimum_sequence: int = 1,
    last: Directory | None = None,
) -> Directory:
    """The directory, if two of `roots` signed it and every rule holds at `now` (aware).

    `last` is the newest directory this client saw before. Errors: FormatError, BadSignature, Refused.
    """
    check_document("directory", doc, frozenset(roots), ROOT_THRESHOLD)
    directory = parse_directory(doc)
    _check_keys([*roots, *directory.keys])
    if not directory.valid_from <= now < directory.valid_until:
        raise Refused("the directory is not valid at this time")
    if directory.sequence < minimum_sequence:
        raise Refused("the directory is too old")
    if last is not None:
        _check_after(directory, last)
    return directory


def parse_directory(doc: Signed) -> Directory:
    """The shape of a directory, without trust in it. Errors: FormatError; Refused if it breaks a rule in itself."""
    body = members(doc.body, _MEMBERS, ["services"])
    rules.version(body["v"])
    thresholds = members(body["thresholds"], ("certifiers", "identity", "payments"))
    directory = Directory(
        sequence=rules.integer(body["sequence"], 1),
        digest=doc.digest,
        previous=rules.bytes32(body["previous"]),
        environment=body["environment"],
        valid_from=rules.instant(body["valid_from"]),
        valid_until=rules.instant(body["valid_until"]),
        desks=tuple(desk_from_json(line) for line in rules.items(body["desks"], _MAX_LINES)),
        seats=tuple(seat_from_json(line) for line in rules.items(body["seats"], _MAX_LINES)),
        payments=tuple(seat_from_json(line) for line in rules.items(body["payments"], _MAX_LINES)),
        certifiers=tuple(_certifier(line) for line in rules.items(body["certifiers"], _MAX_LINES)),
        logs=tuple(_log(line) for line in rules.items(body["logs"], _MAX_LINES)),
        witnesses=tuple(_vkey(line) for line in rules.items(body["witnesses"], _MAX_LINES)),
        k=rules.integer(thresholds["identity"]),
        certifier_threshold=rules.integer(thresholds["certifiers"]),
        payment_threshold=rules.integer(thresholds["payments"]),
        services=_services(body["services"]) if "services" in body else (),
    )
    _check_whole(directory)
    return directory


def _check_whole(directory: Directory) -> None:
    if directory.environment not in ENVIRONMENTS:
        raise FormatError("unknown word")
    if not timedelta(0) < directory.valid_until - directory.valid_from <= LONGEST:
        raise Refused("the directory is valid for too long")
    if (directory.certifier_threshold, directory.payment_threshold) != (THRESHOLD, THRESHOLD):
        raise Refused("impossible threshold")
    if not 2 <= directory.k <= directory.n:
        raise Refused("impossible threshold")
    for seats in (directory.seats, directory.payments):
        if [seat.seat for seat in seats] != list(range(1, len(seats) + 1)):
            raise Refused("seats are not numbered 1 to n")
    _check_names(directory)
    if (directory.sequence == 1) != (directory.previous == bytes(32)):
        raise Refused("the first directory, and no other, has no previous one")


def _check_names(directory: Directory) -> None:
    names: tuple[list[Any], ...] = (
        [(desk.id, desk.month) for desk in directory.desks],
        [certifier.id for certifier in directory.certifiers],
        [log.origin for log in directory.logs],
        [service.id for service in directory.services],
    )
    if not directory.desks or any(len(set(found)) != len(found) for found in names):
        raise Refused("no desk, or one name twice")


def _check_keys(keys: Iterable[bytes]) -> None:
    seen = list(keys)
    if len(set(seen)) != len(seen):
        raise Refused("one key in two places")


def _check_after(directory: Directory, last: Directory) -> None:
    if directory.sequence < last.sequence:
        raise Refused("the directory is too old")
    if directory.environment != last.environment:
        raise Refused("the directory is of another environment")
    if directory.sequence == last.sequence and directory.digest != last.digest:
        raise Refused("two directories with one sequence")
    if directory.sequence == last.sequence + 1 and directory.previous != last.digest:
        raise Refused("the directory does not follow the last one")


def desk_json(desk: Desk) -> dict[str, Any]:
    """The line of a desk's month."""
    return {
        "id": desk.id,
        "month": desk.month,
        "recipient": str(desk.recipient),
        "verify_key": b64u(desk.verify_key),
    }


def desk_from_json(value: Any) -> Desk:
    """Read a line of a desk's month. Error: FormatError."""
    found = members(value, ("id", "month", "recipient", "verify_key"))
    return Desk(
        id=rules.code(found["id"]),
        month=_matching(_MONTH, found["month"]),
        recipient=rules.recipient(found["recipient"]),
        verify_key=rules.bytes32(found["verify_key"]),
    )


def seat_json(seat: Seat) -> dict[str, Any]:
    """The line of a seat."""
    return {
        "epoch": seat.epoch,
        "recipient": str(seat.recipient),
        "seat": seat.seat,
        "verify_key": b64u(seat.verify_key),
    }


def seat_from_json(value: Any) -> Seat:
    """Read a line of a seat. Error: FormatError."""
    found = members(value, ("epoch", "recipient", "seat", "verify_key"))
    return Seat(
        seat=rules.integer(found["seat"], 1, 255),
        recipient=rules.recipient(found["recipient"]),
        epoch=_matching(EPOCH, found["epoch"]),
        verify_key=rules.bytes32(found["verify_key"]),
    )


def service_json(service: Service) -> dict[str, Any]:
    """The line of a service."""
    return {"id": service.id, "recipient": str(service.recipient)}


def service_from_json(value: Any) -> Service:
    """Read a line of a service. Error: FormatError."""
    found = members(value, ("id", "recipient"))
    if found["id"] not in WITH_KEYS:
        raise FormatError("unknown word")
    return Service(found["id"], rules.recipient(found["recipient"]))


def _services(value: Any) -> tuple[Service, ...]:
    if not (found := rules.items(value, len(WITH_KEYS))):
        raise FormatError("an empty list is left out")
    return tuple(service_from_json(line) for line in found)


def _certifier(value: Any) -> Certifier:
    found = members(value, ("id", "verify_key"))
    return Certifier(rules.code(found["id"]), rules.bytes32(found["verify_key"]))


def _log(value: Any) -> Log:
    found = members(value, ("origin", "vkey"))
    return Log(rules.text(found["origin"], 255), _vkey(found["vkey"]))


def _vkey(value: Any) -> str:
    return str(VerifierKey.parse(rules.text(value, 512)))


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise FormatError("not a month or epoch")
    return value
