"""One case and everything that is written to it: by its reporter, by the desk, by a lead, by an operator of 1424.

Nothing here is read back by a key, so staff sign with keys that nobody certified; tokens are made with the installation's
own key. What the server sees is what real clients send.
"""

import json
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg

from services.crypto import tokens
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.attachments import Envelope, seal_attachment
from services.crypto.canonical import b64, b64u
from services.crypto.dialogue import message_body
from services.crypto.directories import Directory
from services.crypto.grants import seal_grant
from services.crypto.packages import SealedReport, reporter_json, seal_report
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.receipts import ReceiptKeys
from services.crypto.signatures import SigningKey
from services.first_run import Folder
from services.intake.calls import load_wrap_ups
from services.intake.form import load_form
from tests.faults.operations import Headers, Operation, Trace
from tests.faults.sending import Filing, Lost, fields, request

API = "/api/intake/v1"
STAFF = f"{API}/staff"
#: The report with this rid, in a query that has it once more.
_REPORT = "(SELECT id FROM intake.reports WHERE rid = %s)"
_PART = Trace(f"SELECT count(*) FROM intake.parts WHERE report_id = {_REPORT} AND sha256 = %s", ())


def quick_keys() -> ReceiptKeys:
    """Keys of no receipt: stretching one would only slow the rounds down."""
    return ReceiptKeys(secrets.token_bytes(32), HybridIdentity.generate(), SigningKey.generate())


def staff_headers(folder: Folder, role: str, person: str) -> Headers:
    """A fresh access token for each request."""

    def made(_port: int) -> Mapping[str, str]:
        now = int(time.time())
        claims = {"sub": person, "roles": [role], "iat": now, "exp": now + 300, "iss": "adal-accounts"}
        return {"Authorization": f"Bearer {tokens.issue(claims, folder.signing('accounts-token'))}"}

    return made


def inbox_headers(lookup: bytes, key: str | None = None) -> Headers:
    """The inbox is opened anew for each request. Error: Lost."""

    def made(port: int) -> Mapping[str, str]:
        answer = request(port, "POST", f"{API}/inbox/sessions", json.dumps({"lookup": b64u(lookup)}).encode())
        if answer.status != 201:
            raise Lost
        token = json.loads(answer.body)["token"]
        return {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}

    return made


def a_file_for_one() -> bytes:
    """An age file sealed to one key; intake cannot see what is in it."""
    return seal_grant(HybridIdentity.generate(), "investigator", HybridIdentity.generate().recipient)


@dataclass
class Chain:
    """Where the next part of a chain goes."""

    n: int = 0
    prev: bytes = ZERO32

    def took(self, part: bytes) -> None:
        self.n, self.prev = self.n + 1, sha256(part).digest()


@dataclass
class Case:
    """A sealed report with the keys of its reporter, and where both chains stand."""

    report: SealedReport
    folder: Folder
    filing: Filing
    id: str = ""
    lookup: bytes = field(default=b"", repr=False)
    desk: str = field(default_factory=lambda: str(uuid.uuid4()))
    lead: str = field(default_factory=lambda: str(uuid.uuid4()))
    reporter_chain: Chain = field(default_factory=Chain)
    desk_chain: Chain = field(default_factory=Chain)

    @classmethod
    def new(cls, directory: Directory, folder: Folder) -> "Case":
        """Sealed, and not sent yet."""
        report = seal_report(
            {"what": "invented", "mode": "anonymous"}, fields(), None, [], directory, directory.desks[0].id,
            load_form().version, "sealed", receipt="0" * 24, keys=quick_keys(),
        )  # fmt: skip
        case = cls(report, folder, Filing(f"{API}/packages", json.dumps(report.to_json()).encode()))
        case.lookup = report.keys.lookup
        last = report.manifest.parts[1].sha256
        case.reporter_chain = Chain(2, last)
        return case

    @property
    def rid(self) -> bytes:
        return self.report.rid

    def find(self, conninfo: str) -> bool:
        """Learn the id that staff know it by; whether that worked."""
        with suppress(psycopg.Error), psycopg.connect(conninfo) as conn:
            row = conn.execute("SELECT id FROM intake.reports WHERE rid = %s", [self.rid]).fetchone()
            self.id = str(row[0]) if row else ""
        return bool(self.id)

    @property
    def as_desk(self) -> Headers:
        return staff_headers(self.folder, "desk", self.desk)

    @property
    def as_lead(self) -> Headers:
        return staff_headers(self.folder, "lead", self.lead)

    # --- pieces

    def part(
        self, kind: str, by: str, chain: Chain, body: dict[str, Any], to: list[HybridRecipient]
    ) -> bytes:
        """A part for the next place of a chain, which counts as taken from now on."""
        head = Header(kind, by, self.rid, self.report.manifest.dir_seq, chain.n, chain.prev)
        sealed = seal_payload(head, body, self.report.keys.signing, to)
        chain.took(sealed)
        return sealed

    def stored(self, part: bytes) -> Trace:
        """A part or attachment of this report."""
        return Trace(_PART.sql, (self.rid, sha256(part).digest()))

    def counted(self, table: str, condition: str, *values: Any) -> Trace:
        """Rows of a table that belong to this report."""
        query = f"SELECT count(*) FROM intake.{table} WHERE report_id = {_REPORT} AND {condition}"
        return Trace(query, (self.rid, *values))

    def flagged(self, condition: str, *values: Any) -> Trace:
        """The report itself, in a certain condition."""
        return Trace(
            f"SELECT count(*) FROM intake.reports WHERE rid = %s AND {condition}", (self.rid, *values)
        )

    def logged(self, kind: str, **facts: str) -> Trace:
        """The record of the log."""
        wanted = json.dumps({"type": kind, "rid": b64u(self.rid), **facts})
        query = (
            "SELECT count(*) FROM intake.log_records WHERE position(convert_to(%s, 'UTF8') IN record) > 0 "
            "AND convert_from(record, 'UTF8')::jsonb @> %s::jsonb"
        )
        return Trace(query, (b64u(self.rid), wanted))

    def both(self) -> list[HybridRecipient]:
        """Who reads what the desk writes."""
        return [self.report.manifest.report_recipient, self.report.keys.identity.recipient]

    def notice(self, text: str = "invented") -> tuple[dict[str, Any], bytes]:
        """A message by the desk as the API takes it, and its part."""
        n = self.desk_chain.n
        part = self.part("message", "desk", self.desk_chain, message_body(text, []), self.both())
        return {"n": n, "key": 0, "part": b64(part), "attachments": []}, part

    def staff(
        self, name: str, path: str, body: dict[str, Any], *traces: Trace, lead: bool = False, **more: Any
    ) -> Operation:
        """An operation of desk or lead on this case."""
        headers = self.as_lead if lead else self.as_desk
        method = more.pop("method", "POST")
        full = f"{STAFF}/cases/{self.id}/{path}"
        return Operation(name, method, full, json.dumps(body).encode(), traces, headers, **more)


