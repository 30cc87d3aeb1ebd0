"""A small tus client for the tests, and a look at what the service keeps: rows and files."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from starlette.requests import ClientDisconnect

from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.attachments import seal_attachment
from services.crypto.packages import ReportKey, SealedFile, SealedReport, UploadedPart, seal_report
from services.crypto.receipts import new_receipt
from services.first_run import DESK
from services.intake import draft_store, drafts
from services.intake.context import Context
from services.intake.form import load_form
from services.intake.receiving import Checksum, Patch
from services.kit.blobs import LocalBlobs
from tests.intake.builders import API, FIELDS, Json, World, quick_keys

UPLOADS = f"{API}/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = "application/offset+octet-stream"
#: A small segment, so that borders are cheap to meet.
STEP = 1 << 16


def configure(world: World, **changes: Any) -> Context:
    """Change settings of the running service."""
    context: Context = world.app.state.context
    world.app.state.context = replace(context, settings=context.settings.model_copy(update=changes))
    found: Context = world.app.state.context
    return found


def fresh_store(world: World, folder: Path) -> World:
    """The service with an empty blob store of its own: those of other tests would be counted too."""
    context = configure(world, blobs_folder=folder)
    world.app.state.context = replace(context, blobs=LocalBlobs(folder))
    return world


def checksum(data: bytes, algorithm: str = "sha256") -> dict[str, str]:
    digest = hashlib.new(algorithm, data).digest()
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not repeat, the same for the same seed."""
    return hashlib.shake_128(f"{seed}".encode()).digest(size)


@dataclass(frozen=True)
class Draft:
    """An open draft, as its client sees it."""

    world: World
    answer: Json

    @property
    def headers(self) -> dict[str, str]:
        return {**TUS, "Authorization": f"Bearer {self.answer['draft']}"}

    async def create(self, length: int, **headers: str) -> httpx2.Response:
        sent = {**self.headers, "Upload-Length": str(length), **headers}
        return await self.world.http.post(UPLOADS, headers=sent)

    async def new(self, length: int) -> "Upload":
        answer = await self.create(length)
        assert answer.status_code == 201, answer.text
        return Upload(self, answer.headers["location"])

    async def whole(self, data: bytes) -> "Upload":
        """A complete upload."""
        upload = await self.new(len(data))
        answer = await upload.patch(0, data)
        assert answer.status_code == 204, answer.text
        assert int(answer.headers["upload-offset"]) == len(data)
        return upload


@dataclass(frozen=True)
class Upload:
    """An upload of a draft."""

    draft: Draft
    url: str

    @property
    def id(self) -> str:
        return self.url.rsplit("/", 1)[1]

    async def patch(self, offset: int, data: Any, **headers: str) -> httpx2.Response:
        sent = {**self.draft.headers, "Content-Type": OCTETS, "Upload-Offset": str(offset), **headers}
        return await self.draft.world.http.patch(self.url, content=data, headers=sent)

    async def head(self) -> httpx2.Response:
        return await self.draft.world.http.head(self.url, headers=self.draft.headers)

    async def delete(self) -> httpx2.Response:
        return await self.draft.world.http.delete(self.url, headers=self.draft.headers)

    async def offset(self) -> int:
        answer = await self.head()
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])

    async def row(self) -> Any:
        async with self.draft.world.app.state.engine.begin() as conn:
            row = await drafts.find(conn, self.draft.headers["Authorization"], self.draft.world.now())
            return await draft_store.upload(conn, row.id, UUID(self.id))

    async def content(self) -> bytes:
        """What lies in the blob store."""
        row = await self.row()
        return bytes(self.draft.world.app.state.context.blobs.read(row.blob))

    @asynccontextmanager
    async def receiving(self, offset: int, expected: bytes | None = None) -> AsyncIterator["Patch"]:
        """The inside of a PATCH, for bodies that no HTTP client sends."""
        state = self.draft.world.app.state
        async with state.engine.begin() as conn:
            row = await drafts.find(conn, self.draft.headers["Authorization"], self.draft.world.now())
        check = Checksum.of("sha256", expected) if expected is not None else None
        yield Patch(state.context, state.engine, row, UUID(self.id), offset, check)

    async def cut_after(self, offset: int, data: bytes, piece: int = 7_001, **more: Any) -> int:
        """Send `data` and break off: the offset that the service counted."""
        async with self.receiving(offset, **more) as patch:
            return await patch.receive(broken(data, piece), None)


async def broken(data: bytes, piece: int) -> AsyncIterator[bytes]:
    """A body whose connection ends after `data`."""
    for start in range(0, len(data), piece):
        yield data[start : start + piece]
    raise ClientDisconnect


async def open_draft(world: World, mode: str = "sealed", **headers: str) -> Draft:
    answer = await world.http.post(f"{API}/drafts", json={"mode": mode}, headers=headers)
    assert answer.status_code == 201, answer.text
    return Draft(world, answer.json())


def files_of(folder: Path) -> list[Path]:
    """Everything in the blob store."""
    return [path for path in folder.rglob("*") if path.is_file()]


@dataclass(frozen=True)
class SealedUpload:
    """A file sealed on the reporter's side for a report whose key was made beforehand."""

    name: str
    data: bytes
    file: bytes

    @classmethod
    def make(cls, key: ReportKey, name: str, data: bytes) -> "SealedUpload":
        return cls(name, data, seal_attachment(data, key.recipient))

    def line(self, upload: str) -> SealedFile:
        digest = hashlib.sha256(self.file).digest()
        part = UploadedPart("attachment", b"", upload, len(self.file), digest)
        return SealedFile(self.name, "video/mp4", len(self.data), hashlib.sha256(self.data).digest(), part)


async def sealed_draft(world: World, *files: tuple[str, bytes]) -> tuple[Draft, SealedReport]:
    """A draft with these files uploaded, and the report that names them."""
    draft, key = await open_draft(world), ReportKey.make(world.directory, DESK)
    made = [SealedUpload.make(key, name, data) for name, data in files]
    lines = [item.line((await draft.whole(item.file)).id) for item in made]
    return draft, seal(world, key, lines)


def seal(world: World, key: ReportKey, lines: list[SealedFile]) -> SealedReport:
    return seal_report(
        answers={"what": "Sealed words.", "mode": "anonymous"},
        fields=FIELDS,
        identity=None,
        attachments=lines,
        directory=world.directory,
        desk_id=DESK,
        form=load_form().version,
        mode="sealed",
        receipt=new_receipt(),
        keys=quick_keys(),
        report=key,
    )


def recipient_of(draft: Draft) -> HybridRecipient:
    return HybridRecipient.parse(draft.answer["report_recipient"])


async def report_key(world: World, reference: str) -> HybridIdentity:
    """The key of a filed report, as the desk gets it."""
    return await world.report_key(await world.case(await world.case_id(reference)))
