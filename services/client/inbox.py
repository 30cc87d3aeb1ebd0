"""The reporter's inbox: what the desk answered, opened and checked here, and what the reporter adds.

The server keeps the parts and sees none of them. Every answer is believed only if a desk of the key directory, or
certified staff, signed it for this report and this place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from services.client import chain
from services.client.cases import InClear, Protection, outcome_differs
from services.client.chain import Ended, Message, Part, Place, Rejected
from services.client.deadlines import Deadline, deadlines_of
from services.client.directory import INTAKE, Directories
from services.client.door import let_in
from services.client.downloads import file_name, save
from services.client.errors import Problem, Unproven, understood
from services.client.form_words import texts_of
from services.client.http import Call, Http, Progress, idempotency_key
from services.client.keyring import last_key
from services.client.sealing import seal_files
from services.crypto import rules
from services.crypto.age import HybridRecipient
from services.crypto.attachments import open_attachment_stream
from services.crypto.canonical import b64, b64u, unb64, unb64u
from services.crypto.directories import NOTIFIER
from services.crypto.errors import BadSignature, CryptoError, Refused
from services.crypto.manifests import Manifest
from services.crypto.notices import NoticeAddress, seal_notice_address
from services.crypto.outcomes import TYPE as OUTCOME
from services.crypto.packages import NewAttachment, reporter_json
from services.crypto.payloads import Header, open_payload, seal_payload
from services.crypto.receipts import ReceiptKeys, derive, new_receipt
from services.crypto.reportkeys import TYPE, Carried, open_carried, report_recipient_of, seal_carried
from services.crypto.signatures import verify


@dataclass(frozen=True)
class Opening:
    """Custodians opened who the reporter is: the day, the code of the ground and its text by language."""

    day: date
    ground: str
    labels: dict[str, str]

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Opening":
        """Read a line of the API. Errors: FormatError, KeyError."""
        return cls(rules.day(value["day"]), str(value["ground"]), texts_of(value["labels"]))


@dataclass(frozen=True)
class View:
    """What the server says of a report, checked as far as the reporter's keys reach.

    `states` are pairs of state and day; `code_replaced_on` is None as long as the first receipt is in force; `openings`
    are those of the reporter's identity, as far as the server shows them.
    """

    reference: str
    state: str
    states: tuple[tuple[str, date], ...]
    mode: str
    filed_on: date
    code_replaced_on: date | None
    code_pending: bool
    leaf: bytes = field(repr=False)
    published: bool
    manifest: Manifest = field(repr=False)
    signature: bytes = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    witnessed: bool = False
    protection: Protection | None = None
    openings: tuple[Opening, ...] = ()
    outcome: InClear | None = None
    carried: bytes | None = field(default=None, repr=False)
    code_suspect_on: date | None = None
    code_suspect: bool = False
    notice: bool = False
    deadlines: tuple[Deadline, ...] = field(default=(), repr=False)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "View":
        """Read the API's view and check that it agrees with itself. Errors: BadAnswer, CryptoError."""
        with understood():
            view = cls(
                reference=str(value["reference"]),
                state=str(value["state"]),
                states=tuple((str(line["state"]), rules.day(line["day"])) for line in value["states"]),
                mode=str(value["mode"]),
                filed_on=rules.day(value["filed_on"]),
                code_replaced_on=rules.day_or_none(value["code_replaced_on"]),
                code_pending=bool(value["code_pending"]),
                leaf=rules.bytes32(value["leaf"]),
                published=bool(value["published"]),
                witnessed=bool(value.get("witnessed", False)),
                protection=Protection.from_json(value.get("protection")),
                manifest=Manifest.from_json(value["manifest"]),
                signature=unb64u(value["signature"], 64),
                parts=tuple(Part.from_json(line) for line in value["parts"]),
                carried=None if value.get("carried") is None else unb64(value["carried"]),
                outcome=InClear.from_json(value.get("outcome")),
                openings=tuple(Opening.from_json(line) for line in value.get("openings", ())),
                code_suspect_on=rules.day_or_none(value.get("code_suspect_on")),
                code_suspect=bool(value.get("code_suspect", False)),
                notice=bool(value.get("notice", False)),
                deadlines=deadlines_of(value),
            )
            view._check(value)
        return view

    @cached_property
    def place(self) -> Place:
        """Where the reporter's next part goes."""
        return chain.end_of(chain.chain_of(self.parts, reporter=True))

    def _check(self, value: dict[str, Any]) -> None:
        mine = chain.chain_of(self.parts, reporter=True)
        if [part.sha256 for part in mine[:2]] != [line.sha256 for line in self.manifest.parts[:2]]:
            raise Refused("the list of parts is not that of the manifest")
        if (value["next"]["n"], rules.bytes32(value["next"]["prev"])) != (self.place.n, self.place.prev):
            raise Refused("the next place is not behind the last part")
        if rules.bytes32(value["rid"]) != self.manifest.rid:
            raise Refused("the manifest is of another report")


