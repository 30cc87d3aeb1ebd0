"""The staff side: cases are listed by their coded values, and opened, answered and assigned on this machine.

A report key is handed on only to a certified recipient, so neither the server nor one administrator can add a reader.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from services.client import access, cases, chain
from services.client.cases import CaseLine, OpenedCase, SealedCase
from services.client.chain import Part
from services.client.directory import INTAKE, Directories
from services.client.downloads import file_name, save
from services.client.errors import NotHanded, NotUnlocked, Unreachable, understood
from services.client.http import Http, Progress, part_of_path
from services.client.scanning import Scanner
from services.client.sealing import seal_files
from services.client.session import ACCOUNTS, Person, Session
from services.crypto.attachments import Envelope, open_attachment_stream
from services.crypto.canonical import b64, b64u, unb64
from services.crypto.certificates import Certificate
from services.crypto.directories import Directory
from services.crypto.packages import NewAttachment
from services.crypto.payloads import Header, seal_payload
from services.crypto.signatures import Signed, SigningKey
from services.crypto.staffkeys import GroupKey, StaffKey, wrap_group_key, wrap_staff_key

DESK = frozenset({"desk", "lead"})
"""Roles that see all cases and answer in the desk's name."""
_STAFF = f"{INTAKE}/staff"


@dataclass(frozen=True)
class Colleague:
    """A line of the staff list; the certificate is not yet checked."""

    id: str
    name: str
    roles: frozenset[str]
    certificate: Signed | None = field(repr=False)


