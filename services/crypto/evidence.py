"""An evidence manifest: what a report consists of, as hashes, signed by certified staff, provable without any server.

A court that has the pinned roots checks from the document alone who signed it, that the report was in the witnessed
log, and that a file in its hands is the one of the list. Nothing of the content stands in it, no name of a file, and
no key of the reporter: with one, a receipt code found on somebody could be tried out on it.
Byte layout: docs/sealing-format.md section 20.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.crypto import canonical, rules, tlog
from services.crypto.attested import attest, writer_of
from services.crypto.canonical import b64u, members
from services.crypto.directories import Directory, check_directory
from services.crypto.errors import FormatError, Refused
from services.crypto.manifests import Manifest
from services.crypto.notes import VerifierKey, open_note
from services.crypto.promises import entry, leaf_hash, report_record
from services.crypto.signatures import Signed, SigningKey

TYPE = "evidence"
READERS = frozenset({"desk", "lead", "investigator"})
MAX_PARTS = 10_000
_MAX_PROOF = 64 << 10
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,63}/[A-Za-z0-9!#$&^_.+-]{1,63}")
_AUTHORS = frozenset({"reporter", "desk", "staff"})
_MEMBERS = ("certificate", "day", "directory", "filed_on", "log", "manifest", "parts", "reference", "v")
_PART = ("by", "day", "file_sha256", "file_size", "number", "role", "true")


@dataclass(frozen=True)
class TrueBytes:
    """What an attachment holds once it is opened: hash, size, media type as the reporter's system gave it."""

    sha256: bytes
    size: int
    type: str

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        return {"sha256": b64u(self.sha256), "size": self.size, "type": self.type}

    @classmethod
    def from_json(cls, value: Any) -> "TrueBytes":
        """Parse strictly. Error: FormatError."""
        found = members(value, ("sha256", "size", "type"))
        if not isinstance(found["type"], str) or not _MEDIA_TYPE.fullmatch(found["type"]):
            raise FormatError("not a media type")
        return cls(rules.bytes32(found["sha256"]), rules.integer(found["size"]), found["type"])


