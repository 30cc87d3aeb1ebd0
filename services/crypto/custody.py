"""Opening an identity takes two rounds, so that a request which is refused pays out nothing.

The asker signs why and until when; custodians sign approve or refuse and release nothing. Only under k approvals of
different seats and people does a seat release its share, sealed to the asker's certified key and bound to the request.
Every document names the digest H of the request, so nothing of one request serves another one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from services.crypto import canonical, rules
from services.crypto.age import HybridIdentity, open_part, seal
from services.crypto.canonical import b64u, members, unb64u
from services.crypto.certificates import Certificate, check_certificate
from services.crypto.directories import Directory
from services.crypto.errors import CryptoError, FormatError, Refused, WrongKey
from services.crypto.padding import LEAST, frame, unframe
from services.crypto.promises import leaf_hash
from services.crypto.shares import SHARE_SIZE, Seat
from services.crypto.signatures import Signed, SigningKey, check_document, sign_document

ASKERS = frozenset({"desk", "lead", "investigator"})
CUSTODIAN = "custodian"
LONGEST = timedelta(days=14)
MAX_REASON = 20_000
READERS_OF_A_FILE = 8
APPROVE, REFUSE = "approve", "refuse"
_MAX_FILES = 32
_REQUEST = (
    "asker", "deferral", "dir_seq", "expires", "ground", "id", "reason", "rid", "v",
)  # fmt: skip
_DECISION = ("custodian", "decision", "deferral", "dir_seq", "request", "seat", "v")
_RELEASE = ("request", "rid", "seat", "share", "v")
_UNDERTAKING = ("day", "person", "request", "rid", "text", "v")


@dataclass(frozen=True)
class IdentityRequest:
    """What an asker signs: for which report, on what ground, for how long; `reason` are hashes of sealed files.

    `deferral` is the day until which the inbox shall not show an opening, `expires` an aware instant.
    """

    id: str
    rid: bytes
    ground: str
    reason: tuple[bytes, ...]
    asker: Signed = field(repr=False)
    deferral: date | None
    expires: datetime
    dir_seq: int

    def to_json(self) -> dict[str, Any]:
        """The body that is signed."""
        return {
            "asker": self.asker.to_json(),
            "deferral": _day_text(self.deferral),
            "dir_seq": self.dir_seq,
            "expires": rules.instant_text(self.expires),
            "ground": self.ground,
            "id": self.id,
            "reason": [b64u(digest) for digest in self.reason],
            "rid": b64u(self.rid),
            "v": 1,
        }

    @classmethod
    def from_json(cls, value: Any) -> "IdentityRequest":
        """Parse a body strictly, without trust in it. Error: FormatError."""
        found = members(value, _REQUEST)
        rules.version(found["v"])
        reason = tuple(rules.bytes32(line) for line in rules.items(found["reason"], _MAX_FILES))
        if not reason or len(set(reason)) != len(reason):
            raise FormatError("not a list of the right length")
        return cls(
            id=rules.uuid(found["id"]),
            rid=rules.bytes32(found["rid"]),
            ground=rules.code(found["ground"]),
            reason=reason,
            asker=Signed.from_json(found["asker"]),
            deferral=_day(found["deferral"]),
            expires=rules.instant(found["expires"]),
            dir_seq=rules.integer(found["dir_seq"], 1),
        )


@dataclass(frozen=True)
class CheckedRequest:
    """A request that its certified asker signed; `digest` is H, the name of the request everywhere else."""

    request: IdentityRequest
    digest: bytes
    asker: Certificate = field(repr=False)


def make_request(request: IdentityRequest, key: SigningKey) -> Signed:
    """The request signed by the asker's certified key. Error: FormatError for a malformed one."""
    body = IdentityRequest.from_json(request.to_json()).to_json()
    return sign_document("identity-request", body, [key])


def check_request(doc: Signed, directory: Directory, now: datetime, lapsed: bool = False) -> CheckedRequest:
    """The request, if a certified asker signed it and it is open at `now` (aware).

    `lapsed` lets one pass whose time is over, for those who only look back. Errors: FormatError, BadSignature, Refused.
    """
    request = IdentityRequest.from_json(doc.body)
    asker = check_certificate(request.asker, directory, now.date())
    if not ASKERS & set(asker.roles) or CUSTODIAN in asker.roles:
        raise Refused("the certificate is not for this role")
    check_document("identity-request", doc, [asker.verify_key], 1)
    if request.expires > now + LONGEST:
        raise Refused("the request is open for too long")
    if request.expires <= now and not lapsed:
        raise Refused("the request has expired")
    if request.dir_seq > directory.sequence:
        raise Refused("the document is of a later directory")
    return CheckedRequest(request, doc.digest, asker)


