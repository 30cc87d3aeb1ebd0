"""The people of an opening at the intake service alone: an asker with a case, three custodians, what they sign."""

import json
import uuid
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import httpx2

from services.crypto import custody as documents
from services.crypto.canonical import b64, unb64
from services.crypto.certificates import Certificate
from services.crypto.custody import CheckedRequest, Decision, IdentityRequest, Undertaking
from services.crypto.manifests import Manifest
from services.crypto.shares import open_share
from services.crypto.signatures import Signed, SigningKey
from services.kit.clock import day_of
from tests.intake.builders import STAFF, Filed, Json, Member, Sql, World, assign, filed

REQUESTS = f"{STAFF}/identity-requests"
WHY = "The investigator must question the reporter."


@dataclass(frozen=True)
class Asked:
    """A request on its way: the signed document, its reason files, and what follows from them."""

    doc: Signed
    reasons: tuple[bytes, ...]
    checked: CheckedRequest

    @property
    def id(self) -> str:
        return self.checked.request.id

    @property
    def path(self) -> str:
        return f"{REQUESTS}/{self.id}"

    def body(self) -> Json:
        return {"request": self.doc.to_json(), "reasons": [b64(data) for data in self.reasons]}


@dataclass
class Chamber:
    """A filed report, the investigator who has it, and three custodians with the development seats."""

    world: World
    case: Filed
    asker: Member
    custodians: dict[int, Member] = field(default_factory=dict)

    # --- asking

    def request(self, by: Member | None = None, key: SigningKey | None = None, **changes: Any) -> Asked:
        by = by or self.asker
        request_id = changes.pop("id", str(uuid.uuid4()))
        rid, directory = changes.pop("rid", self.case.report.rid), self.world.directory
        text, seats = changes.pop("text", WHY), changes.pop("seats", directory.seats)
        reasons = tuple(documents.seal_reason(text, request_id, rid, seats))
        made = IdentityRequest(
            id=request_id,
            rid=rid,
            ground="pre-trial",
            reason=tuple(sha256(data).digest() for data in reasons),
            asker=by.certificate,
            deferral=None,
            expires=self.world.now().replace(microsecond=0) + timedelta(days=7),
            dir_seq=directory.sequence,
        )
        doc = documents.make_request(replace(made, **changes), key or by.signing)
        certificate = Certificate.from_json(by.certificate.body)
        return Asked(doc, reasons, CheckedRequest(replace(made, **changes), doc.digest, certificate))

    async def send(self, asked: Asked, by: Member | None = None, **token: Any) -> httpx2.Response:
        return await self.post(REQUESTS, asked.body(), by or self.asker, **token)

    async def asked(self, **changes: Any) -> Asked:
        asked = self.request(**changes)
        answer = await self.send(asked, changes.get("by"))
        assert answer.status_code == 201, answer.text
        return asked

    # --- deciding and releasing

    def seat_key(self, seat: int) -> SigningKey:
        epoch = self.world.directory.seats[seat - 1].epoch
        return self.world.folder.group(f"seat-{seat}-{epoch}", f"seat-{seat}/{epoch}")[1]

    def decision(self, asked: Asked, seat: int, by: Member | None = None, **changes: Any) -> Signed:
        by = by or self.custodians[seat]
        keys = changes.pop("keys", None) or (self.seat_key(seat), by.signing)
        made = Decision(
            request=asked.checked.digest,
            seat=seat,
            approve=True,
            deferral=asked.checked.request.deferral,
            dir_seq=self.world.directory.sequence,
            custodian=by.certificate,
        )
        return documents.make_decision(replace(made, **changes), *keys)

    async def decide(
        self, asked: Asked, seat: int, by: Member | None = None, **changes: Any
    ) -> httpx2.Response:
        doc = self.decision(asked, seat, by, **changes)
        return await self.post(
            f"{asked.path}/decisions", {"decision": doc.to_json()}, by or self.custodians[seat]
        )

    async def approved(self, *seats: int, **changes: Any) -> Asked:
        asked = await self.asked(**changes)
        for seat in seats:
            answer = await self.decide(asked, seat)
            assert answer.status_code == 201, answer.text
        return asked

    async def share(self, asked: Asked, seat: int, by: Member | None = None) -> httpx2.Response:
        headers = self.world.of(by or self.custodians[seat])
        return await self.world.http.get(f"{asked.path}/shares/{seat}", headers=headers)

    async def opened_share(self, asked: Asked, seat: int) -> bytes:
        found = (await self.share(asked, seat)).json()
        return open_share(
            unb64(found["data"]), self.world.seat(seat), seat, Manifest.from_json(found["manifest"])
        )

    async def release(
        self, asked: Asked, seat: int, by: Member | None = None, data: bytes | None = None
    ) -> httpx2.Response:
        if data is None:
            share = await self.opened_share(asked, seat)
            data = documents.seal_release(asked.checked, seat, share, self.seat_key(seat))
        body = {"seat": seat, "release": b64(data)}
        return await self.post(f"{asked.path}/releases", body, by or self.custodians[seat])

    async def released(self, *seats: int, **changes: Any) -> Asked:
        asked = await self.approved(*seats, **changes)
        for seat in seats:
            answer = await self.release(asked, seat)
            assert answer.status_code == 201, answer.text
        return asked

    # --- opening

    def undertaking(self, asked: Asked, key: SigningKey | None = None, **changes: Any) -> Signed:
        made = Undertaking(
            self.asker.id,
            day_of(self.world.now()),
            asked.checked.digest,
            asked.checked.request.rid,
            "2026-11",
        )
        return documents.make_undertaking(replace(made, **changes), key or self.asker.signing)

    async def undertake(self, asked: Asked, by: Member | None = None, **changes: Any) -> httpx2.Response:
        doc = self.undertaking(asked, **changes)
        return await self.post(f"{asked.path}/undertaking", {"undertaking": doc.to_json()}, by or self.asker)

    async def open(self, asked: Asked, by: Member | None = None, **token: Any) -> httpx2.Response:
        return await self.post(f"{asked.path}/opening", {}, by or self.asker, **token)

    # --- reading

    async def read(self, asked: Asked, by: Member | None = None) -> httpx2.Response:
        return await self.world.http.get(asked.path, headers=self.world.of(by or self.asker))

    async def state(self, asked: Asked) -> str:
        return str((await self.read(asked)).json()["state"])

    async def openings(self) -> list[tuple[date, str]]:
        """Day and ground as the reporter's inbox shows them."""
        view = await self.world.inbox(await self.world.open_inbox(self.case.report.keys.lookup))
        return [(date.fromisoformat(line["day"]), line["ground"]) for line in view["openings"]]

    async def post(self, path: str, body: Json, by: Member, **token: Any) -> httpx2.Response:
        headers = self.world.token(*by.roles, person=by.id, **token)
        return await self.world.http.post(path, json=body, headers=headers)


