"""Filing a report: sealed packages are checked without keys, plain reports are sealed in memory at once.

Both end in the same transaction, and `201` leaves only after its commit: attachments were fsynced before it.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import anyio.to_thread
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto import secretbox
from services.crypto.canonical import b64u
from services.crypto.errors import CryptoError
from services.crypto.manifests import Manifest
from services.crypto.packages import (
    NewAttachment,
    Package,
    ReportKey,
    SealedFile,
    SealedGrant,
    SealedPart,
    SealedReport,
    UploadedPart,
    check_package,
    seal_report,
)
from services.crypto.promises import make_promise
from services.crypto.shares import SealedShare
from services.intake import log, rules, store
from services.intake.calendar import NoCalendar
from services.intake.context import Context, InForce
from services.intake.disk import check_room, no_space
from services.intake.door import ChallengeRefused
from services.intake.form import check_answers, check_fields, check_identity, load_form
from services.intake.schemas import Filed, FiledPlain, PlainReport, ReportFile, SealedPackage
from services.intake.uploads import StoredFile
from services.kit.clock import day_of
from services.kit.i18n import N_
from services.kit.idempotency import Kept
from services.kit.problems import Conflict, FieldError, Invalid, TooLarge

#: Parts up to this size lie in the database, larger ones in the blob store.
INLINE = 64 << 10

_NOT_A_PACKAGE = N_("The sealed package breaks a rule of the sealing format. Nothing was stored.")
_OLD_DIRECTORY = N_(
    "The package was sealed with a key directory that is no longer in force. Fetch it again and seal anew."
)
_KNOWN = N_("A report with these keys is stored already.")
_FORM = N_("The form has changed. Load it again.")


def lookup_mac(context: Context, lookup: bytes) -> bytes:
    """What is stored of a receipt: useless without the pepper, which is not in the database."""
    return secretbox.mac(context.pepper, b"adal/v1/lookup|", lookup)


@contextlib.asynccontextmanager
async def written(
    context: Context, new: Sequence[tuple[str, str, int | None, bytes] | store.NewPart]
) -> AsyncIterator[list[store.NewPart]]:
    """Write (role, author, n, data) to durable storage; blobs of a transaction that fails are deleted again.

    What is stored already passes through and stays. Errors: InsufficientStorage, for large parts only.
    """
    parts, blobs = [], []
    try:
        for line in new:
            if isinstance(line, store.NewPart):
                parts.append(line)
                continue
            role, author, n, data = line
            blob = await _put(context, data) if len(data) > INLINE else None
            if blob:
                blobs.append(blob)
            parts.append(
                store.NewPart(role, author, n, len(data), store.sha256(data), None if blob else data, blob)
            )
        yield parts
    except BaseException:
        with anyio.CancelScope(shield=True):
            for blob in blobs:
                await context.blobs.delete_async(blob)
        raise


async def _put(context: Context, data: bytes) -> str:
    await check_room(context, len(data))
    with no_space():
        return await context.blobs.put_async(data)


def _number_in_chain(role: str) -> int | None:
    return {"narrative": 0, "identity": 1}.get(role)


def _new_part(
    part: SealedPart, files: Mapping[str, StoredFile]
) -> tuple[str, str, int | None, bytes] | store.NewPart:
    if not isinstance(part, UploadedPart):
        return part.role, "reporter", _number_in_chain(part.role), part.data
    blob = files[part.upload].blob
    return store.NewPart(part.role, "reporter", None, part.stored, part.digest, None, blob)


@dataclass(frozen=True)
class Ready:
    """A checked package with everything that its rows will hold, and what its reporter will be told."""

    filed: Filed
    report: store.NewReport
    parts: list[tuple[str, str, int | None, bytes] | store.NewPart]


def registration(context: Context, now: datetime) -> date | None:
    """The day on which a report of `now` is registered at the latest; None in a year whose working days are not known.

    A report must be taken all the same: the day is computed as soon as there is data.
    """
    try:
        return context.calendar.register_by(now)
    except NoCalendar:
        return None


def ready(
    context: Context,
    package: Package,
    now: datetime,
    lane: str = rules.MAIN,
    files: Mapping[str, StoredFile] | None = None,
) -> Ready:
    """Make a checked package ready for `accept`, with the promise of its place in the log.

    `files` are the stored files that uploaded parts name; the part rows take them over.
    """
    manifest, day, register_by = package.manifest, day_of(now), registration(context, now)
    record = log.new_record("manifest", day, rid=b64u(manifest.rid), manifest=b64u(manifest.digest))
    reference = store.new_reference()
    values = {
        **manifest.fields,
        "reference": reference,
        "rid": manifest.rid,
        "lookup_mac": lookup_mac(context, package.lookup),
        "filed_on": day,
        "register_by": register_by,
        "state": rules.RECEIVED,
        "lane": lane,
        "desk": package.grants[0].desk,
        "mode": manifest.mode,
        "dir_seq": manifest.dir_seq,
        "manifest": manifest.canonical,
        "signature": package.signature,
        "leaf": record.leaf,
    }
    promise = make_promise(record.leaf, day, context.settings.log_origin, context.log_key)
    filed = Filed(
        reference=reference,
        rid=manifest.rid,
        day=day,
        register_by=register_by,
        promise=promise.to_json(),
        record=record.facts,
        salt=record.salt,
    )
    grants = [(grant.desk, grant.data) for grant in package.grants]
    shares = [(share.seat, share.data) for share in package.shares]
    parts = [_new_part(part, files or {}) for part in package.parts]
    return Ready(filed, store.NewReport(values, grants, shares, record), parts)


async def accept(
    conn: AsyncConnection,
    context: Context,
    report: Ready,
    now: datetime,
    kept: Kept,
    ticket: store.Ticket | None = None,
) -> None:
    """Store a report and the answer its reporter will get, and spend the ticket: one statement, all of it or nothing.

    Errors: Conflict when the report is there already; ChallengeRefused when the ticket is spent, or when the key that
    `kept` belongs to has its answer already: then it tells what came of the request before.
    """
    async with written(context, report.parts) as parts:
        try:
            stored = await store.insert_report(conn, report.report, parts, kept, ticket)
        except IntegrityError:
            raise Conflict(_KNOWN) from None
        if not stored:
            raise ChallengeRefused()
    context.door.pressure.filed.append(now)


def as_package(body: SealedPackage, uploaded: Mapping[UUID, UploadedPart] | None = None) -> Package:
    """The package in a request, with the parts that were uploaded before. Errors: Invalid."""
    try:
        manifest = Manifest.from_json(body.manifest)
    except CryptoError:
        raise Invalid(_NOT_A_PACKAGE, [FieldError("/manifest", _NOT_A_PACKAGE)]) from None
    if [share.seat for share in body.shares] != [line.seat for line in manifest.shares]:
        raise Invalid(_NOT_A_PACKAGE, [FieldError("/shares", _NOT_A_PACKAGE)])
    if len(body.lookup) != 32 or len(body.signature) != 64:
        raise Invalid(_NOT_A_PACKAGE, [FieldError("/lookup", _NOT_A_PACKAGE)])
    return Package(
        lookup=body.lookup,
        manifest=manifest,
        signature=body.signature,
        parts=tuple(
            (uploaded or {})[part.upload] if part.upload else SealedPart(part.role, part.data or b"")
            for part in body.parts
        ),
        grants=tuple(SealedGrant(grant.desk, grant.data) for grant in body.grants),
        shares=tuple(
            SealedShare(share.seat, share.data, line.commitment)
            for share, line in zip(body.shares, manifest.shares, strict=True)
        ),
    )


async def check_sealed(conn: AsyncConnection, context: Context, package: Package, now: datetime) -> InForce:
    """The directory a package was sealed with, after every check that needs no key. Errors: Invalid, TooLarge."""
    manifest = package.manifest
    overlap = timedelta(hours=context.settings.directory_overlap_hours)
    await context.directories.current(conn, now)  # nothing in force at all is another answer
    in_force = await context.directories.for_package(conn, manifest.dir_seq, now, overlap)
    if in_force is None:
        raise Invalid(_OLD_DIRECTORY, [FieldError("/manifest/dir_seq", _OLD_DIRECTORY)])
    try:
        check_package(package, in_force.directory)
    except CryptoError:
        raise Invalid(_NOT_A_PACKAGE) from None
    if manifest.form != load_form().version:
        raise Invalid(_FORM, [FieldError("/manifest/form", _FORM)])
    if manifest.mode != "sealed":
        raise Invalid(_NOT_A_PACKAGE, [FieldError("/manifest/mode", _NOT_A_PACKAGE)])
    refuse(check_fields(manifest.fields, day_of(now)), "/manifest/fields")
    # Sealing adds a header, padding of at most an eighth and 16 bytes for each 64 KiB.
    inline = [part for part in package.parts if not isinstance(part, UploadedPart)]
    attached = sum(part.size for part in inline if part.role == "attachment")
    limit = context.settings.attachment_bytes * 9 // 8 + (64 << 10)
    if attached > limit:
        raise TooLarge()
    return in_force


def refuse(errors: Sequence[FieldError], prefix: str) -> None:
    if errors:
        raise Invalid(errors=[FieldError(prefix + error.pointer, error.message) for error in errors])


def check_plain(context: Context, body: PlainReport, now: datetime) -> None:
    """Everything that can be wrong with a plain report. Errors: Invalid, TooLarge."""
    if body.form != load_form().version:
        raise Invalid(_FORM, [FieldError("/form", _FORM)])
    refuse(check_fields(body.fields.model_dump(), day_of(now)), "/fields")
    refuse(check_answers(body.answers), "/answers")
    if body.mode == "anonymous" and body.identity:
        raise Invalid(errors=[FieldError("/identity", N_("An anonymous report carries no identity."))])
    if body.mode != "anonymous" and not body.identity:
        raise Invalid(errors=[FieldError("/identity", N_("Say who you are, or report anonymously."))])
    if body.identity:
        refuse(check_identity(body.identity), "/identity")
    if sum(len(file.data or b"") for file in body.attachments) > context.settings.attachment_bytes:
        raise TooLarge()


async def seal_plain(
    context: Context,
    in_force: InForce,
    body: PlainReport,
    key: ReportKey | None = None,
    files: Mapping[str, StoredFile] | None = None,
) -> SealedReport:
    """Seal a plain report in a worker thread; the words and the secrets live no longer than this call.

    With stored `files`, keyed by the `upload` that the report's attachments name, `key` is the one they were sealed to.
    """

    def work() -> SealedReport:
        return seal_report(
            answers={**body.answers, "mode": body.mode},
            fields=body.fields.model_dump(),
            identity=body.identity,
            attachments=[_attachment(file, files or {}) for file in body.attachments],
            directory=in_force.directory,
            desk_id=key.grant.desk if key else in_force.directory.desks[0].id,
            form=body.form,
            mode="plain",
            report=key,
        )

    return await anyio.to_thread.run_sync(work, limiter=context.stretching)


def _attachment(file: ReportFile, files: Mapping[str, StoredFile]) -> NewAttachment | SealedFile:
    if file.upload is None:
        return NewAttachment(file.name, file.type, file.data or b"")
    found = files[str(file.upload)]
    part = UploadedPart("attachment", b"", str(file.upload), found.stored, found.sha256)
    return SealedFile(file.name, file.type, found.size, None, part, found.segments)


def plain_answer(filed: Filed, report: SealedReport) -> FiledPlain:
    return FiledPlain(**dict(filed), receipt=report.receipt, manifest=report.manifest.to_json())