def request_leaf(request: CheckedRequest, day: date, salt: bytes) -> bytes:
    """The leaf that the log must hold: made here from the request itself, never taken from a server."""
    record = {
        "day": day.isoformat(), "request": b64u(request.digest), "rid": b64u(request.request.rid),
        "type": "identity-request", "v": 1,
    }  # fmt: skip
    return leaf_hash(salt, canonical.dumps(record))


# --- the sealed reason


def seal_reason(text: str, request_id: str, rid: bytes, seats: Sequence[Seat]) -> list[bytes]:
    """The reason, in files for at most eight seats each. Errors: FormatError, Refused."""
    document = canonical.dumps(
        {"id": rules.uuid(request_id), "rid": b64u(rid), "text": rules.text(text, MAX_REASON),
         "type": "identity-reason", "v": 1}
    )  # fmt: skip
    groups = [seats[i : i + READERS_OF_A_FILE] for i in range(0, len(seats), READERS_OF_A_FILE)]
    return [seal(frame(document), [seat.recipient for seat in group]) for group in groups]


def open_reason(files: Sequence[bytes], holder: HybridIdentity, request: IdentityRequest) -> str:
    """The reason, from whichever of the request's files is sealed to `holder`.

    Errors: WrongKey if none is; Refused if a file is not one of this request; FormatError.
    """
    if tuple(sha256(data).digest() for data in files) != request.reason:
        raise Refused("the reason is of another request")
    found = members(canonical.loads(unframe(_opened(files, holder))), ("id", "rid", "text", "type", "v"))
    if {**found, "text": None} != {
        "id": request.id, "rid": b64u(request.rid), "text": None, "type": "identity-reason", "v": 1
    }:  # fmt: skip
        raise Refused("the reason is of another request")
    return rules.text(found["text"], MAX_REASON)


def _opened(files: Sequence[bytes], holder: HybridIdentity) -> bytes:
    for data in files:
        try:
            return open_part(data, holder)
        except WrongKey:
            continue
    raise WrongKey("the reason is sealed to other seats")


# --- decisions


