"""Evidence of a report for a court: made from an opened case, checked offline against the pinned roots and files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.client.cases import OpenedCase
from services.client.chain import Part
from services.client.directory import INTAKE
from services.client.errors import NotUnlocked, Problem, understood
from services.client.http import part_of_path
from services.client.staff import StaffSession
from services.crypto import canonical, rules
from services.crypto.attachments import Envelope
from services.crypto.canonical import b64u
from services.crypto.errors import Refused
from services.crypto.evidence import (
    CheckedEvidence,
    Evidence,
    EvidencePart,
    InLog,
    TrueBytes,
    check_evidence,
    sign_evidence,
)
from services.crypto.promises import leaf_hash, report_record
from services.crypto.signatures import Signed

_PIECE = 1 << 20
MOST = 16 << 20
"""Bytes of a document that is read at most."""


def make_evidence(session: StaffSession, case: OpenedCase, roots: Sequence[bytes]) -> Signed:
    """The signed document, checked as its readers will check it.

    An attachment whose true bytes were never hashed (plain mode) is read through once. Errors: NotUnlocked without a
    certificate; Refused if the server's record is not of this report; CryptoError.
    """
    certificate = session.me().certificate
    if certificate is None:
        raise NotUnlocked()
    true = {one.file_sha256: one for one in case.attachments}
    evidence = Evidence(
        reference=case.line.reference,
        day=session.today(),
        filed_on=case.line.filed_on,
        manifest=case.sealed.manifest,
        parts=tuple(_part(session, case, part, true.get(part.sha256)) for part in case.sealed.parts),
        log=_in_log(session, case),
    )
    directory = Signed.from_json(session.http.get(f"{INTAKE}/key-directory").json())
    document = sign_evidence(evidence, directory, certificate, session.unlocked.key.signing)
    check_evidence(document, roots)
    return document


def _part(session: StaffSession, case: OpenedCase, part: Part, envelope: Envelope | None) -> EvidencePart:
    true = None
    if envelope is not None:
        digest = envelope.sha256 or _read_through(session, case, envelope)
        true = TrueBytes(digest, envelope.size, envelope.type)
    return EvidencePart(part.number, part.role, part.by, part.day, part.size, part.sha256, true)


def _read_through(session: StaffSession, case: OpenedCase, envelope: Envelope) -> bytes:
    digest = sha256()
    with session.true_bytes(case, envelope) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    return digest.digest()


def _in_log(session: StaffSession, case: OpenedCase) -> InLog | None:
    """Salt and proof; None while the record is not published. Error: Refused if it is of something else."""
    path = f"{INTAKE}/staff/cases/{part_of_path(case.line.id)}/log-record"
    found = session.call("GET", path).json()
    with understood():
        salt, leaf = rules.bytes32(found["salt"]), rules.bytes32(found["leaf"])
    record = report_record(case.sealed.manifest, case.line.filed_on)
    if leaf_hash(salt, canonical.dumps(record)) != leaf:
        raise Refused("the record in the log is not of this report")
    try:
        proof = session.http.get(f"{INTAKE}/log/proofs/{b64u(leaf)}").body.decode()
    except Problem as exc:
        if exc.slug != "not-published":
            raise
        return None
    return InLog(salt, proof)


# --- offline


@dataclass(frozen=True)
class FileFound:
    """What a file is: the part with these bytes and whether they are its sealed or its true ones; None for neither."""

    name: str
    part: EvidencePart | None
    sealed: bool


def read_evidence(path: Path, roots: Sequence[bytes]) -> CheckedEvidence:
    """Read and check a document. Errors: OSError; FormatError, BadSignature, Refused."""
    with path.open("rb") as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise Refused("too large for an evidence manifest")
    return check_evidence(Signed.from_json(canonical.loads(data)), roots)


def find_files(evidence: Evidence, paths: Iterable[Path]) -> Iterator[FileFound]:
    """Which part each file is, by its hash alone. Errors: OSError."""
    sealed: Mapping[bytes, EvidencePart] = {part.file_sha256: part for part in evidence.parts}
    true = {part.true.sha256: part for part in evidence.parts if part.true is not None}
    for path in paths:
        digest = _hash_of(path)
        yield FileFound(path.name, sealed.get(digest) or true.get(digest), digest in sealed)


def _hash_of(path: Path) -> bytes:
    digest: Any = sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return bytes(digest.digest())
