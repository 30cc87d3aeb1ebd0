"""A whole report: sealed in one call, checked by the service without any key, opened by the desk.

The desk believes nothing it cannot check: the narrative names the reporter's verify key, that key must have
signed the narrative and the manifest, and the manifest's hashes must be those of the files. The service sees
none of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

from services.crypto import rules
from services.crypto.age import HybridIdentity, HybridRecipient, check_part
from services.crypto.attachments import Envelope, envelopes, seal_attachment
from services.crypto.canonical import b64, b64u, members, unb64, unb64u
from services.crypto.directories import Directory
from services.crypto.errors import FormatError, Refused
from services.crypto.manifests import MAX_PARTS, Manifest, PartLine, ShareLine, check_fields, rid_of
from services.crypto.padding import LEAST, padme
from services.crypto.parts import NewAttachment, ReportKey, SealedFile, SealedGrant, SealedPart, UploadedPart
from services.crypto.payloads import ZERO32, Header, open_payload, seal_payload
from services.crypto.receipts import ReceiptKeys, derive, new_receipt
from services.crypto.shares import SealedShare, split_identity
from services.crypto.signatures import verify

__all__ = [
    "SMALL_FILE",
    "NewAttachment",
    "OpenedReport",
    "Package",
    "ReportKey",
    "SealedFile",
    "SealedGrant",
    "SealedPart",
    "SealedReport",
    "UploadedPart",
    "check_package",
    "check_parts",
    "open_identity",
    "open_report",
    "package_from_json",
    "reporter_from_json",
    "reporter_json",
    "seal_report",
]

# An age file of 4096 bytes for one hybrid recipient. Every identity part and every share has this size.
SMALL_FILE = 5755
_AGE_CHUNK, _AGE_TAG, _AGE_NONCE = 65536, 16, 16
_MAX_GRANTS = 8


@dataclass(frozen=True)
class Package:
    """What a client sends (section 7): nothing in it opens anything."""

    lookup: bytes = field(repr=False)
    manifest: Manifest
    signature: bytes
    parts: tuple[SealedPart, ...]
    grants: tuple[SealedGrant, ...]
    shares: tuple[SealedShare, ...]

    def to_json(self) -> dict[str, Any]:
        """The JSON object that is sent."""
        return {
            "grants": [{"data": b64(grant.data), "desk": grant.desk} for grant in self.grants],
            "lookup": b64u(self.lookup),
            "manifest": self.manifest.to_json(),
            "parts": [part.to_json() for part in self.parts],
            "shares": [{"data": b64(share.data), "seat": share.seat} for share in self.shares],
            "signature": b64u(self.signature),
        }


@dataclass(frozen=True)
class SealedReport:
    """A package and what only the reporter keeps: the receipt and its keys."""

    receipt: str = field(repr=False)
    keys: ReceiptKeys = field(repr=False)
    package: Package

    @property
    def rid(self) -> bytes:
        """The 32-byte id of the report."""
        return self.package.manifest.rid

    @property
    def manifest(self) -> Manifest:
        """The signed clear part."""
        return self.package.manifest

    @property
    def signature(self) -> bytes:
        """The reporter's signature of the manifest."""
        return self.package.signature

    @property
    def parts(self) -> tuple[SealedPart, ...]:
        """Narrative, identity, attachments."""
        return self.package.parts

    @property
    def grants(self) -> tuple[SealedGrant, ...]:
        """One for each chosen desk."""
        return self.package.grants

    @property
    def shares(self) -> tuple[SealedShare, ...]:
        """One for each seat."""
        return self.package.shares

    def to_json(self) -> dict[str, Any]:
        """The package as sent, without receipt and keys."""
        return self.package.to_json()


@dataclass(frozen=True)
class OpenedReport:
    """A narrative that was signed by the reporter key it names.

    `field_differences` maps a clear field that differs from the sealed one to (clear, sealed); `last` is the
    `prev` of the reporter's next part, whose `n` is 2.
    """

    answers: dict[str, Any] = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    reporter_recipient: HybridRecipient = field(repr=False)
    reporter_verify_key: bytes
    envelopes: tuple[Envelope, ...] = field(repr=False)
    field_differences: dict[str, tuple[Any, Any]] = field(repr=False)
    last: bytes


