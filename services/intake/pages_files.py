"""Files of a form, on their way from the browser into sealed parts, never on disk in clear.

Files of a report go into a plain draft (`drafts.py`), sealed segment by segment while they arrive. So a form that
comes back with a mistake still has its files: the page carries the draft's secret and, sealed, their names. Files of
a message are small enough for memory.
"""

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.age import HybridRecipient
from services.intake import draft_store, drafts
from services.intake.context import Context
from services.intake.disk import InsufficientStorage, check_room
from services.intake.pages_door import REPORT_FORM
from services.intake.pages_multipart import FileRefused, SentForm
from services.intake.pages_notes import VisitOver, open_note, seal_note
from services.intake.pages_shell import context_of, now_of
from services.intake.pages_values import file_name, media_type
from services.intake.schemas import NewDraft, PlainFile
from services.intake.uploads import PlainWriter, Progress, StoredFile
from services.kit.db import transaction
from services.kit.i18n import N_
from services.kit.problems import Problem, TooLarge

MAX_FILES = 20
TOO_MUCH = N_(
    "These files are too many or too large together. Leave some out: you can send more in messages later."
)
_KEPT = "kept-files"


# --- files of a message


@dataclass
class MemoryFiles:
    """Takes at most `limit` bytes and twenty files of one form into memory."""

    limit: int
    used: int = 0
    opened: int = 0

    async def __call__(self, _form: SentForm[PlainFile], name: str, type_: str) -> "_MemoryFile":
        self.opened += 1
        if self.opened > MAX_FILES:
            raise FileRefused(TOO_MUCH)
        return _MemoryFile(self, file_name(name), media_type(type_))


@dataclass
class _MemoryFile:
    """One file while it arrives."""

    all: MemoryFiles
    name: str = field(repr=False)
    type: str
    data: bytearray = field(default_factory=bytearray, repr=False)

    async def write(self, data: bytes) -> None:
        if self.all.used + len(data) > self.all.limit:
            raise FileRefused(TOO_MUCH)
        self.all.used += len(data)
        self.data += data

    async def finish(self) -> PlainFile:
        return PlainFile(name=self.name, type=self.type, data=bytes(self.data))

    async def abort(self) -> None:
        self.all.used -= len(self.data)
        self.data = bytearray()


# --- files of a report


@dataclass(frozen=True)
class KeptFile:
    """A file of a report that lies sealed in a draft. `digest` is of the true bytes, in this request only."""

    upload: str
    name: str = field(repr=False)
    type: str
    size: int
    digest: str = field(default="", repr=False)


@dataclass(frozen=True)
class _Draft:
    """An open plain draft."""

    id: uuid.UUID
    secret: str = field(repr=False)
    recipient: HybridRecipient

    @property
    def authorization(self) -> str:
        return f"Bearer {self.secret}"


