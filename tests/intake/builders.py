"""What the tests of intake file, sign and hold, with the development keys of the test installation."""

import functools
import json
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
from fastapi import FastAPI

from services import first_run
from services.crypto import tokens
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.attachments import Envelope, seal_attachment_stream
from services.crypto.canonical import b64, b64u, unb64, unb64u
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.dialogue import message_body
from services.crypto.directories import Directory, parse_directory
from services.crypto.grants import open_grant, seal_grant
from services.crypto.manifests import Manifest
from services.crypto.packages import NewAttachment, SealedReport, reporter_json, seal_report
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.receipts import ReceiptKeys, derive, new_receipt
from services.crypto.signatures import Signed, SigningKey, sign_document
from services.first_run import DESK, Folder
from services.intake.form import load_form

API = "/api/intake/v1"
STAFF = f"{API}/staff"
INBOX = f"{API}/inbox"
Json = dict[str, Any]

FIELDS: Json = {
    "amount_band": "to-100k",
    "category": "bribe-taking",
    "channel": "web",
    "language": "kk",
    "region": "710000000",
    "sector": "health",
    "urgency": "normal",
    "year": 2026,
}
#: Runs a statement as the superuser and gives its rows.
Sql = Callable[..., list[tuple[Any, ...]]]
#: Larger than what lies in the database, so that it goes to the blob store.
LARGE = 70_000


def new_key() -> str:
    """A fresh idempotency key."""
    return secrets.token_urlsafe(24)


def attachment(data: bytes = b"a receipt, photographed", name: str = "photo.jpg") -> Json:
    """An attachment of a plain body."""
    return {"name": name, "type": "image/jpeg", "data": b64(data)}


def plain_body(**changes: Any) -> Json:
    """A plain report that is accepted, with top-level members replaced."""
    return {
        "form": load_form().version,
        "mode": "anonymous",
        "fields": FIELDS,
        "answers": {"what": "Money was asked for a place in the queue."},
        "identity": None,
        "attachments": [],
        **changes,
    }


def quick_keys() -> ReceiptKeys:
    """Keys of no receipt at all: stretching a real one takes 35 ms."""
    return ReceiptKeys(secrets.token_bytes(32), HybridIdentity.generate(), SigningKey.generate())


def reporter_file(manifest: Manifest, keys: ReceiptKeys, kind: str, body: Json, place: Json) -> bytes:
    """A part by the reporter for a place `{n, prev}` of the inbox."""
    header = Header(kind, "reporter", manifest.rid, manifest.dir_seq, place["n"], unb64u(place["prev"]))
    to = manifest.identity_recipient if kind == "identity" else manifest.report_recipient
    return seal_payload(header, body, keys.signing, [to])


def new_keys_body(keys: ReceiptKeys) -> Json:
    """The body of a reporter-keys part."""
    return {"reporter": reporter_json(keys.identity.recipient, keys.signing.verify_key)}


@dataclass(frozen=True)
class Member:
    """Somebody of staff: id, roles, own keys and a certificate by two certifiers."""

    id: str
    roles: tuple[str, ...]
    identity: HybridIdentity
    signing: SigningKey
    certificate: Signed


@dataclass(frozen=True)
class DeskMessage:
    """A sealed answer with its sealed attachments, as the API takes it."""

    part: bytes
    files: tuple[bytes, ...] = ()

    def body(self, n: int | None = None) -> Json:
        place = {} if n is None else {"n": n}
        return {**place, "part": b64(self.part), "attachments": [b64(file) for file in self.files]}


def desk_message(
    manifest: Manifest,
    to: Sequence[HybridRecipient],
    signing: SigningKey,
    *,
    text: str = "Which day was it?",
    by: str = "desk",
    n: int = 0,
    prev: bytes = ZERO32,
    certificate: Signed | None = None,
    files: Sequence[tuple[str, bytes]] = (),
) -> DeskMessage:
    """An answer sealed to `to`, signed by whoever is given; `files` are (name, bytes)."""
    sealed = tuple(b"".join(seal_attachment_stream([data], len(data), to)) for _, data in files)
    lines = [
        Envelope.of(i, name, "text/plain", data, file)
        for i, ((name, data), file) in enumerate(zip(files, sealed, strict=True))
    ]
    header = Header("message", by, manifest.rid, manifest.dir_seq, n, prev)
    return DeskMessage(seal_payload(header, message_body(text, lines, certificate), signing, to), sealed)