async def make_chamber(world: World, **report: Any) -> Chamber:
    case, asker, lead = await filed(world, **report), world.member("investigator"), world.member("lead")
    for member, role in ((lead, "lead"), (asker, "investigator")):
        answer = await assign(world, case, member, role=role)
        assert answer.status_code == 201, answer.text
    return Chamber(world, case, asker, {seat: world.member("custodian") for seat in (1, 2, 3)})


def records(sql: Sql, kind: str) -> list[Json]:
    """The records of a type in line for the log."""
    rows = sql("SELECT record FROM intake.log_records")
    found = [json.loads(bytes(record)) for (record,) in rows]
    return [record for record in found if record["type"] == kind]


#: Operation -> method, path below the staff routes (`{}` is a request), body, and what a permitted stranger gets:
#: one who neither asked nor decided and sent nothing that holds.
OPERATIONS: dict[str, tuple[str, str, Json | None, int]] = {
    "read_custody_reference": ("GET", "/identity-reference", None, 200),
    "ask_identity": ("POST", "/identity-requests", {"request": {}, "reasons": [""]}, 422),
    "list_identity_requests": ("GET", "/identity-requests", None, 200),
    "read_identity_request": ("GET", "/identity-requests/{}", None, 404),
    "decide_identity_request": ("POST", "/identity-requests/{}/decisions", {"decision": {}}, 422),
    "read_identity_share": ("GET", "/identity-requests/{}/shares/1", None, 404),
    "release_identity_share": ("POST", "/identity-requests/{}/releases", {"seat": 1, "release": ""}, 404),
    "sign_undertaking": ("POST", "/identity-requests/{}/undertaking", {"undertaking": {}}, 404),
    "open_identity": ("POST", "/identity-requests/{}/opening", {}, 404),
    "list_undertakings": ("GET", "/undertakings", None, 200),
}