@dataclass
class DraftFiles:
    """Takes the files of one form into a plain draft: the form's own, or one that is opened for the first file."""

    request: Request
    draft: _Draft | None = None
    opened: bool = False
    used: int = 0
    count: int = 0

    @property
    def context(self) -> Context:
        return context_of(self.request)

    async def __call__(self, form: SentForm[KeptFile], name: str, type_: str) -> "_DraftFile":
        if self.draft is None:
            await self._open(form)
        assert self.draft is not None  # noqa: S101
        limits = self.context.settings
        room = min(limits.upload_bytes, limits.draft_bytes - self.used)
        if self.count >= limits.uploads_per_draft or room <= 0:
            raise FileRefused(TOO_MUCH)
        self.count += 1
        try:
            await check_room(self.context)
            writer = await PlainWriter.begin(self.context.blobs, self.draft.recipient, room)
        except InsufficientStorage as full:
            raise FileRefused(full.message) from None
        return _DraftFile(self, writer, file_name(name), media_type(type_))

    async def _open(self, form: SentForm[KeptFile]) -> None:
        """The draft of this form. A form without a good token opens none: that would cost nothing."""
        now = now_of(self.request)
        try:
            self.context.pages.tokens.read(form.text("token"), REPORT_FORM, now)
            secret = form.text("draft") or await self._new(now)
            async with transaction(self.request) as conn:
                row = await drafts.find(conn, f"Bearer {secret}", now)
                lengths = await draft_store.lengths(conn, row.id)
        except Problem as refusal:
            raise FileRefused(refusal.message) from None
        recipient = drafts.report_recipient(row)
        if recipient is None:
            raise FileRefused(drafts.DraftGone.detail)
        self.draft, self.used, self.count = _Draft(row.id, secret, recipient), sum(lengths), len(lengths)

    async def _new(self, now: datetime) -> str:
        async with transaction(self.request) as conn:
            in_force = await self.context.directories.current(conn, now)
            asked = NewDraft(mode="plain")
            opened = await drafts.open_draft(conn, self.context, in_force, asked, now, by_page=True)
        self.opened = True
        return opened.draft

    async def keep(self, file: StoredFile) -> str:
        """Give a whole file to the draft; the id of its upload. Errors: FileRefused."""
        assert self.draft is not None  # noqa: S101
        upload = uuid.uuid4()
        async with transaction(self.request) as conn:
            await self._check_space(conn, file)
            done = Progress(file.size, file.stored, file.segments)
            if not await draft_store.add_upload(conn, self.draft.id, upload, file.blob, file.size, done):
                raise FileRefused(drafts.DraftGone.detail)
            await draft_store.set_digest(conn, upload, file.sha256)
        return str(upload)

    async def _check_space(self, conn: AsyncConnection, file: StoredFile) -> None:
        """Forms cost nothing, so a flood of them fills the space of pages and no more."""
        limits = self.context.settings
        whole = await draft_store.unfiled_bytes(conn)
        of_pages = await draft_store.unfiled_bytes(conn, by_page=True)
        if whole + file.stored > limits.unfiled_bytes or of_pages + file.stored > limits.page_unfiled_bytes:
            raise FileRefused(InsufficientStorage.detail)

    async def discard(self) -> None:
        """Forget the draft if it was opened for this form and no report has taken it."""
        if self.draft is None or not self.opened:
            return
        async with transaction(self.request) as conn:
            taken = await draft_store.take_draft(
                conn, drafts.secret_hash(self.draft.authorization), now_of(self.request)
            )
        for row in taken[1] if taken else ():
            await self.context.blobs.delete_async(row.blob)


@dataclass
class _DraftFile:
    """One file while it arrives."""

    all: DraftFiles
    writer: PlainWriter
    name: str = field(repr=False)
    type: str
    digest: Any = field(default_factory=sha256, repr=False)

    async def write(self, data: bytes) -> None:
        self.digest.update(data)
        try:
            await self.writer.write(data)
        except TooLarge:
            raise FileRefused(TOO_MUCH) from None
        except InsufficientStorage as full:
            raise FileRefused(full.message) from None

    async def finish(self) -> KeptFile:
        try:
            stored = await self.writer.finish()
            upload = await self.all.keep(stored)
        except InsufficientStorage as full:
            raise FileRefused(full.message) from None
        self.all.used += stored.size
        return KeptFile(upload, self.name, self.type, stored.size, self.digest.hexdigest())

    async def abort(self) -> None:
        await self.writer.abort()


def seal_kept(context: Context, files: list[KeptFile], now: datetime) -> str:
    """The files of a draft as a note for the page that shows a mistake."""
    lines = [[file.upload, file.name, file.type, file.size] for file in files]
    hours = timedelta(hours=context.settings.page_max_hours)
    return seal_note(context, _KEPT, json.dumps(lines), now, hours)


def open_kept(context: Context, sent: SentForm[KeptFile], now: datetime) -> list[KeptFile]:
    """The files that an earlier answer kept and the person did not take out."""
    if not sent.text("kept"):
        return []
    try:
        lines = json.loads(open_note(context, _KEPT, sent.text("kept"), now))
    except VisitOver:
        return []
    return [KeptFile(*line) for line in lines if sent.text(f"keep-{line[0]}")]