@functools.cache
def _parsed(text: str) -> Directory:
    """Parsing eight hybrid keys takes longer than most tests."""
    return parse_directory(Signed.from_json(json.loads(text)))


@dataclass(frozen=True)
class World:
    """A running intake service, a client of it, and every development key."""

    app: FastAPI
    http: httpx2.AsyncClient
    folder: Folder

    # --- time

    def now(self) -> datetime:
        found: datetime = self.app.state.clock()
        return found

    def at(self, distance: timedelta) -> None:
        """Set the clock of the service so far from the true time."""
        self.app.state.clock = lambda: first_run.now() + distance

    # --- keys

    @property
    def directory(self) -> Directory:
        return _parsed(self.folder.file("directory.json").read_text())

    @property
    def signed_directory(self) -> Signed:
        return Signed.from_json(json.loads(self.folder.file("directory.json").read_text()))

    def desk(self) -> tuple[HybridIdentity, SigningKey]:
        """The keys of the desk's month."""
        month = self.directory.desks[0].month
        return self.folder.group(f"desk-{DESK}-{month}", f"{DESK}/{month}")

    def seat(self, number: int) -> HybridIdentity:
        epoch = self.directory.seats[number - 1].epoch
        return self.folder.group(f"seat-{number}-{epoch}", f"seat-{number}/{epoch}")[0]

    def next_directory(self, **changes: Any) -> Signed:
        """The directory after the one in force, signed by two roots."""
        last = self.directory
        body = {
            **self.signed_directory.body,
            "sequence": last.sequence + 1,
            "previous": b64u(last.digest),
            **changes,
        }
        return sign_document("directory", body, first_run.roots(self.folder)[:2])

    # --- staff

    def token(self, *roles: str, person: str | None = None, **changes: Any) -> dict[str, str]:
        """The header of a signed-in member of staff."""
        now = int(self.now().timestamp())
        claims = {
            "sub": person or str(uuid.uuid4()),
            "roles": list(roles),
            "iat": now,
            "exp": now + 300,
            "iss": "adal-accounts",
            "stepped": now,
            **changes,
        }
        return {"Authorization": f"Bearer {tokens.issue(claims, self.folder.signing('accounts-token'))}"}

    def member(self, *roles: str) -> Member:
        """A new member of staff, certified as from yesterday."""
        person, identity, signing = str(uuid.uuid4()), HybridIdentity.generate(), SigningKey.generate()
        today = self.now().date()
        certificate = Certificate(
            person=person,
            roles=tuple(sorted(roles)),
            recipient=identity.recipient,
            verify_key=signing.verify_key,
            valid_from=today - timedelta(days=1),
            valid_until=today + timedelta(days=30),
        )
        certifiers = [self.folder.signing(f"certifier-{i}") for i in (1, 2)]
        return Member(person, roles, identity, signing, make_certificate(certificate, certifiers))

    def of(self, member: Member) -> dict[str, str]:
        return self.token(*member.roles, person=member.id)

    # --- requests

    async def post(self, path: str, body: Any, key: str | None = None, **headers: str) -> httpx2.Response:
        """POST with an idempotency key, a fresh one unless given."""
        sent = {"Idempotency-Key": key or new_key(), **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.http.post(path, json=body, headers=sent)

    async def file_plain(self, **changes: Any) -> Json:
        answer = await self.post(f"{API}/reports", plain_body(**changes))
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    def seal(self, **changes: Any) -> SealedReport:
        """A package for the directory in force, with keys that came from no receipt unless one is given."""
        receipt = changes.pop("receipt", None)
        keys = changes.pop("keys", None) or (derive(receipt) if receipt else quick_keys())
        given: Json = {
            "answers": {"what": "Sealed words.", "mode": "anonymous"},
            "fields": FIELDS,
            "identity": None,
            "attachments": [],
            "directory": self.directory,
            "desk_id": DESK,
            "form": load_form().version,
            "mode": "sealed",
            **changes,
        }
        given["attachments"] = [NewAttachment(n, "text/plain", data) for n, data in given["attachments"]]
        return seal_report(receipt=receipt or new_receipt(), keys=keys, **given)

    async def file_sealed(self, **changes: Any) -> tuple[SealedReport, Json]:
        report = self.seal(**changes)
        answer = await self.post(f"{API}/packages", report.to_json())
        assert answer.status_code == 201, answer.text
        return report, answer.json()

    async def open_inbox(self, lookup: bytes) -> dict[str, str]:
        """The header of an open inbox."""
        answer = await self.http.post(f"{INBOX}/sessions", json={"lookup": b64u(lookup)})
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    async def inbox(self, headers: Mapping[str, str]) -> Json:
        answer = await self.http.get(INBOX, headers=dict(headers))
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def plain_inbox(self, receipt: str) -> Json:
        answer = await self.http.post(f"{INBOX}/plain", json={"receipt": receipt})
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def case_id(self, reference: str) -> str:
        """The id that staff know a report by."""
        cases = await self.http.get(f"{STAFF}/cases?limit=200", headers=self.token("desk"))
        return str(next(case["id"] for case in cases.json()["items"] if case["reference"] == reference))

    async def case(self, case_id: str) -> Json:
        answer = await self.http.get(f"{STAFF}/cases/{case_id}", headers=self.token("desk"))
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def report_key(self, case: Json) -> HybridIdentity:
        """What the desk does: open its grant with its key of the month."""
        return open_grant(unb64(case["grant"]), self.desk()[0], Manifest.from_json(case["manifest"]))

    async def answer(self, case_id: str, message: DeskMessage, **headers: str) -> httpx2.Response:
        sent = headers or self.token("desk")
        return await self.http.post(f"{STAFF}/cases/{case_id}/messages", json=message.body(), headers=sent)


class Reporter:
    """A plain report with what its reporter holds, and what staff know of it."""

    def __init__(self, filed: Json, case_id: str) -> None:
        self.receipt: str = filed["receipt"]
        self.manifest = Manifest.from_json(filed["manifest"])
        self.keys: ReceiptKeys = derive(self.receipt)
        self.case_id = case_id
        self.to = [self.manifest.report_recipient, self.keys.identity.recipient]


class Filed:
    """A case and the reporter's side of it."""

    def __init__(self, report: SealedReport, case_id: str, reference: str) -> None:
        self.report, self.id, self.reference = report, case_id, reference
        self.path = f"{STAFF}/cases/{case_id}"
        self.key: HybridIdentity | None = None
        self.lead: Member | None = None
        self.to = [report.manifest.report_recipient, report.keys.identity.recipient]


async def filed(world: World, **changes: Any) -> Filed:
    report, answer = await world.file_sealed(**changes)
    return Filed(report, await world.case_id(answer["reference"]), answer["reference"])


def a_grant() -> bytes:
    """An age file of the right shape; intake cannot see what is in it."""
    return seal_grant(HybridIdentity.generate(), "investigator", HybridIdentity.generate().recipient)


async def assign(
    world: World, case: Filed, member: Member, grant: bytes | None = None, **changes: Any
) -> httpx2.Response:
    """What the desk sends: the report key re-wrapped for a member, and for a lead where none has the case."""
    found = await world.case(case.id)
    case.key = case.key or await world.report_key(found)
    role = changes.get("role", "investigator")
    data = grant if grant is not None else seal_grant(case.key, role, member.identity.recipient)
    body = {"role": role, "grant": b64(data)}
    if role == "investigator" and not found["assignees"]:
        case.lead = world.member("lead")
        lead = seal_grant(case.key, "lead", case.lead.identity.recipient)
        body |= {"lead": {"person": case.lead.id, "grant": b64(lead)}}
    return await world.http.put(
        f"{case.path}/assignees/{member.id}", json=body | changes, headers=world.token("desk")
    )


def altered(report: SealedReport, **changes: Any) -> SealedReport:
    """The same package with another manifest, signed again: what a dishonest client could send."""
    manifest = replace(report.manifest, **changes)
    signature = report.keys.signing.sign("manifest", manifest.to_json())
    return replace(report, package=replace(report.package, manifest=manifest, signature=signature))


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and kind of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    return answer.status_code, document["type"].removeprefix("urn:adal:problem:")


def pointers(answer: httpx2.Response) -> set[str]:
    """Where a problem document says the fault is."""
    return {error["pointer"] for error in answer.json().get("errors", [])}