@dataclass(frozen=True)
class Decision:
    """What a custodian signs about request H; to approve, `deferral` repeats what was asked for."""

    request: bytes
    seat: int
    approve: bool
    deferral: date | None
    dir_seq: int
    custodian: Signed = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The body that is signed."""
        return {
            "custodian": self.custodian.to_json(),
            "decision": APPROVE if self.approve else REFUSE,
            "deferral": _day_text(self.deferral),
            "dir_seq": self.dir_seq,
            "request": b64u(self.request),
            "seat": self.seat,
            "v": 1,
        }

    @classmethod
    def from_json(cls, value: Any) -> "Decision":
        """Parse a body strictly, without trust in it. Error: FormatError."""
        found = members(value, _DECISION)
        rules.version(found["v"])
        if found["decision"] not in (APPROVE, REFUSE):
            raise FormatError("unknown word")
        return cls(
            request=rules.bytes32(found["request"]),
            seat=rules.integer(found["seat"], 1, 255),
            approve=found["decision"] == APPROVE,
            deferral=_day(found["deferral"]),
            dir_seq=rules.integer(found["dir_seq"], 1),
            custodian=Signed.from_json(found["custodian"]),
        )


@dataclass(frozen=True)
class CheckedDecision:
    """A decision that a seat of the directory and its certified holder both signed."""

    decision: Decision
    person: str
    digest: bytes


def make_decision(decision: Decision, seat_key: SigningKey, key: SigningKey) -> Signed:
    """The decision signed by the seat's key and by the custodian's certified one. Error: FormatError."""
    body = Decision.from_json(decision.to_json()).to_json()
    return sign_document("identity-decision", body, [seat_key, key])


def check_decision(
    doc: Signed, request: CheckedRequest, directory: Directory, today: date
) -> CheckedDecision:
    """The decision, if seat and custodian signed it for this request. The seat's key is the one of `directory`.

    Errors: FormatError, BadSignature, Refused.
    """
    decision = Decision.from_json(doc.body)
    custodian = check_certificate(decision.custodian, directory, today)
    if CUSTODIAN not in custodian.roles or ASKERS & set(custodian.roles):
        raise Refused("the certificate is not for this role")
    check_document("identity-decision", doc, [custodian.verify_key], 1)
    check_document("identity-decision", doc, [seat_of(directory, decision.seat).verify_key], 1)
    if decision.request != request.digest:
        raise Refused("the decision is about another request")
    if decision.approve and decision.deferral != request.request.deferral:
        raise Refused("the deferral is not the one asked for")
    if decision.dir_seq > directory.sequence:
        raise Refused("the document is of a later directory")
    if custodian.person == request.asker.person:
        raise Refused("nobody decides on their own request")
    return CheckedDecision(decision, custodian.person, doc.digest)


def approvals(
    docs: Sequence[Signed], request: CheckedRequest, directory: Directory, today: date
) -> tuple[CheckedDecision, ...]:
    """The valid approvals among `docs`, one for each seat and each person; what does not hold is not counted."""
    found: list[CheckedDecision] = []
    for doc in docs:
        try:
            checked = check_decision(doc, request, directory, today)
        except CryptoError:
            continue
        taken = {(one.decision.seat) for one in found}, {one.person for one in found}
        if (
            checked.decision.approve
            and checked.decision.seat not in taken[0]
            and checked.person not in taken[1]
        ):
            found.append(checked)
    return tuple(found)


def require_approvals(
    docs: Sequence[Signed], request: CheckedRequest, directory: Directory, today: date, k: int
) -> tuple[CheckedDecision, ...]:
    """The approvals, if different seats and people gave at least k, the directory's own threshold included.

    Error: Refused.
    """
    found = approvals(docs, request, directory, today)
    if len(found) < max(k, directory.k):
        raise Refused("too few approvals")
    return found


def seat_of(directory: Directory, number: int) -> Seat:
    """The seat of this number. Error: Refused."""
    for seat in directory.seats:
        if seat.seat == number:
            return seat
    raise Refused("no such seat")


# --- releases


def seal_release(request: CheckedRequest, seat: int, share: bytes, seat_key: SigningKey) -> bytes:
    """The age file that hands a 33-byte share to the certified asker, signed by the seat. Error: FormatError."""
    body = {
        "request": b64u(request.digest), "rid": b64u(request.request.rid), "seat": seat, "share": b64u(share), "v": 1,
    }  # fmt: skip
    signed = sign_document("identity-release", body, [seat_key])
    return seal(frame(canonical.dumps(signed.to_json()), LEAST), [request.asker.recipient])


def open_release(
    data: bytes, holder: HybridIdentity, request: CheckedRequest, seat: int, seat_keys: Collection[bytes]
) -> bytes:
    """The share that `seat` released for this request, signed by one of `seat_keys`; the manifest must still agree.

    Errors: FormatError, WrongKey, BadSignature, Refused.
    """
    signed = Signed.from_json(canonical.loads(unframe(open_part(data, holder), LEAST)))
    check_document("identity-release", signed, seat_keys, 1)
    found = members(signed.body, _RELEASE)
    share = unb64u(found["share"], SHARE_SIZE)
    if {**found, "share": None} != {
        "request": b64u(request.digest), "rid": b64u(request.request.rid), "seat": seat, "share": None, "v": 1
    }:  # fmt: skip
        raise Refused("the release is for another request or of another seat")
    return share


# --- the undertaking


@dataclass(frozen=True)
class Undertaking:
    """What an asker signs before anything is shown: not to disclose it, in the words of the version `text`."""

    person: str
    day: date
    request: bytes
    rid: bytes
    text: str

    def to_json(self) -> dict[str, Any]:
        """The body that is signed."""
        return {
            "day": self.day.isoformat(), "person": self.person, "request": b64u(self.request),
            "rid": b64u(self.rid), "text": self.text, "v": 1,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> "Undertaking":
        """Parse a body strictly, without trust in it. Error: FormatError."""
        found = members(value, _UNDERTAKING)
        rules.version(found["v"])
        return cls(
            person=rules.uuid(found["person"]),
            day=rules.day(found["day"]),
            request=rules.bytes32(found["request"]),
            rid=rules.bytes32(found["rid"]),
            text=rules.code(found["text"]),
        )


def make_undertaking(undertaking: Undertaking, key: SigningKey) -> Signed:
    """The undertaking signed by the asker's certified key. Error: FormatError."""
    body = Undertaking.from_json(undertaking.to_json()).to_json()
    return sign_document("undertaking", body, [key])


def check_undertaking(doc: Signed, request: CheckedRequest) -> Undertaking:
    """The undertaking, if the asker of this request signed it for it. Errors: FormatError, BadSignature, Refused."""
    found = Undertaking.from_json(doc.body)
    check_document("undertaking", doc, [request.asker.verify_key], 1)
    if (found.request, found.rid, found.person) != (
        request.digest, request.request.rid, request.asker.person
    ):  # fmt: skip
        raise Refused("the undertaking is for another request")
    return found


# --- small shapes


def _day(value: Any) -> date | None:
    return None if value is None else rules.day(value)


def _day_text(value: date | None) -> str | None:
    return None if value is None else value.isoformat()