class StaffSession(Session):
    """Cases for a member of staff, and accounts for an administrator. Errors as in `Session`."""

    def cases(self, **filters: str) -> Iterator[CaseLine]:
        """Cases, newest first, over all pages. Filters: state, category, region, sector, mode, assigned (me, UUID)."""
        for item in self._pages(f"{_STAFF}/cases", {**filters, "limit": "100"}):
            with understood():
                yield CaseLine.from_json(item)

    def case(self, id: str) -> OpenedCase:  # noqa: A002 - the name of the API
        """Open a case. Errors: NotUnlocked; NotHanded if this person holds no key of it; CryptoError."""
        keys, sealed = self.unlocked, self.sealed_case(id)
        if 0 not in sealed.grants:
            raise NotHanded()
        filed_under = self._directories.of_report(sealed.directory, sealed.manifest.directory)
        holders = [keys.key.identity, *(group.identity for group in keys.groups)]
        known = [*self._directories.known(), filed_under]
        return cases.open_case(sealed, holders, known, lambda part: self._part(id, part))

    def sealed_case(self, id: str) -> SealedCase:  # noqa: A002 - the name of the API
        """A case as it lies: nothing of it is opened, or to be believed."""
        return SealedCase.from_json(self.call("GET", f"{_STAFF}/cases/{part_of_path(id)}").json())

    def find(self, reference: str) -> CaseLine:
        """The case with this reference or id. Error: LookupError."""
        wanted = reference.strip().upper()
        for line in self.cases():
            if wanted in (line.reference.upper(), line.id.upper()):
                return line
        raise LookupError("no case has this reference")

    def download(
        self, case: OpenedCase, envelope: Envelope, folder: Path, scanner: Scanner | None = None
    ) -> Path:
        """Save an attachment under a harmless name, once its hashes passed and the scanner found nothing; the path.

        Errors: Infected, NotScanned; then nothing is kept.
        """
        inspect = None if scanner is None else scanner.check
        with self.true_bytes(case, envelope) as chunks:
            return save(chunks, folder, file_name(envelope), inspect)

    @contextmanager
    def true_bytes(self, case: OpenedCase, envelope: Envelope) -> Iterator[Iterator[bytes]]:
        """The opened bytes of an attachment, in constant memory; they count once the iterator ended without error."""
        part = case.part_of(envelope)
        path = f"{_STAFF}/cases/{case.line.id}/parts/{part.number}"
        with self._http.stream(path, self.bearer(), part.size) as chunks:
            yield open_attachment_stream(chunks, envelope, *case.keyring.newest_first)

    def answer(
        self,
        case: OpenedCase,
        text: str,
        attachments: Sequence[NewAttachment] = (),
        progress: Progress | None = None,
    ) -> int:
        """Write to the reporter; the number of the stored part. Errors: NotUnlocked (no desk key), CodeInDoubt."""
        content = self.sealed_message(case, text, attachments)
        path = f"{_STAFF}/cases/{case.line.id}/messages"
        try:
            stored = self.call("POST", path, content, progress=progress).json()
        except Unreachable:
            return self._was_stored(case, unb64(content["part"]))
        with understood():
            return int(stored["number"])

    def sealed_message(
        self, case: OpenedCase, text: str, attachments: Sequence[NewAttachment] = ()
    ) -> dict[str, Any]:
        """A message to the reporter as the API takes it, alone or with a step. Errors as of `answer`."""
        case.require_code()
        recipients = [case.keyring.recipient, case.reporter]
        sealed = seal_files(attachments, recipients)
        by, signing, extra = self.author(case.line.desk)
        body = {"attachments": sealed.lines, "text": text, **extra}
        sequence = self.key_directory().sequence
        head = Header("message", by, case.sealed.manifest.rid, sequence, case.place.n, case.place.prev)
        part = seal_payload(head, body, signing, recipients)
        return {
            "n": case.place.n,
            "key": access.seen_key(case),
            "part": b64(part),
            "attachments": sealed.files,
        }

    def assign(
        self, case: OpenedCase, person: str, role: str = "investigator", lead: str | None = None
    ) -> Certificate:
        """Hand the report's keys to a certified person; see `access.assign`. Errors: LookupError, Refused, NoLead."""
        return access.assign(self, case, person, role, lead)

    def end_access(self, case: OpenedCase, person: str, also: Collection[str] = ()) -> int:
        """End a person's access: the report gets a new key; see `access.end_access`. Errors: LookupError, Refused."""
        return access.end_access(self, case, person, also)

    def hand_over(self, case_id: str, leaver: str, successor: str) -> str:
        """Give a case to a successor, then end the leaver's access; the role. See `access.hand_over`."""
        return access.hand_over(self, case_id, leaver, successor)

    def release(
        self, person: str, also: Collection[str] = (), to: str | None = None
    ) -> Iterator[tuple[str, Exception | None]]:
        """End every access of a person who leaves; see `access.release`."""
        return access.release(self, person, also, to)

    def staff(self, closed: bool = False) -> Iterator[Colleague]:
        """Everybody on the staff, or everybody whose account is closed, over all pages."""
        for item in self._pages(f"{ACCOUNTS}/staff", {"closed": "true"} if closed else {}):
            with understood():
                signed = item["certificate"]
                certificate = None if signed is None else Signed.from_json(signed)
                yield Colleague(str(item["id"]), str(item["name"]), frozenset(item["roles"]), certificate)

    def today(self) -> date:
        """The day by this client's clock (UTC)."""
        return self._directories.clock().date()

    def known_directories(self) -> tuple[Directory, ...]:
        """Every directory this client ever checked here, newest first."""
        return self._directories.known()

    # --- accounts ------------------------------------------------------------------------------------------------

    def add_staff(self, login: str, name: str, roles: Sequence[str]) -> tuple[str, str]:
        """Make an account; its UUID and the one-time enrolment secret."""
        body = {"login": login, "name": name, "roles": sorted(set(roles))}
        answer = self.call("POST", f"{ACCOUNTS}/staff", body).json()
        with understood():
            return str(answer["id"]), str(answer["enrolment"])

    def enrol(self, login: str, enrolment: str, password: str) -> tuple[str, str]:
        """Set a password with the one-time secret; URI and secret of the second factor. Needs no sign-in."""
        body = {"login": login, "enrolment": enrolment, "password": password}
        answer = self._http.post(f"{ACCOUNTS}/enrolments", body).json()
        with understood():
            return str(answer["totp_uri"]), str(answer["totp_secret"])

    def put_key(self, key: StaffKey, passphrase: str, replace: bool = False) -> None:
        """Store one's own staff key, wrapped here (about a second).

        Other keys than the certified ones need `replace`, and new signatures of two certifiers afterwards.
        """
        body = {
            "wrapped": b64(wrap_staff_key(key, passphrase)),
            "recipient": str(key.identity.recipient),
            "verify_key": b64u(key.signing.verify_key),
        }
        self.call("PUT", f"{ACCOUNTS}/me/key", body, {"replace": "true"} if replace else None)
        self._me = None

    def put_certificate(self, person: str, certificate: Signed) -> None:
        """Publish a certificate (administrator)."""
        self.call("PUT", f"{ACCOUNTS}/staff/{part_of_path(person)}/certificate", certificate.to_json())

    def put_group_key(self, certificate: Certificate, key: GroupKey) -> None:
        """Give a group's key to a member, wrapped for the certified recipient."""
        path = f"{ACCOUNTS}/staff/{part_of_path(certificate.person)}/group-keys/{part_of_path(key.id)}"
        self.call("PUT", path, {"data": b64(wrap_group_key(key, certificate.recipient))})

    def publish_directory(self, document: Signed) -> int:
        """Publish a signed key directory (administrator); its sequence."""
        answer = self.call("POST", f"{_STAFF}/key-directory", document.to_json()).json()
        with understood():
            return int(answer["sequence"])

    @property
    def http(self) -> Http:
        """The connection, for calls that need no sign-in."""
        return self._http

    @property
    def directories(self) -> Directories:
        """The checked key directory and what this client remembers."""
        return self._directories

    def part(self, case: OpenedCase, part: Part) -> bytes:
        """The age file of a part, which must be the one the list names. Error: Refused."""
        return chain.check_file(part, self._part(case.line.id, part))

    def pages(self, path: str, params: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """The items of a list of the API, over all pages."""
        return self._pages(path, params or {})

    # --- inside --------------------------------------------------------------------------------------------------

    def _pages(self, path: str, params: dict[str, str]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self.call("GET", path, params=params | ({"cursor": cursor} if cursor else {})).json()
            with understood():
                items, following = list(page["items"]), page["next"]
            yield from items
            if following is None or following == cursor:
                return
            cursor = str(following)

    def _part(self, case_id: str, part: Part) -> bytes:
        return self.call("GET", f"{_STAFF}/cases/{part_of_path(case_id)}/parts/{part.number}").body

    def author(self, desk: str) -> tuple[str, SigningKey, dict[str, Any]]:
        """In whose name this person writes: the desk's, with its key, or their own, with their certificate."""
        me = self.me()
        if me.person.roles & DESK:
            _, group = self.desk_key(self.key_directory(), desk)
            assert group.signing is not None  # noqa: S101 - `desk_key` compares it with the directory
            return "desk", group.signing, {}
        if me.certificate is None:
            raise NotUnlocked()
        return "staff", self.unlocked.key.signing, {"certificate": me.certificate.to_json()}

    def _was_stored(self, case: OpenedCase, part: bytes) -> int:
        """After a broken connection: the number of our part if it arrived. Error: Unreachable."""
        for line in self.sealed_case(case.line.id).parts:
            if line.size == len(part) and line.sha256 == chain.hash_of(part):
                return line.number
        raise Unreachable()


__all__ = ["DESK", "Colleague", "Person", "StaffSession"]