def seal_report(
    answers: dict[str, Any],
    fields: dict[str, Any],
    identity: dict[str, Any] | None,
    attachments: Sequence[NewAttachment | SealedFile],
    directory: Directory,
    desk_id: str,
    form: str,
    mode: str,
    receipt: str | None = None,
    keys: ReceiptKeys | None = None,
    today: date | None = None,
    report: ReportKey | None = None,
) -> SealedReport:
    """Seal a report to a desk and to the seats of a checked directory.

    `keys` saves the 35 ms of `derive(receipt)`; `today` (UTC) picks the desk's key. The report key, unless `report`
    was made before, and the identity key exist only inside this call. Errors: FormatError for fields, form, answers
    or names of files; Refused for a desk that is not in the directory or not that of the report key, an identity that
    does not fit 4 KiB, or keys without their receipt.
    """
    if receipt is None:
        if keys is not None:
            raise Refused("keys without their receipt")
        receipt = new_receipt()
    keys = keys or derive(receipt)
    report = report or ReportKey.make(directory, desk_id, today)
    if report.grant.desk != desk_id:
        raise Refused("the report key was granted to another desk")
    secret = HybridIdentity.generate()
    rid = rid_of(report.recipient)
    files = [
        item if isinstance(item, SealedFile) else _sealed_file(item, report.recipient, plain=mode == "plain")
        for item in attachments
    ]
    lines = [_envelope(i, item) for i, item in enumerate(files)]
    body = {
        "answers": answers,
        "attachments": [line.to_json() for line in lines],
        "fields": check_fields(fields),
        "reporter": reporter_json(keys.identity.recipient, keys.signing.verify_key),
    }
    head = Header("narrative", "reporter", rid, directory.sequence, 0, ZERO32)
    narrative = seal_payload(head, body, keys.signing, [report.recipient])
    head = Header("identity", "reporter", rid, directory.sequence, 1, sha256(narrative).digest())
    named = seal_payload(head, {"identity": identity}, keys.signing, [secret.recipient])
    parts = (
        SealedPart("narrative", narrative),
        SealedPart("identity", named),
        *(item.part for item in files),
    )
    shares = split_identity(secret, rid, directory.seats, directory.k, directory.sequence)
    manifest = Manifest(
        rid=rid, dir_seq=directory.sequence, directory=directory.digest, mode=mode, form=form, fields=fields,
        report_recipient=report.recipient, identity_recipient=secret.recipient, k=directory.k, n=directory.n,
        parts=tuple(PartLine(part.role, part.size, part.sha256) for part in parts),
        shares=tuple(ShareLine(share.seat, share.commitment) for share in shares),
    )  # fmt: skip
    manifest.check()
    signature = keys.signing.sign("manifest", manifest.to_json())
    package = Package(keys.lookup, manifest, signature, parts, (report.grant,), tuple(shares))
    return SealedReport(receipt, keys, package)


def package_from_json(value: Any) -> Package:
    """Parse what a client sent, strictly; `check_package` comes next. Error: FormatError."""
    found = members(value, ("grants", "lookup", "manifest", "parts", "shares", "signature"))
    manifest = Manifest.from_json(found["manifest"])
    parts = tuple(_part(line) for line in rules.items(found["parts"], MAX_PARTS))
    grants = tuple(_grant(line) for line in rules.items(found["grants"], _MAX_GRANTS))
    shares = [members(line, ("data", "seat")) for line in rules.items(found["shares"], 255)]
    if [rules.integer(share["seat"]) for share in shares] != [line.seat for line in manifest.shares]:
        raise FormatError("wrong seats")
    sealed = tuple(
        SealedShare(line.seat, unb64(share["data"]), line.commitment)
        for share, line in zip(shares, manifest.shares, strict=True)
    )
    signature = unb64u(found["signature"], 64)
    return Package(rules.bytes32(found["lookup"]), manifest, signature, parts, grants, sealed)


def check_package(package: Package, directory: Directory) -> None:
    """Return if all that can be checked without a key holds under this directory.

    Directory, seats, threshold, desks; sizes and hashes of the parts; the part rule everywhere; padded sizes.
    Errors: FormatError, Refused.
    """
    manifest = package.manifest
    if (manifest.dir_seq, manifest.directory) != (directory.sequence, directory.digest):
        raise Refused("the report was sealed under another directory")
    if (manifest.k, manifest.n) != (directory.k, directory.n):
        raise Refused("the report was sealed to other seats")
    desks = [grant.desk for grant in package.grants]
    if not desks or len(set(desks)) != len(desks) or not set(desks) <= {desk.id for desk in directory.desks}:
        raise Refused("the report was sealed to other desks")
    check_parts(manifest, package.parts)
    for share in package.shares:
        _check_small(share.data)
    for grant in package.grants:
        check_part(grant.data)


def check_parts(manifest: Manifest, parts: Sequence[SealedPart]) -> None:
    """Return if the parts are the manifest's, padded, and under the part rule. Errors: FormatError, Refused.

    Of an uploaded part, `size`, `sha256` and `data` must come from who stored it, not from who sent it.
    """
    if len(parts) != len(manifest.parts):
        raise Refused("a part differs from the manifest")
    for part, line in zip(parts, manifest.parts, strict=True):
        if (part.role, part.size, part.sha256) != (line.role, line.size, line.sha256):
            raise Refused("a part differs from the manifest")
        if part.role == "identity":
            _check_small(part.data)
            continue
        check_part(part.data)
        size = _plaintext_size(part.data, part.size)
        if size != padme(size) or (part.role == "narrative" and size < LEAST):
            raise Refused("a part is not padded")


