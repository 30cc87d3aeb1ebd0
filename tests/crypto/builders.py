"""An invented world for the sealing tests: roots, a desk, three seats, certifiers, a log and one reporter.

All its keys come from labels, so that vectors made from it change only where randomness is meant.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from services.crypto.age import HybridIdentity
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.directories import Certifier, Desk, Directory, Log, check_directory, make_directory_body
from services.crypto.grants import open_grant
from services.crypto.notes import VerifierKey
from services.crypto.packages import NewAttachment, OpenedReport, SealedReport, open_report, seal_report
from services.crypto.receipts import ReceiptKeys, derive
from services.crypto.shares import Seat
from services.crypto.signatures import Signed, SigningKey, sign_document

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
TODAY = date(2026, 11, 24)
RECEIPT = "123456789012345678901238"
ORIGIN = "adal.example/intake"
FIELDS: dict[str, Any] = {
    "amount_band": "m100-m500",
    "category": "bribe-taking",
    "channel": "web",
    "language": "kk",
    "region": "75",
    "sector": "health",
    "urgency": "normal",
    "year": 2026,
}
ANSWERS: dict[str, Any] = {"what": "Ақша сұрады. Просили деньги.", "when": "2026-10-02", "witnesses": 2}
NAMED: dict[str, Any] = {"name": "Ойдан Шығарылған", "contact": "+7 700 000 00 00"}
ATTACHMENTS = (
    NewAttachment("фото.jpg", "image/jpeg", b"\xff\xd8" * 700),
    NewAttachment("empty.txt", "text/plain", b""),
)
PERSON = "4f1f8f0e-0d9b-4a53-8f6e-2c1d7f3f9b11"


def seed(label: str) -> bytes:
    """32 bytes that belong to a label."""
    return sha256(b"adal tests: " + label.encode()).digest()


def identity(label: str) -> HybridIdentity:
    """The age identity of a label."""
    return HybridIdentity.from_seed(seed(label))


def signer(label: str) -> SigningKey:
    """The signing key of a label."""
    return SigningKey.from_seed(seed(label))


@dataclass(frozen=True)
class World:
    """Secrets of everybody, and the directory that names them."""

    roots: tuple[SigningKey, ...]
    desk: HybridIdentity
    desk_signing: SigningKey
    seats: tuple[HybridIdentity, ...]
    certifiers: tuple[SigningKey, ...]
    log: SigningKey
    document: Signed
    directory: Directory

    @property
    def root_keys(self) -> list[bytes]:
        """What a client pins."""
        return [root.verify_key for root in self.roots]


def seat_of(kind: str, number: int) -> Seat:
    """The public half of an invented seat of the second half of 2026."""
    label = f"{kind} {number}"
    return Seat(number, identity(label).recipient, "2026H2", signer(label).verify_key)


def directory_body(**changes: Any) -> dict[str, Any]:
    """The body of the world's directory, arguments of `make_directory_body` replaced by `changes`."""
    arguments: dict[str, Any] = {
        "sequence": 1,
        "previous": bytes(32),
        "environment": "development",
        "valid_from": NOW - timedelta(days=10),
        "valid_until": NOW + timedelta(days=80),
        "desks": [Desk("central", "2026-11", identity("desk").recipient, signer("desk").verify_key)],
        "seats": [seat_of("seat", i) for i in (1, 2, 3)],
        "payments": [seat_of("payments", i) for i in (1, 2)],
        "certifiers": [Certifier(f"certifier-{i}", signer(f"certifier {i}").verify_key) for i in (1, 2, 3)],
        "logs": [Log(ORIGIN, str(VerifierKey(ORIGIN, signer("log").verify_key)))],
        "k": 2,
    }
    return make_directory_body(**{**arguments, **changes})


def signed_directory(body: dict[str, Any] | None = None, roots: tuple[int, ...] = (1, 2)) -> Signed:
    """A directory signed by the roots of these numbers."""
    keys = [signer(f"root {i}") for i in roots]
    return sign_document("directory", directory_body() if body is None else body, keys)


@cache
def world() -> World:
    """The world, made once."""
    roots = tuple(signer(f"root {i}") for i in (1, 2, 3))
    document = signed_directory()
    return World(
        roots=roots,
        desk=identity("desk"),
        desk_signing=signer("desk"),
        seats=tuple(identity(f"seat {i}") for i in (1, 2, 3)),
        certifiers=tuple(signer(f"certifier {i}") for i in (1, 2, 3)),
        log=signer("log"),
        document=document,
        directory=check_directory(document, [root.verify_key for root in roots], NOW),
    )


@cache
def reporter() -> ReceiptKeys:
    """The keys of the world's reporter."""
    return derive(RECEIPT)


def seal(**changes: Any) -> SealedReport:
    """A sealed report of the world's reporter, arguments of `seal_report` replaced by `changes`."""
    arguments: dict[str, Any] = {
        "answers": ANSWERS,
        "fields": FIELDS,
        "identity": NAMED,
        "attachments": [],
        "directory": world().directory,
        "desk_id": "central",
        "form": "2026-11",
        "mode": "sealed",
        "receipt": RECEIPT,
        "keys": reporter(),
        "today": TODAY,
    }
    return seal_report(**{**arguments, **changes})


@cache
def sealed() -> SealedReport:
    """One sealed report with two attachments, made once."""
    return seal(attachments=ATTACHMENTS)


@cache
def other() -> SealedReport:
    """Another report of the same reporter: what is moved comes from here."""
    return seal(answers={"what": "something else"}, identity=None)


def report_key(report: SealedReport) -> HybridIdentity:
    """The report's key, from the desk's grant."""
    return open_grant(report.grants[0].data, world().desk, report.manifest)


def opened(report: SealedReport) -> OpenedReport:
    """The report as the desk opens it."""
    parts = [part.data for part in report.parts]
    return open_report(report.manifest, report.signature, parts, report_key(report))


def certificate(certifiers: tuple[int, ...] = (1, 2), **changes: Any) -> Signed:
    """A certificate of an invented investigator, signed by the certifiers of these numbers."""
    cert = Certificate(
        person=PERSON,
        roles=("desk", "investigator"),
        recipient=identity("staff").recipient,
        verify_key=signer("staff").verify_key,
        valid_from=date(2026, 11, 1),
        valid_until=date(2027, 4, 30),
    )
    return make_certificate(replace(cert, **changes), [signer(f"certifier {i}") for i in certifiers])
