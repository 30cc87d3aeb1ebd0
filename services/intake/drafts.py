"""Drafts: a place for files before the report is filed, known by a secret that only the reporter holds.

One proof of work opens a draft, and one report takes everything out of it: part rows take over the files and the draft
is deleted, in the transaction of the filing. Nothing in a draft names a file or says what it is.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Request
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.age import HybridRecipient
from services.crypto.canonical import b64u, unb64u
from services.crypto.errors import CryptoError
from services.crypto.manifests import rid_of
from services.crypto.parts import HEAD, ReportKey, SealedGrant, UploadedPart
from services.crypto.segments import Segments
from services.intake import draft_store, rules
from services.intake.context import Context, InForce
from services.intake.schemas import NewDraft, OpenedDraft
from services.intake.uploads import StoredFile
from services.kit.i18n import N_
from services.kit.problems import FieldError, Invalid, Problem, Unauthorised
from services.kit.staff import is_access_token
from services.kit.threads import in_thread

PLAIN, SEALED = "plain", "sealed"

BEARER = "Bearer and the secret of a draft, or the access token of whoever files for others"

_INCOMPLETE = N_("This file is not in the draft, or not complete.")
_MODE = N_("This draft was opened for another kind of report.")


class DraftGone(Problem):
    """No such draft: filed, expired, or there never was one."""

    status, slug, title = 410, "draft-gone", "Draft gone"
    detail = N_("This draft was filed already or has expired. Begin a new one and send the files again.")


async def draft_bearer(
    _request: Request,
    authorization: Annotated[str | None, Header(description=BEARER)] = None,
) -> str | None:
    """The secret of a draft in the Authorization header, as a dependency; an access token is none."""
    return None if is_access_token(authorization) else authorization


def secret_hash(authorization: str | None) -> bytes:
    """What is stored of the draft secret in an Authorization header. Errors: Unauthorised."""
    scheme, _, token = (authorization or "").partition(" ")
    try:
        secret = unb64u(token, 32)
    except CryptoError:
        raise Unauthorised() from None
    if scheme.lower() != "bearer":
        raise Unauthorised()
    return hashlib.sha256(secret).digest()


async def open_draft(
    conn: AsyncConnection,
    context: Context,
    in_force: InForce,
    body: NewDraft,
    now: datetime,
    *,
    by_page: bool = False,
    channels: frozenset[str] = rules.PUBLIC_CHANNELS,
) -> OpenedDraft:
    """A new draft. In plain mode the report key is made here; its secret is sealed to the desk and forgotten.

    `channels` are those that its report may name: who opened it, when somebody files for others, is not kept.

    A page without script pays with no proof of work (`by_page`): its drafts share a space of their own, and end with
    the form.
    """
    secret, limits = secrets.token_bytes(32), context.settings
    # Whole hours: the minute in which somebody began is nobody's business.
    whole = now.replace(minute=0, second=0, microsecond=0)
    hours = limits.page_max_hours if by_page else limits.draft_hours
    expires = whole + timedelta(hours=hours + 1)
    values: dict[str, Any] = {
        "secret": hashlib.sha256(secret).digest(), "mode": body.mode, "expires": expires, "by_page": by_page,
        "channels": None if channels == rules.PUBLIC_CHANNELS else sorted(channels),
    }  # fmt: skip
    opened = OpenedDraft(
        draft=b64u(secret),
        expires=expires,
        max_bytes=limits.upload_bytes,
        max_uploads=limits.uploads_per_draft,
    )
    if body.mode == PLAIN:
        key = await in_thread(new_key, in_force, now)
        recipient = str(key.recipient)
        values |= {
            "dir_seq": in_force.directory.sequence,
            "report_recipient": recipient,
            "desk": key.grant.desk,
            "sealed_grant": key.grant.data,
        }
        opened = opened.model_copy(update={"rid": rid_of(key.recipient), "report_recipient": recipient})
    await draft_store.add_draft(conn, values)
    context.door.pressure.filed.append(now)  # a filing that has begun
    return opened


def new_key(in_force: InForce, now: datetime) -> ReportKey:
    """A fresh report key, granted to the first desk of the directory."""
    directory = in_force.directory
    return ReportKey.make(directory, directory.desks[0].id, now.date())


async def find(conn: AsyncConnection, authorization: str | None, now: datetime) -> Row[Any]:
    """The draft of an Authorization header. Errors: Unauthorised, DraftGone."""
    found = await draft_store.draft(conn, secret_hash(authorization), now)
    if found is None:
        raise DraftGone()
    return found


def report_recipient(draft: Row[Any]) -> HybridRecipient | None:
    """To whom plain files are sealed; None in sealed mode."""
    return HybridRecipient.parse(draft.report_recipient) if draft.mode == PLAIN else None


@dataclass(frozen=True)
class Taken:
    """A draft that this transaction took out of the store, with its complete files by upload id.

    `key` and `in_force` in plain mode: to whom the files are sealed, and the directory with that desk. `paid` says
    that a proof of work was spent on it, or none was needed; `channels` are those that the report may name.
    """

    paid: bool = False
    channels: frozenset[str] | None = None
    key: ReportKey | None = None
    dir_seq: int | None = None
    files: Mapping[str, StoredFile] = field(default_factory=dict)
    blobs: tuple[str, ...] = ()

    def check(self, wanted: Sequence[UUID | None], pointer: str) -> None:
        """Return if every upload that a report names is here, and named once. Errors: Invalid."""
        named = [str(upload) for upload in wanted if upload]
        wrong = [
            FieldError(f"{pointer}/{i}/upload", _INCOMPLETE)
            for i, upload in enumerate(wanted)
            if upload and (str(upload) not in self.files or named.count(str(upload)) > 1)
        ]
        if wrong:
            raise Invalid(errors=wrong)

    def unused(self, wanted: Sequence[UUID | None]) -> list[str]:
        """Blobs that no part takes over."""
        used = {self.files[str(upload)].blob for upload in wanted if upload}
        return [blob for blob in self.blobs if blob not in used]

    async def directory(self, conn: AsyncConnection, context: Context, now: datetime) -> InForce:
        """The directory to seal the report with. Errors: Unavailable; DraftGone when the draft's is not accepted now."""
        current = await context.directories.current(conn, now)
        if self.dir_seq is None:
            return current
        overlap = timedelta(hours=context.settings.directory_overlap_hours)
        found = await context.directories.for_package(conn, self.dir_seq, now, overlap)
        if found is None:
            raise DraftGone()
        return found


