"""Identity requests from both sides, each client checking everything by itself.

A custodian's client releases a share only when it has seen with its own eyes that the request is signed by a certified
asker, stands in the signed log, has not expired, and was approved by k different seats and people of its own directory.
The asker's client rebuilds the key, compares it with the manifest, and opens. The server never can.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from services.client.cases import Named, OpenedCase
from services.client.directory import INTAKE
from services.client.errors import NotLogged, NotUnlocked, understood
from services.client.http import part_of_path
from services.client.log import Standing, find_leaf
from services.client.staff import StaffSession
from services.crypto import custody as documents
from services.crypto import rules
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64, unb64
from services.crypto.custody import CheckedRequest, Decision, IdentityRequest, Undertaking
from services.crypto.directories import Directory
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused, WrongKey
from services.crypto.manifests import Manifest
from services.crypto.packages import open_identity
from services.crypto.shares import BadShare, combine, commitment, open_share
from services.crypto.signatures import Signed, SigningKey
from services.crypto.staffkeys import GroupKey

_REQUESTS = f"{INTAKE}/staff/identity-requests"


@dataclass(frozen=True)
class RequestLine:
    """A request as the server lists it: coded values, not yet believed. A custodian gets no `reference`."""

    id: str
    digest: bytes
    state: str
    ground: str
    deferral: date | None
    day: date
    expires: datetime
    approvals: int
    refusals: int
    releases: int
    k: int
    reference: str | None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "RequestLine":
        """Read a line of the API. Errors: KeyError, FormatError."""
        reference = value["reference"]
        return cls(
            id=str(value["id"]),
            digest=rules.bytes32(value["request"]),
            state=str(value["state"]),
            ground=str(value["ground"]),
            deferral=rules.day_or_none(value["deferral"]),
            day=rules.day(value["day"]),
            expires=rules.instant(value["expires"]),
            approvals=rules.integer(value["approvals"]),
            refusals=rules.integer(value["refusals"]),
            releases=rules.integer(value["releases"]),
            k=rules.integer(value["k"]),
            reference=None if reference is None else str(reference),
        )


@dataclass(frozen=True)
class Earlier:
    """Another request for the same report."""

    ground: str
    day: date
    state: str


@dataclass(frozen=True)
class Request:
    """A request whose signature and certificate were checked here.

    `reason` is None for who cannot open it; `approved` counts the valid approvals, `fields` are the coded values.
    """

    line: RequestLine
    checked: CheckedRequest = field(repr=False)
    reason: str | None = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    earlier: tuple[Earlier, ...]
    decisions: tuple[Signed, ...] = field(repr=False)
    approved: int
    salt: bytes = field(repr=False)


@dataclass(frozen=True)
class Undertaken:
    """A line of the register: who signed, when, for which report."""

    person: str
    day: date
    reference: str
    request: str
    text: str


@dataclass(frozen=True)
class OpenedIdentity:
    """Who the reporter is: what they said of themselves, None if nothing, on which day.

    `bad_seats` released something else than their share; `rejected` counts identity parts that were not theirs.
    """

    identity: dict[str, Any] | None = field(repr=False)
    day: date
    bad_seats: tuple[int, ...]
    rejected: int


class Custody:
    """Identity requests for a signed-in member of staff whose keys are unlocked.

    Errors of every method: Problem, Unreachable, BadAnswer, NotUnlocked; CryptoError when a check fails.
    """

    def __init__(self, session: StaffSession) -> None:
        self._session = session

    # --- both sides

    def reference(self) -> dict[str, Any]:
        """Grounds and texts of the undertaking, in three languages."""
        found: dict[str, Any] = self._session.call("GET", f"{INTAKE}/staff/identity-reference").json()
        return found

    def requests(self) -> Iterator[RequestLine]:
        """Requests, newest first: all for custodians and auditors, for others their own."""
        for item in self._session.pages(_REQUESTS):
            with understood():
                yield RequestLine.from_json(item)

    def undertakings(self) -> Iterator[Undertaken]:
        """The register, newest first (lead, auditor)."""
        for item in self._session.pages(f"{INTAKE}/staff/undertakings"):
            with understood():
                yield Undertaken(
                    str(item["person"]), rules.day(item["day"]), str(item["reference"]), str(item["request"]),
                    str(item["text"]),
                )  # fmt: skip

    def read(self, id: str) -> Request:  # noqa: A002 - the name of the API
        """A request, checked: certificate, signature, reason, and which approvals hold."""
        found = self._session.call("GET", f"{_REQUESTS}/{part_of_path(id)}").json()
        directory, now = self._session.key_directory(), self._now()
        with understood():
            line = RequestLine.from_json(found)
            checked = documents.check_request(
                Signed.from_json(found["document"]), directory, now, lapsed=True
            )
            decisions = tuple(Signed.from_json(one["decision"]) for one in found["decisions"])
            request = Request(
                line=line,
                checked=checked,
                reason=self._reason([unb64(data) for data in found["reasons"]], checked.request),
                fields=dict(found["fields"]),
                earlier=tuple(_earlier(one) for one in found["earlier"]),
                decisions=decisions,
                approved=len(documents.approvals(decisions, checked, directory, now.date())),
                salt=rules.bytes32(found["salt"]),
            )
        _agree(line, checked, id)
        return request

    # --- the asker

    def ask(
        self, case: OpenedCase, ground: str, reason: str, deferral: date | None = None, days: int = 7
    ) -> RequestLine:
        """Ask the custodians, for at most 14 days. Error: NotUnlocked without a certificate."""
        directory, certificate = self._session.key_directory(), self._certificate()
        request_id, rid = str(uuid.uuid4()), case.sealed.manifest.rid
        files = documents.seal_reason(reason, request_id, rid, directory.seats)
        request = IdentityRequest(
            id=request_id,
            rid=rid,
            ground=ground,
            reason=tuple(sha256(data).digest() for data in files),
            asker=certificate,
            deferral=deferral,
            expires=self._now() + timedelta(days=days) - timedelta(minutes=1),
            dir_seq=directory.sequence,
        )
        signed = documents.make_request(request, self._signing())
        body = {"request": signed.to_json(), "reasons": [b64(data) for data in files]}
        return self._line("", body)

    def undertake(self, request: Request, text: str) -> None:
        """Sign that nothing will be disclosed, in the words of version `text`."""
        asked = request.checked
        undertaking = Undertaking(
            asked.asker.person, self._now().date(), asked.digest, asked.request.rid, text
        )
        signed = documents.make_undertaking(undertaking, self._signing())
        self._line(f"/{part_of_path(request.line.id)}/undertaking", {"undertaking": signed.to_json()})

    def open(self, request: Request) -> OpenedIdentity:
        """Take the releases away and open who the reporter is; the inbox will show it.

        Errors: LookupError if the case is gone; Refused with fewer good releases than the threshold.
        """
        asked = request.checked
        if request.line.reference is None or asked.asker.person != self._session.me().person.id:
            raise NotUnlocked()
        case = self._session.case(self._session.find(request.line.reference).id)
        manifest = case.sealed.manifest
        if manifest.rid != asked.request.rid:
            raise Refused("the request is for another report")
        answer = self._session.call("POST", f"{_REQUESTS}/{part_of_path(request.line.id)}/opening", {}).json()
        with understood():
            released = [
                (rules.integer(one["seat"], 1, 255), unb64(one["data"])) for one in answer["releases"]
            ]
        shares, bad = self._shares(released, asked, manifest)
        if len(shares) < manifest.k:
            raise Refused("too few shares that the manifest commits to")
        key = combine(dict(list(shares.items())[: manifest.k]), manifest)
        return self._newest(case, key, bad)

    # --- a custodian

    def decide(self, request: Request, approve: bool, seat: int | None = None) -> RequestLine:
        """Approve or refuse with the seat this person holds; nothing is released by it.

        Errors: NotUnlocked without a seat; WrongKey if the reason cannot be opened; Refused for an expired request.
        """
        directory = self._session.key_directory()
        self._refuse_expired(request)
        if approve and request.reason is None:
            raise WrongKey("the reason is sealed to other seats")
        number, key = self._seat(directory, seat)
        decision = Decision(
            request=request.checked.digest,
            seat=number,
            approve=approve,
            deferral=request.checked.request.deferral if approve else None,
            dir_seq=directory.sequence,
            custodian=self._certificate(),
        )
        signed = documents.make_decision(decision, _signing_of(key), self._signing())
        return self._line(f"/{part_of_path(request.line.id)}/decisions", {"decision": signed.to_json()})

    def release(self, request: Request, seat: int | None = None) -> RequestLine:
        """Hand the share of one's seat to the asker, after every check of the protocol.

        Errors: NotLogged; Refused for an expired request, too few approvals, or a share of another report.
        """
        directory, asked = self._session.key_directory(), request.checked
        self._refuse_expired(request)
        number, key = self._seat(directory, seat)
        self._require_logged(request)
        self._require_approved(request, directory, number, directory.k)
        path = f"{_REQUESTS}/{part_of_path(request.line.id)}"
        found = self._session.call("GET", f"{path}/shares/{number}").json()
        with understood():
            manifest, data = Manifest.from_json(found["manifest"]), unb64(found["data"])
        if manifest.rid != asked.request.rid:
            raise Refused("the share is of another report")
        self._require_approved(request, directory, number, manifest.k)
        share = self._open_share(data, number, manifest)
        sealed = documents.seal_release(asked, number, share, _signing_of(key))
        return self._line(
            f"/{part_of_path(request.line.id)}/releases", {"seat": number, "release": b64(sealed)}
        )

    # --- inside

    def _now(self) -> datetime:
        return self._session.directories.clock()

    def _line(self, path: str, body: dict[str, Any]) -> RequestLine:
        answer = self._session.call("POST", f"{_REQUESTS}{path}", body).json()
        with understood():
            return RequestLine.from_json(answer)

    def _certificate(self) -> Signed:
        certificate = self._session.me().certificate
        if certificate is None:
            raise NotUnlocked()
        return certificate

    def _signing(self) -> SigningKey:
        return self._session.unlocked.key.signing

    def _seat_keys(self) -> list[GroupKey]:
        return [group for group in self._session.unlocked.groups if group.id.startswith("seat-")]

    def _seat(self, directory: Directory, wanted: int | None) -> tuple[int, GroupKey]:
        """The seat of the directory whose key this person holds. Error: NotUnlocked."""
        for seat in directory.seats:
            for key in self._seat_keys():
                held = (key.identity.recipient, key.signing.verify_key if key.signing else b"")
                if wanted in (None, seat.seat) and held == (seat.recipient, seat.verify_key):
                    return seat.seat, key
        raise NotUnlocked()

    def _reason(self, files: Sequence[bytes], request: IdentityRequest) -> str | None:
        for key in self._seat_keys():
            try:
                return documents.open_reason(files, key.identity, request)
            except WrongKey:
                continue
        return None

    def _refuse_expired(self, request: Request) -> None:
        if request.checked.request.expires <= self._now():
            raise Refused("the request has expired")

    def _require_logged(self, request: Request) -> None:
        """The request's own record, made here, is in the log of the directory, and its witnesses saw it."""
        leaf = documents.request_leaf(request.checked, request.line.day, request.salt)
        found = find_leaf(self._session.http, self._session.directories, leaf)
        if found is None or found.standing is Standing.NOT_YET:
            raise NotLogged()

    def _require_approved(self, request: Request, directory: Directory, seat: int, k: int) -> None:
        """k different seats and people of this client's own directory approved, this seat among them."""
        today = self._now().date()
        found = documents.require_approvals(request.decisions, request.checked, directory, today, k)
        if seat not in {one.decision.seat for one in found}:
            raise Refused("this seat has not approved the request")

    def _open_share(self, data: bytes, seat: int, manifest: Manifest) -> bytes:
        for key in self._seat_keys():
            try:
                return open_share(data, key.identity, seat, manifest)
            except WrongKey:
                continue
        raise WrongKey("the share is sealed to another seat")

    def _shares(
        self, released: Sequence[tuple[int, bytes]], asked: CheckedRequest, manifest: Manifest
    ) -> tuple[dict[int, bytes], tuple[int, ...]]:
        """The shares that the manifest commits to, by seat, and the seats that sent something else."""
        good: dict[int, bytes] = {}
        bad: list[int] = []
        for seat, data in released:
            try:
                good[seat] = self._released(seat, data, asked, manifest)
            except CryptoError:
                bad.append(seat)
        return good, tuple(bad)

    def _released(self, seat: int, data: bytes, asked: CheckedRequest, manifest: Manifest) -> bytes:
        known = self._session.directories.known()
        keys = {line.verify_key for directory in known for line in directory.seats if line.seat == seat}
        share = documents.open_release(data, self._session.unlocked.key.identity, asked, seat, keys)
        committed = {line.seat: line.commitment for line in manifest.shares}
        if committed.get(seat) != commitment(manifest.rid, seat, share):
            raise BadShare(seat)
        return share

    def _newest(self, case: OpenedCase, key: HybridIdentity, bad: tuple[int, ...]) -> OpenedIdentity:
        """The newest identity part that the reporter signed."""
        for rejected, named in enumerate(reversed(case.named)):
            try:
                identity = self._identity(case, named, key)
            except (BadSignature, FormatError, Refused, WrongKey):
                continue
            return OpenedIdentity(identity, named.part.day, bad, rejected)
        raise Refused("no identity part is the reporter's")

    def _identity(self, case: OpenedCase, named: Named, key: HybridIdentity) -> dict[str, Any] | None:
        data, place = self._session.part(case, named.part), named.place
        return open_identity(data, key, case.sealed.manifest, named.verify_key, place.n, place.prev)


def _earlier(value: dict[str, Any]) -> Earlier:
    return Earlier(str(value["ground"]), rules.day(value["day"]), str(value["state"]))


def _agree(line: RequestLine, checked: CheckedRequest, id: str) -> None:  # noqa: A002
    """What the server lists is what was signed. Error: Refused."""
    asked = checked.request
    signed = (asked.id, checked.digest, asked.ground, asked.deferral, rules.instant_text(asked.expires))
    listed = (line.id, line.digest, line.ground, line.deferral, rules.instant_text(line.expires))
    if signed != listed or id != asked.id:
        raise Refused("the request is not the one that was signed")


def _signing_of(key: GroupKey) -> SigningKey:
    if key.signing is None:
        raise NotUnlocked()
    return key.signing
