"""A filing with resumable uploads, under faults: an offset that was confirmed must still be there after any crash."""

import json
import os
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from services.crypto.age import HybridIdentity
from services.crypto.attachments import seal_attachment
from services.crypto.directories import Directory
from services.crypto.packages import ReportKey, SealedFile, UploadedPart, seal_report
from services.crypto.receipts import ReceiptKeys
from services.crypto.signatures import SigningKey
from services.intake.form import load_form
from tests.faults.sending import TIMEOUT, Answer, Filing, Lost, fields, request

PIECE = 256 << 10
API = "/api/intake/v1"
_TUS = {"Tus-Resumable": "1.0.0"}


@dataclass
class Upload:
    """A file on its way; `confirmed` is the largest offset that the server has answered with."""

    data: bytes = field(repr=False)
    url: str | None = None
    confirmed: int = 0


@dataclass
class Drafted(Filing):
    """A report whose files go up to a draft first, in pieces. Every `send` goes on where the server stands."""

    mode: str = "sealed"
    uploads: list[Upload] = field(default_factory=list)
    directory: Directory | None = field(default=None, repr=False)
    secret: str = field(default="", repr=False)
    report: ReportKey | None = field(default=None, repr=False)

    @property
    def half_way(self) -> bool:
        """Some bytes are confirmed, and not all."""
        sizes = [(upload.confirmed, len(upload.data)) for upload in self.uploads]
        return any(done for done, _ in sizes) and any(done < size for done, size in sizes)

    def send(self, port: int, timeout: float = TIMEOUT) -> int | None:
        """Open, upload, file: as far as it goes. The last status, or None when the connection broke."""
        if self.body:  # everything was uploaded, and the report may have been filed already
            return super().send(port, timeout)
        try:
            return self._all(port)
        except Lost:
            return None

    def _all(self, port: int) -> int | None:
        if not self.secret:
            answer = request(port, "POST", f"{API}/drafts", json.dumps({"mode": self.mode}).encode())
            if answer.status != 201:
                return answer.status
            self.secret = json.loads(answer.body)["draft"]
            self.headers = {"Authorization": f"Bearer {self.secret}"}
        for upload in self.uploads:
            status = self._upload(port, upload)
            if status is not None:
                return status
        self.body = self._body()
        return super().send(port)

    def _upload(self, port: int, upload: Upload) -> int | None:
        """Bring a file up; None when it is whole, else the status of the refusal."""
        if upload.url is None:
            answer = self._tus(port, "POST", f"{API}/uploads", {"Upload-Length": str(len(upload.data))})
            if answer.status != 201:
                return answer.status
            upload.url = answer.headers["location"]
        answer = self._tus(port, "HEAD", upload.url, {})
        if answer.status != 200:
            return answer.status
        offset = int(answer.headers["upload-offset"])
        if offset < upload.confirmed:
            self.broken = "confirmed bytes of an upload are gone"
        while offset < len(upload.data):
            piece = upload.data[offset : offset + PIECE]
            more = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            answer = self._tus(port, "PATCH", upload.url, more, piece)
            if answer.status != 204:
                return answer.status
            offset = upload.confirmed = int(answer.headers["upload-offset"])
        return None

    def _tus(self, port: int, method: str, path: str, more: dict[str, str], body: bytes = b"") -> Answer:
        return request(port, method, path, body, {**_TUS, **self.headers, **more})

    def _body(self) -> bytes:
        ids = [str(upload.url).rsplit("/", 1)[1] for upload in self.uploads]
        if self.mode == "plain":
            files = [{"name": "f.bin", "type": "video/mp4", "upload": id_} for id_ in ids]
            asked = {"form": load_form().version, "mode": "anonymous", "fields": fields()}
            return json.dumps({**asked, "answers": {"what": "invented"}, "attachments": files}).encode()
        lines = [self._line(id_, upload.data) for id_, upload in zip(ids, self.uploads, strict=True)]
        assert self.directory is not None
        keys = ReceiptKeys(secrets.token_bytes(32), HybridIdentity.generate(), SigningKey.generate())
        report = seal_report(
            {"what": "invented", "mode": "anonymous"}, fields(), None, lines, self.directory,
            self.directory.desks[0].id, load_form().version, "sealed", receipt="0" * 24, keys=keys, report=self.report,
        )  # fmt: skip
        return json.dumps(report.to_json()).encode()

    @staticmethod
    def _line(id_: str, file: bytes) -> SealedFile:
        digest = sha256(file).digest()
        # The true bytes are of no interest here; only what is stored is compared.
        return SealedFile(
            "f.bin", "video/mp4", 1, digest, UploadedPart("attachment", b"", id_, len(file), digest)
        )


def drafted(mode: str, sizes: list[int], directory: Directory) -> Drafted:
    """A report of `mode` with files of these sizes, nothing of which is sent yet."""
    key = ReportKey.make(directory, directory.desks[0].id) if mode == "sealed" else None
    made: list[Any] = [os.urandom(size) for size in sizes]
    if key is not None:
        made = [seal_attachment(data, key.recipient) for data in made]
    path = f"{API}/packages" if mode == "sealed" else f"{API}/reports"
    return Drafted(
        path, b"", mode=mode, uploads=[Upload(data) for data in made], directory=directory, report=key
    )