async def take(
    conn: AsyncConnection, context: Context, authorization: str | None, mode: str, now: datetime
) -> Taken:
    """Take the draft of an Authorization header for filing; without one there is no draft.

    If the transaction fails, the draft is there again. Errors: Unauthorised, DraftGone; Invalid for another mode.
    """
    if authorization is None:
        return Taken()
    taken = await draft_store.take_draft(conn, secret_hash(authorization), now)
    if taken is None:
        raise DraftGone()
    draft, rows = taken
    if draft.mode != mode:
        raise Invalid(_MODE)
    recipient, complete = report_recipient(draft), [row for row in rows if row.received == row.length]
    return Taken(
        paid=True,
        channels=rules.PUBLIC_CHANNELS if draft.channels is None else frozenset(draft.channels),
        key=ReportKey(recipient, SealedGrant(draft.desk, bytes(draft.sealed_grant))) if recipient else None,
        dir_seq=draft.dir_seq,
        files={str(row.id): await stored_file(context, row) for row in complete},
        blobs=tuple(row.blob for row in rows),
    )


async def stored_file(context: Context, row: Row[Any]) -> StoredFile:
    """A complete upload; its hash is made now when a crash came between the last byte and the hash."""
    digest = bytes(row.sha256) if row.sha256 else await in_thread(context.blobs.digest, row.blob)
    return StoredFile(row.blob, row.length, row.stored, digest, segments_of(row))


def segments_of(row: Row[Any]) -> Segments | None:
    """The segments of an upload in plain mode."""
    return None if row.segments is None else tuple((plain, file) for plain, file in row.segments)


async def uploaded_parts(
    context: Context, taken: Taken, wanted: Sequence[UUID | None]
) -> dict[UUID, UploadedPart]:
    """Uploads as parts of a sealed package, with what the checks of the sealing format need of them."""
    found = {}
    for upload in filter(None, wanted):
        file = taken.files[str(upload)]
        head = await in_thread(context.blobs.head, file.blob, HEAD)
        found[upload] = UploadedPart("attachment", head, str(upload), file.stored, file.sha256)
    return found
