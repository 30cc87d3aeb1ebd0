"""The manifest is what a report shows in clear: coded fields, public keys, and the hash of everything sealed.

The reporter signs it with the receipt's signing key, whose public half only the desk can read.
"""

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from services.crypto import canonical, rules
from services.crypto.age import HybridRecipient
from services.crypto.canonical import b64u, members
from services.crypto.errors import FormatError

MODES = ("sealed", "plain")
ROLES = ("narrative", "identity", "attachment")
CODED = ("amount_band", "category", "channel", "language", "region", "sector", "urgency")
MAX_PARTS = 102
_MEMBERS = (
    "dir_seq", "directory", "fields", "form", "identity_recipient", "k", "mode", "n",
    "parts", "report_recipient", "rid", "shares", "v",
)  # fmt: skip


@dataclass(frozen=True)
class PartLine:
    """One sealed part: its role, the size of its age file in bytes, the SHA-256 of that file."""

    role: str
    size: int
    sha256: bytes


@dataclass(frozen=True)
class ShareLine:
    """One share of the identity key: the seat it is sealed to and the commitment to its 33 bytes."""

    seat: int
    commitment: bytes


@dataclass(frozen=True)
class Manifest:
    """Section 6 of the sealing format. `directory` and `rid` are 32 bytes, `fields` the clear fields."""

    rid: bytes
    dir_seq: int
    directory: bytes
    mode: str
    form: str
    fields: dict[str, Any] = field(repr=False)
    report_recipient: HybridRecipient = field(repr=False)
    identity_recipient: HybridRecipient = field(repr=False)
    k: int
    n: int
    parts: tuple[PartLine, ...] = field(repr=False)
    shares: tuple[ShareLine, ...] = field(repr=False)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical manifest, as the log's record carries it."""
        return sha256(self.canonical).digest()

    @cached_property
    def canonical(self) -> bytes:
        """The canonical JSON, as it is signed and stored."""
        return canonical.dumps(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The JSON object that is signed and sent."""
        return {
            "dir_seq": self.dir_seq,
            "directory": b64u(self.directory),
            "fields": self.fields,
            "form": self.form,
            "identity_recipient": str(self.identity_recipient),
            "k": self.k,
            "mode": self.mode,
            "n": self.n,
            "parts": [{"role": p.role, "sha256": b64u(p.sha256), "size": p.size} for p in self.parts],
            "report_recipient": str(self.report_recipient),
            "rid": b64u(self.rid),
            "shares": [{"commitment": b64u(s.commitment), "seat": s.seat} for s in self.shares],
            "v": 1,
        }

    @classmethod
    def from_json(cls, value: Any) -> "Manifest":
        """Parse and check everything that needs no key, the rid too. Error: FormatError."""
        found = members(value, _MEMBERS)
        rules.version(found["v"])
        n = rules.integer(found["n"], 2, 255)
        manifest = cls(
            rid=rules.bytes32(found["rid"]),
            dir_seq=rules.integer(found["dir_seq"], 1),
            directory=rules.bytes32(found["directory"]),
            mode=found["mode"],
            form=found["form"],
            fields=check_fields(found["fields"]),
            report_recipient=rules.recipient(found["report_recipient"]),
            identity_recipient=rules.recipient(found["identity_recipient"]),
            k=rules.integer(found["k"], 2, n),
            n=n,
            parts=tuple(_part(line) for line in rules.items(found["parts"], MAX_PARTS)),
            shares=tuple(_share(line) for line in rules.items(found["shares"], 255)),
        )
        manifest.check()
        return manifest

    def check(self) -> None:
        """Return if mode, form, seats, order of parts and rid are right. Error: FormatError."""
        _one_of(self.mode, MODES)
        rules.code(self.form)
        _check_whole(self)


def rid_of(recipient: HybridRecipient) -> bytes:
    """The 32-byte id of the report whose key has this recipient: nobody can choose or reuse it."""
    return sha256(b"adal/v1/rid" + str(recipient).encode("ascii")).digest()


def check_fields(value: Any) -> dict[str, Any]:
    """The clear fields: codes or null, `year` an integer or null; no free text. Error: FormatError."""
    found = members(value, (*CODED, "year"))
    for name in CODED:
        if found[name] is not None:
            rules.code(found[name])
    if found["year"] is not None:
        rules.integer(found["year"], 1900, 2999)
    return found


def _check_whole(manifest: Manifest) -> None:
    roles = [part.role for part in manifest.parts]
    if roles != ["narrative", "identity", *["attachment"] * (len(roles) - 2)]:
        raise FormatError("wrong order of parts")
    if [share.seat for share in manifest.shares] != list(range(1, manifest.n + 1)):
        raise FormatError("wrong seats")
    if manifest.rid != rid_of(manifest.report_recipient):
        raise FormatError("the report id is not that of the report key")
    if manifest.report_recipient == manifest.identity_recipient:
        raise FormatError("one key in two places")


def _part(value: Any) -> PartLine:
    found = members(value, ("role", "sha256", "size"))
    return PartLine(
        _one_of(found["role"], ROLES), rules.integer(found["size"], 1), rules.bytes32(found["sha256"])
    )


def _share(value: Any) -> ShareLine:
    found = members(value, ("commitment", "seat"))
    return ShareLine(rules.integer(found["seat"], 1, 255), rules.bytes32(found["commitment"]))


def _one_of(value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed or not isinstance(value, str):
        raise FormatError("unknown word")
    return value