# --- what a reporter writes


def words(case: Case, role: str, path: str, size: int) -> Operation:
    """A sealed message or report of retaliation, with an attachment of `size` bytes unless that is 0."""
    n, recipient = case.reporter_chain.n, case.report.manifest.report_recipient
    data = os.urandom(size)
    files = [seal_attachment(data, recipient)] if size else []
    lines = [Envelope.of(i, "f.bin", "video/mp4", data, file) for i, file in enumerate(files)]
    part = case.part(role, "reporter", case.reporter_chain, message_body("invented", lines), [recipient])
    body = {"n": n, "key": 0, "part": b64(part), "attachments": [b64(file) for file in files]}
    traces = [case.stored(part), *(case.stored(file) for file in files)]
    if role == "retaliation":
        traces += [case.counted("protections", "true"), case.flagged("retaliation_on IS NOT NULL")]
    headers = inbox_headers(case.lookup, secrets.token_urlsafe(24))
    return Operation(role, "POST", f"{API}/inbox/{path}", json.dumps(body).encode(), tuple(traces), headers)


def identity(case: Case) -> Operation:
    """Who the reporter is, added later."""
    n, recipient = case.reporter_chain.n, case.report.manifest.identity_recipient
    part = case.part("identity", "reporter", case.reporter_chain, {"name": "invented"}, [recipient])
    body = json.dumps({"n": n, "part": b64(part)}).encode()
    headers = inbox_headers(case.lookup, secrets.token_urlsafe(24))
    return Operation("identity", "POST", f"{API}/inbox/identity", body, (case.stored(part),), headers)


def new_code(case: Case) -> Iterator[Operation]:
    """A new receipt code: offered with the old one, then put in force with the new one."""
    keys, n = quick_keys(), case.reporter_chain.n
    reporter = {"reporter": reporter_json(keys.identity.recipient, keys.signing.verify_key)}
    to = [case.report.manifest.report_recipient]
    part = case.part("reporter-keys", "reporter", case.reporter_chain, reporter, to)
    offer = json.dumps({"n": n, "part": b64(part), "lookup": b64u(keys.lookup)}).encode()
    waits, case.lookup, old = case.flagged("pending_part = %s", part), keys.lookup, case.lookup
    in_force = Trace(f"SELECT ({waits.sql}) + ({_PART.sql})", (*waits.values, *case.stored(part).values))
    yield Operation(
        "code offered", "POST", f"{API}/inbox/code", offer, (in_force,), inbox_headers(old), done=202
    )
    yield Operation(
        "code confirmed", "POST", f"{API}/inbox/code/confirm", b"",
        (case.stored(part), case.flagged("code_replaced_on IS NOT NULL AND pending_part IS NULL")),
        inbox_headers(keys.lookup), done=204, again=frozenset({409}),
    )  # fmt: skip


# --- what the desk writes


def answer(case: Case) -> Operation:
    """A message to the reporter."""
    body, part = case.notice()
    return case.staff("answer", "messages", body, case.stored(part), again=frozenset({409}))