@dataclass(frozen=True)
class _Opened:
    """The desk's chain as this receipt reads it; `newest` is the report's newest key, None for the manifest's."""

    replies: tuple[Message, ...]
    outcomes: tuple[Ended, ...]
    rejected: tuple[Rejected, ...]
    newest: Carried | None


_Sealing = tuple[dict[str, Any], HybridRecipient, dict[str, Any]]
"""Body of a part, whom it is sealed to, and what else is sent with it."""


class Inbox:
    """An open inbox. Errors of every method: Problem, Unreachable, BadAnswer, CryptoError."""

    def __init__(self, http: Http, directories: Directories, keys: ReceiptKeys) -> None:
        self._http, self._directories, self._keys = http, directories, keys
        self._token = sign_in(http, keys)
        self.view = self._load()

    def __repr__(self) -> str:
        return "Inbox(...)"

    def refresh(self) -> View:
        """Load the view again."""
        self.view = self._load()
        self.__dict__.pop("_opened", None)
        return self.view

    @property
    def replies(self) -> tuple[Message, ...]:
        """Answers of desk and staff that were opened and checked, in order."""
        return self._opened.replies

    @property
    def outcome_differs(self) -> bool:
        """Whether the outcome in clear is not the one that was sealed: somebody on the server changed it."""
        return outcome_differs(self.view.outcome, self.outcomes)

    @property
    def outcomes(self) -> tuple[Ended, ...]:
        """How the case ended, each time it was closed; the claim token in each is for a later reward claim."""
        return self._opened.outcomes

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Answers that do not count; reason `key` means: sealed to a receipt that was replaced since."""
        return self._opened.rejected

    @property
    def recipient(self) -> HybridRecipient:
        """Whom the reporter's words are sealed to: the newest report key that the desk vouched for."""
        newest = self._opened.newest
        return self.view.manifest.report_recipient if newest is None else newest.recipient

    @cached_property
    def proven(self) -> bool:
        """Whether the report's public keys are vouched for: by this receipt's signature, or by a desk's answer."""
        try:
            verify(
                self._keys.signing.verify_key, "manifest", self.view.manifest.to_json(), self.view.signature
            )
        except BadSignature:
            # The receipt that signed was replaced, or the server shows another report. The id of a report is the
            # hash of its key, so an answer signed by the desk for this id settles it.
            if self.view.code_replaced_on is None:
                raise
            return bool(self.replies or self.outcomes) or self._opened.newest is not None
        return True

    def send(
        self,
        text: str,
        attachments: Sequence[NewAttachment] = (),
        unproven: bool = False,
        progress: Progress | None = None,
    ) -> int:
        """Write to the desk; the number of the stored part. Error: Unproven unless `unproven` is accepted."""
        self._require_proof(unproven)
        return self._append("/messages", "message", lambda: self._words(text, attachments), progress)

    def report_retaliation(
        self,
        text: str,
        attachments: Sequence[NewAttachment] = (),
        unproven: bool = False,
        progress: Progress | None = None,
    ) -> Protection:
        """Tell the desk that somebody strikes back: sealed like a message; the protection that runs from now on.

        Error: Unproven unless `unproven` is accepted.
        """
        self._require_proof(unproven)
        self._append("/retaliation", "retaliation", lambda: self._words(text, attachments), progress)
        if self.view.protection is None:
            raise Refused("the case was not flagged")
        return self.view.protection

    def add_identity(self, identity: dict[str, str], unproven: bool = False) -> int:
        """Say who you are; only k identity custodians together can read it. The number of the stored part."""
        self._require_proof(unproven)
        recipient = self.view.manifest.identity_recipient
        return self._append("/identity", "identity", lambda: ({"identity": identity}, recipient, {}))

    def replace_code(self, unproven: bool = False) -> str:
        """Offer a new receipt (24 digits); the old one works until `Reporter.confirm_code` had the new one."""
        self._require_proof(unproven)
        receipt = new_receipt()
        new = derive(receipt)
        body = {"reporter": reporter_json(new.identity.recipient, new.signing.verify_key)}
        place = self.view.place
        part = self._seal("reporter-keys", body, self.recipient, place)
        offer = {"n": place.n, "part": b64(part), "lookup": b64u(new.lookup)}
        if self._opened.newest is not None:
            sequence = self._directories.current().sequence
            offer["carried"] = b64(seal_carried(self.view.manifest.rid, sequence, self._opened.newest, new))
        self._http.post(f"{INTAKE}/inbox/code", offer, self._bearer())
        return receipt

    def leave_address(self, address: str, language: str) -> None:
        """Be told by e-mail that there is something new, and nothing more: sealed here to the notifier alone.

        Errors: FormatError for what is no address, Refused if the key directory names no notifier.
        """
        notifier = self._directories.current().service(NOTIFIER)
        sealed = seal_notice_address(NoticeAddress.new(address, language), notifier)
        call = Call("PUT", f"{INTAKE}/inbox/notice", {"address": b64(sealed)}, self._bearer())
        self._http.send(call)
        self.refresh()

    def drop_address(self) -> None:
        """Take the address back. Error: Problem `not-found` if there is none."""
        self._http.send(Call("DELETE", f"{INTAKE}/inbox/notice", headers=self._bearer()))
        self.refresh()

    def download(self, reply: Message, index: int, folder: Path) -> Path:
        """Save an attachment of a reply; the path. Error: Refused if the server does not have it."""
        envelope = reply.envelopes[index]
        number = chain.numbers_by_hash(self.view.parts).get(envelope.file_sha256)
        if number is None:
            raise Refused("the attachment is not in the list")
        with self._http.stream(f"{INTAKE}/inbox/parts/{number}", self._bearer()) as chunks:
            return save(
                open_attachment_stream(chunks, envelope, self._keys.identity), folder, file_name(envelope)
            )

    @cached_property
    def _opened(self) -> _Opened:
        good: list[Message] = []
        ended: list[Ended] = []
        bad: list[Rejected] = []
        newest: Carried | None = None
        place, rid = Place(), self.view.manifest.rid
        known = self._directories.known()
        for part in chain.chain_of(self.view.parts, reporter=False):
            answer = self._http.get(f"{INTAKE}/inbox/parts/{part.number}", self._bearer())
            try:
                opened = open_payload(chain.check_file(part, answer.body), self._keys.identity)
                signer = chain.check_link(opened, part, rid, place, chain.signers_of(opened, part, known))
                if part.role == TYPE:
                    newest = Carried(place.n, part.sha256, report_recipient_of(opened.body))
                elif part.role == OUTCOME:
                    ended.append(chain.ended_of(opened, part, signer))
                else:
                    good.append(chain.message_of(opened, part, signer))
            except CryptoError as exc:
                if noted := self._noted(part, place):
                    newest = noted
                else:
                    bad.append(chain.rejected(part, exc))
            place = place.after(part.sha256)
        return _Opened(tuple(good), tuple(ended), tuple(bad), newest)

    def _noted(self, part: Part, place: Place) -> Carried | None:
        """What an earlier code of this reporter noted of a `report-keys` part, which was sealed to that code."""
        if part.role != TYPE or self.view.carried is None:
            return None
        try:
            found = open_carried(self.view.carried, self._keys, self.view.manifest.rid)
        except CryptoError:
            return None
        return found if (found.n, found.part) == (place.n, part.sha256) else None

    def _words(self, text: str, attachments: Sequence[NewAttachment]) -> _Sealing:
        sealed = seal_files(attachments, [self.recipient])
        body = {"attachments": sealed.lines, "text": text}
        extra = {"attachments": sealed.files, "key": last_key(self.view.parts)}
        return body, self.recipient, extra

    def _require_proof(self, unproven: bool) -> None:
        if not self.proven and not unproven:
            raise Unproven()

    def _append(
        self,
        path: str,
        role: str,
        seal: Callable[[], _Sealing],
        progress: Progress | None = None,
    ) -> int:
        """Seal for the next place and send; once more if somebody else (this receipt, elsewhere) took the place, or
        the report got a new key.
        """
        for last in (False, True):
            body, recipient, extra = seal()
            part = self._seal(role, body, recipient, self.view.place)
            content = {"n": self.view.place.n, "part": b64(part), **extra}
            headers = self._bearer() | {"Idempotency-Key": idempotency_key()}
            try:
                stored = self._http.post(f"{INTAKE}/inbox{path}", content, headers, progress).json()
            except Problem as exc:
                if exc.status != 409 or last:
                    raise
                self.refresh()
                continue
            self.refresh()
            with understood():
                return int(stored["number"])
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _seal(self, role: str, body: dict[str, Any], recipient: HybridRecipient, place: Place) -> bytes:
        sequence = self._directories.current().sequence
        head = Header(role, "reporter", self.view.manifest.rid, sequence, place.n, place.prev)
        return seal_payload(head, body, self._keys.signing, [recipient])

    def _load(self) -> View:
        return View.from_json(self._http.get(f"{INTAKE}/inbox", self._bearer()).json())

    def _bearer(self) -> dict[str, str]:
        return bearer(self._token)


def sign_in(http: Http, keys: ReceiptKeys) -> str:
    """A token for half an hour. Error: Problem `no-such-receipt`."""
    lookup = {"lookup": b64u(keys.lookup)}
    answer = let_in(http, lambda door: http.post(f"{INTAKE}/inbox/sessions", lookup, door))
    with understood():
        return str(answer.json()["token"])


def confirm_code(http: Http, receipt: str) -> None:
    """Put a new code in force: the server sees that it was typed back, and the old one dies."""
    http.post(f"{INTAKE}/inbox/code/confirm", {}, bearer(sign_in(http, derive(receipt))))


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {token}"}