def open_report(
    manifest: Manifest, signature: bytes, parts: Sequence[bytes], report: HybridIdentity
) -> OpenedReport:
    """Open the narrative with the key from the opened grant, and check everything against the manifest.

    `parts` are the files in the manifest's order; later ones may be left out, each given one is checked.
    Errors: FormatError, WrongKey; BadSignature; Refused if a part, an envelope or a binding differs.
    """
    if not 1 <= len(parts) <= len(manifest.parts):
        raise Refused("a part differs from the manifest")
    for data, line in zip(parts, manifest.parts, strict=False):
        _check_line(data, line)
    opened = open_payload(parts[0], report)
    body = members(opened.body, ("answers", "attachments", "fields", "reporter"))
    recipient, verify_key = reporter_from_json(body["reporter"])
    opened.check(
        rid=manifest.rid, type="narrative", by="reporter", n=0, prev=ZERO32, verify_key=verify_key
    )  # fmt: skip
    verify(verify_key, "manifest", manifest.to_json(), signature)
    if opened.header.dir_seq != manifest.dir_seq:
        raise Refused("the part was sealed under another directory")
    if not isinstance(body["answers"], dict) or not isinstance(body["fields"], dict):
        raise FormatError("not an object")
    found = envelopes(body["attachments"])
    if [line.file_sha256 for line in found] != [part.sha256 for part in manifest.parts[2:]]:
        raise Refused("the attachments are not those of the manifest")
    return OpenedReport(
        body["answers"], body["fields"], recipient, verify_key, found,
        _differences(manifest.fields, body["fields"]), manifest.parts[1].sha256,
    )  # fmt: skip


def open_identity(
    data: bytes,
    key: HybridIdentity,
    manifest: Manifest,
    verify_key: bytes,
    n: int = 1,
    prev: bytes | None = None,
) -> dict[str, Any] | None:
    """What the reporter said of themselves, None if nothing, with the key rebuilt from shares.

    `verify_key` is the reporter's, from the opened narrative. An identity added later needs its `n` and `prev`.
    Errors: FormatError, WrongKey, BadSignature, Refused.
    """
    if n == 1:
        _check_line(data, manifest.parts[1])
        prev = manifest.parts[0].sha256
    opened = open_payload(data, key)
    opened.check(
        rid=manifest.rid, type="identity", by="reporter", n=n, prev=prev or ZERO32, verify_key=verify_key
    )  # fmt: skip
    identity = members(opened.body, ("identity",))["identity"]
    if identity is not None and not isinstance(identity, dict):
        raise FormatError("not an object")
    return identity


def reporter_json(recipient: HybridRecipient, verify_key: bytes) -> dict[str, str]:
    """The `reporter` member of a narrative or of a reporter-keys part."""
    return {"recipient": str(recipient), "verify_key": b64u(verify_key)}


def reporter_from_json(value: Any) -> tuple[HybridRecipient, bytes]:
    """The reporter's recipient and verify key. Error: FormatError."""
    found = members(value, ("recipient", "verify_key"))
    return rules.recipient(found["recipient"]), rules.bytes32(found["verify_key"])


def _sealed_file(item: NewAttachment, recipient: HybridRecipient, *, plain: bool) -> SealedFile:
    """`item`, sealed; plain mode keeps no hash of the true bytes."""
    digest = None if plain else sha256(item.data).digest()
    part = SealedPart("attachment", seal_attachment(item.data, recipient))
    return SealedFile(item.name, item.type, len(item.data), digest, part)


def _envelope(i: int, item: SealedFile) -> Envelope:
    line = Envelope(i, item.name, item.type, item.size, item.digest, item.part.sha256, item.segments)
    return Envelope.from_json(line.to_json())


def _differences(clear: dict[str, Any], sealed: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (clear.get(name), sealed.get(name)) for name in sorted(clear.keys() | sealed.keys())}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _check_line(data: bytes, line: PartLine) -> None:
    if len(data) != line.size or sha256(data).digest() != line.sha256:
        raise Refused("a part differs from the manifest")


def _check_small(data: bytes) -> None:
    check_part(data)
    if len(data) != SMALL_FILE:
        raise Refused("a part has a telling size")


def _plaintext_size(head: bytes, total: int) -> int:
    # The first line that starts with three dashes ends the header; `check_part` has read it.
    header = head.index(b"\n", head.index(b"\n--- ") + 1) + 1
    body = total - header - _AGE_NONCE
    return body - _AGE_TAG * -(-body // (_AGE_CHUNK + _AGE_TAG))


def _part(value: Any) -> SealedPart:
    found = members(value, ("data", "role"))
    return SealedPart(rules.text(found["role"], 16), unb64(found["data"]))


def _grant(value: Any) -> SealedGrant:
    found = members(value, ("data", "desk"))
    return SealedGrant(rules.code(found["desk"]), unb64(found["data"]))