def assignment(case: Case) -> Operation:
    """An investigator and a lead get the keys; the desk's own grant goes."""
    person, lead = str(uuid.uuid4()), case.lead
    under = {"person": lead, "grant": b64(a_file_for_one())}
    body = {"role": "investigator", "grant": b64(a_file_for_one()), "lead": under}
    desk_gone = Trace(
        f"SELECT 1 - count(*) FROM intake.grants WHERE report_id = {_REPORT} AND role = 'desk'", (case.rid,)
    )
    traces = [desk_gone, case.logged("deletion", what="grant")]
    for one in (person, lead):
        traces += [
            case.counted("assignments", "person = %s AND ended IS NULL", one),
            case.counted("grants", "holder = %s", one),
            case.logged("grant", holder=one),
        ]
    path = f"assignees/{person}"
    return case.staff("assignment", path, body, *traces, method="PUT", again=frozenset({409}))


def step(case: Case, code: str, state: str, **more: Any) -> Operation:
    """A step without words for the reporter."""
    traces = [
        case.counted("states", "step = %s", code),
        case.logged("state", state=state, step=code),
    ]
    if "classification" in more:
        traces.append(case.counted("classifications", "classification = %s", more["classification"]))
    if code == "register":
        traces.append(case.counted("deadlines", "kind = 'decide' AND extended_from IS NULL"))
    return case.staff(f"step {code}", "steps", {"step": code, **more}, *traces, again=frozenset({409}))


def forward(case: Case) -> Operation:
    """A step with a message to the reporter."""
    notice, part = case.notice()
    body = {"step": "forward", "body": load_form().lists["bodies"].items[0].code, "notice": notice}
    traces = [
        case.stored(part),
        case.counted("states", "step = 'forward'"),
        case.logged("state", step="forward"),
    ]
    return case.staff("step forward", "steps", body, *traces, again=frozenset({409}))


def extension(case: Case) -> Operation:
    """A lead extends the time for considering the case, and says so."""
    notice, part = case.notice()
    until = (datetime.now(UTC) + timedelta(days=50)).date().isoformat()
    traces = [
        case.stored(part),
        case.counted("deadlines", "extended_from IS NOT NULL"),
        case.counted("deadlines", "reason = 'extended'"),
        case.logged("extension"),
    ]
    body = {"until": until, "notice": notice}
    return case.staff("extension", "extensions", body, *traces, lead=True, again=frozenset({409}))


def note(case: Case) -> Operation:
    """A sealed note in the folder."""
    id_ = str(uuid.uuid4())
    body = {"id": id_, "key": 0, "note": b64(a_file_for_one())}
    return case.staff("note", "notes", body, case.counted("case_notes", "id = %s", id_))


def labels(case: Case) -> Operation:
    """Two labels at once."""
    body = {"labels": ["urgent", "media"]}
    traces = [case.counted("case_labels", "label = %s", label) for label in body["labels"]]
    return case.staff("labels", "labels", body, *traces, method="PUT", done=200)


def call_record(case: Case) -> Operation:
    """A call to 1424 with words for the desk; it has nothing to do with the case."""
    wrap_up = load_wrap_ups().items[0].code
    id_, operator = str(uuid.uuid4()), staff_headers(case.folder, "operator", str(uuid.uuid4()))
    said = {"kind": "callback", "desk": case.report.package.grants[0].desk, "data": b64(a_file_for_one())}
    body = {
        "id": id_,
        "kind": "consultation",
        "language": "kk",
        "named": False,
        "wrap_up": wrap_up,
        "note": said,
    }
    traces = (
        Trace("SELECT count(*) FROM intake.calls WHERE id = %s", (id_,)),
        Trace("SELECT count(*) FROM intake.call_notes WHERE call_id = %s", (id_,)),
    )
    return Operation("call record", "POST", f"{STAFF}/calls", json.dumps(body).encode(), traces, operator)


def _in_order(case: Case) -> list[Callable[[], Operation]]:
    """What is possible only one after the other."""
    return [
        lambda: step(case, "register", "registered", classification="criminal"),
        lambda: extension(case),
        lambda: step(case, "review", "in_review"),
        lambda: forward(case),
    ]


def _at_any_time(case: Case, generator: random.Random) -> list[Callable[[], Operation]]:
    """The rest, shuffled; both halves of a new code stay together."""
    code = new_code(case)
    found: list[list[Callable[[], Operation]]] = [
        [lambda: words(case, "message", "messages", generator.choice((0, 100, 70_000)))],
        [lambda: words(case, "message", "messages", 1_000_000)],
        [lambda: words(case, "retaliation", "retaliation", 0)],
        [lambda: identity(case)],
        [lambda: next(code), lambda: next(code)],
        [lambda: answer(case)],
        [lambda: assignment(case)],
        [lambda: note(case)],
        [lambda: labels(case)],
        [lambda: call_record(case)],
    ]
    generator.shuffle(found)
    return [make for together in found for make in together]


def work(case: Case, generator: random.Random) -> Iterator[Operation]:
    """Everything that happens to a case, in an order that is allowed and otherwise by chance. Made one by one."""
    steps, free = _in_order(case), _at_any_time(case, generator)
    while steps or free:
        chosen = free if free and (not steps or generator.random() < 0.7) else steps
        yield chosen.pop(0)()