@dataclass(frozen=True)
class EvidencePart:
    """A stored part: its number, role, author (reporter, desk, staff), day, size and hash of the age file.

    `true` is of an attachment whose envelope was checked, None otherwise.
    """

    number: int
    role: str
    by: str
    day: date
    file_size: int
    file_sha256: bytes
    true: TrueBytes | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "by": self.by, "day": self.day.isoformat(), "file_sha256": b64u(self.file_sha256),
            "file_size": self.file_size, "number": self.number, "role": self.role,
            "true": None if self.true is None else self.true.to_json(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> "EvidencePart":
        """Parse strictly. Error: FormatError."""
        found = members(value, _PART)
        if found["by"] not in _AUTHORS:
            raise FormatError("unknown word")
        return cls(
            rules.integer(found["number"]), rules.code(found["role"]), found["by"], rules.day(found["day"]),
            rules.integer(found["file_size"]), rules.bytes32(found["file_sha256"]),
            None if found["true"] is None else TrueBytes.from_json(found["true"]),
        )  # fmt: skip


@dataclass(frozen=True)
class InLog:
    """The salt of the report's record, and the C2SP proof that it stands in the log, as text."""

    salt: bytes
    proof: str = field(repr=False)


@dataclass(frozen=True)
class Evidence:
    """The parts of a report as of a day; `log` is None while the record is not published."""

    reference: str
    day: date
    filed_on: date
    manifest: Manifest = field(repr=False)
    parts: tuple[EvidencePart, ...] = field(repr=False)
    log: InLog | None = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The body, without certificate and directory."""
        log = self.log and {"proof": self.log.proof, "salt": b64u(self.log.salt)}
        return {
            "day": self.day.isoformat(), "filed_on": self.filed_on.isoformat(), "log": log,
            "manifest": self.manifest.to_json(), "parts": [part.to_json() for part in self.parts],
            "reference": self.reference, "v": 1,
        }  # fmt: skip


@dataclass(frozen=True)
class Inclusion:
    """Where the record stands: log, index, entries of the tree; how many witnesses signed it, of how many."""

    origin: str
    index: int
    size: int
    witnesses: int
    known: int


@dataclass(frozen=True)
class CheckedEvidence:
    """Evidence that holds: who signed it (UUID and roles), and what the log says."""

    evidence: Evidence
    person: str
    roles: tuple[str, ...]
    environment: str
    inclusion: Inclusion | None


def sign_evidence(evidence: Evidence, directory: Signed, certificate: Signed, key: SigningKey) -> Signed:
    """The signed document. Errors: FormatError, Refused for parts that are not the manifest's."""
    document = attest(TYPE, {**evidence.to_json(), "directory": directory.to_json()}, certificate, key)
    _parse(document.body)
    return document


def check_evidence(document: Signed, roots: Sequence[bytes]) -> CheckedEvidence:
    """Everything that can be checked offline with the pinned root keys.

    Errors: FormatError, BadSignature, Refused for whatever does not hold.
    """
    evidence = _parse(document.body)
    directory = _directory(Signed.from_json(document.body["directory"]), roots, evidence.day)
    writer = writer_of(TYPE, document, evidence.day, [directory])
    if not READERS & set(writer.roles):
        raise Refused("signed by somebody who reads no cases")
    inclusion = _inclusion(evidence, directory)
    return CheckedEvidence(evidence, writer.person, writer.roles, directory.environment, inclusion)


def _directory(document: Signed, roots: Sequence[bytes], day: date) -> Directory:
    """The directory that vouches, judged at its own time: evidence outlives it."""
    directory = check_directory(document, roots, rules.instant(document.body.get("valid_from")))
    if not directory.valid_from.date() <= day <= directory.valid_until.date():
        raise Refused("the directory was not in force on that day")
    return directory


def _inclusion(evidence: Evidence, directory: Directory) -> Inclusion | None:
    if evidence.log is None:
        return None
    proof = tlog.LogProof.parse(evidence.log.proof)
    if proof.extra is None:
        raise FormatError("the proof lacks the random part of the entry")
    record = canonical.dumps(report_record(evidence.manifest, evidence.filed_on))
    whole = entry(proof.extra, leaf_hash(evidence.log.salt, record))
    log = _log_of(proof, directory)
    checkpoint = proof.check(whole, log)
    seen, known = _witnesses(proof.checkpoint, log, directory)
    return Inclusion(log.name, proof.index, checkpoint.size, seen, known)


def _log_of(proof: tlog.LogProof, directory: Directory) -> VerifierKey:
    origin = proof.checkpoint.partition("\n")[0]
    for log in directory.logs:
        if log.origin == origin:
            return VerifierKey.parse(log.vkey)
    raise Refused("the directory names no such log")


def _witnesses(checkpoint: str, log: VerifierKey, directory: Directory) -> tuple[int, int]:
    """How many witnesses of different names signed, of how many the directory names. A wrong line spoils the note."""
    known = [key for vkey in directory.witnesses if (key := VerifierKey.parse(vkey)).name != log.name]
    signed = set(open_note(checkpoint, [log, *known]).names) - {log.name}
    return len(signed), len({key.name for key in known})


def _parse(body: Any) -> Evidence:
    found = members(body, _MEMBERS)
    rules.version(found["v"])
    evidence = Evidence(
        rules.text(found["reference"], 64), rules.day(found["day"]), rules.day(found["filed_on"]),
        Manifest.from_json(found["manifest"]),
        tuple(EvidencePart.from_json(line) for line in rules.items(found["parts"], MAX_PARTS)),
        None if found["log"] is None else _in_log(found["log"]),
    )  # fmt: skip
    _check_parts(evidence)
    return evidence


def _in_log(value: Any) -> InLog:
    found = members(value, ("proof", "salt"))
    return InLog(rules.bytes32(found["salt"]), rules.text(found["proof"], _MAX_PROOF))


def _check_parts(evidence: Evidence) -> None:
    """Errors: Refused unless the parts are numbered from 0 and begin with those that the reporter signed for."""
    if [part.number for part in evidence.parts] != list(range(len(evidence.parts))):
        raise Refused("the parts are not numbered from 0")
    first = [(part.role, part.file_size, part.file_sha256) for part in evidence.parts]
    signed = [(line.role, line.size, line.sha256) for line in evidence.manifest.parts]
    if first[: len(signed)] != signed:
        raise Refused("the parts are not those of the manifest")
