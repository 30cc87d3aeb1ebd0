"""Large attachments go up in pieces (tus 1.0), and go on where the server stands when a connection breaks.

What is sent twice is the same bytes twice: a sealed file waits in a nameless temporary file, a plain one is read again
at the same place. No more than one piece of a file is in memory. A draft that is left with an error deletes what it
uploaded.
"""

import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

from services.client.directory import INTAKE
from services.client.door import Credential, let_in
from services.client.errors import BadAnswer, ClientError, Problem, Unreachable, understood
from services.client.filing import Attached, opened, size_of
from services.client.http import ATTEMPTS, Answer, Call, Http, Progress
from services.crypto import rules
from services.crypto.age import HybridRecipient
from services.crypto.attachments import Envelope, seal_attachment_stream
from services.crypto.canonical import unb64u
from services.crypto.errors import Refused
from services.crypto.packages import SMALL_FILE, SealedFile, UploadedPart
from services.crypto.padding import LEAST, padme

T = TypeVar("T")

#: Attachments up to this size, together, travel inside the request that files the report.
INSIDE = 8 << 20
#: Bytes of one PATCH: one segment of the server. A connection that keeps breaking gets smaller ones.
PIECE, LEAST_PIECE = 8 << 20, 256 << 10
#: Failures in a row, with nothing gained between them, until we give up: about two and a half minutes of waiting.
PATIENCE = 40
_UPLOADS = f"{INTAKE}/uploads"
_TUS = {"Tus-Resumable": "1.0.0"}
_LONGEST_RETRY_AFTER = 60
_LOCKED = 423
_BUSY = frozenset({429, 502, 503, 504})
# Of a piece: stalled, another offset, the old connection not yet let go, changed on the way, the database away.
_PIECE_AGAIN = _BUSY | {408, 409, _LOCKED, 460, 500}
_CHUNK, _TAG = 65536, 16
# Header and nonce of an age file for one hybrid recipient.
_HEADER = SMALL_FILE - LEAST - _TAG


def too_large_inside(items: Sequence[Attached]) -> bool:
    """Whether these attachments need a draft. Errors: OSError."""
    return sum(map(size_of, items)) > INSIDE


def sealed_size(size: int) -> int:
    """Length of the age file of an attachment of `size` bytes, known before it is sealed."""
    total = padme(size)
    return _HEADER + total + _TAG * max(1, -(-total // _CHUNK))


class Patience:
    """Repeats what failed in passing, with longer and longer waits, until `PATIENCE` failures in a row."""

    def __init__(self, http: Http, passing: frozenset[int] = _BUSY) -> None:
        self._http, self._passing, self._failures = http, passing, 0

    def gained(self) -> None:
        """Something was reached: begin to count anew."""
        self._failures = 0

    def wait(self, error: ClientError) -> None:
        """Wait after a failure. Raises it again when it is not a passing one, or one too many."""
        passing = isinstance(error, Unreachable)
        if isinstance(error, Problem):
            passing = error.status in self._passing
        if not passing or self._failures >= PATIENCE:
            raise error
        after = error.retry_after if isinstance(error, Problem) else None
        self._http.wait(self._failures, min(after or 0, _LONGEST_RETRY_AFTER))
        self._failures += 1

    def until_done(self, act: Callable[[], T]) -> T:
        """The value of `act`, which is safe to repeat."""
        while True:
            try:
                return act()
            except ClientError as error:
                self.wait(error)


class Draft:
    """A place for the files of one report, to be used with `with`: an error inside deletes what was uploaded.

    `rid` in plain mode: the id that the report will have. `credential` as in `let_in`. Errors of every
    method: Problem, Unreachable, BadAnswer.
    """

    def __init__(self, http: Http, mode: str, credential: Credential | None = None) -> None:
        self._http, self._made = http, list[str]()
        answer = self.patiently(lambda: _open(http, mode, credential)).json()
        with understood():
            unb64u(answer["draft"], 32)
            self.headers = {"Authorization": f"Bearer {answer['draft']}"}
            self.rid = rules.bytes32(answer["rid"]) if mode == "plain" else None

    def __enter__(self) -> "Draft":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._terminate()

    def __repr__(self) -> str:
        return "Draft(...)"

    def patiently(self, act: Callable[[], T]) -> T:
        """The value of `act`, repeated while the server is away. It must be safe to repeat."""
        return Patience(self._http).until_done(act)

    def create(self, length: int) -> str:
        """Announce a file of `length` bytes; the id of its upload. Error: Problem 413 above the server's limits."""
        headers = {"Upload-Length": str(length)}
        # When the answer is lost, an empty upload stays behind; the server clears it away when it needs the room.
        answer = self.patiently(lambda: self._attempt("POST", _UPLOADS, headers))
        with understood():
            upload = str(UUID(answer.headers["Location"].rpartition("/")[2]))
        self._made.append(upload)
        return upload

    def send(self, upload: str, file: BinaryIO, length: int, progress: Progress | None = None) -> None:
        """Send all `length` bytes of `file`. Errors: Refused when the file has fewer by now."""
        patience, piece, offset = Patience(self._http, _PIECE_AGAIN), PIECE, 0
        while offset < length:
            try:
                reached = self._send_piece(upload, file, (offset, min(length, offset + piece)), progress)
                piece = min(PIECE, piece * 2)
                if reached <= offset:
                    # Too many short segments already: only whole ones are taken.
                    piece = PIECE
                    patience.wait(Unreachable())
            except ClientError as error:
                patience.wait(error)
                # Of a piece that was cut nothing counts, so a bad line must get small ones.
                piece = max(LEAST_PIECE, piece // 2)
                reached = patience.until_done(lambda: self._standing(upload))
            if reached > length:
                raise BadAnswer()
            if reached > offset:
                patience.gained()
            offset = reached

    def _send_piece(
        self, upload: str, file: BinaryIO, span: tuple[int, int], progress: Progress | None
    ) -> int:
        start, end = span
        file.seek(start)
        data = file.read(end - start)
        if len(data) != end - start:
            raise Refused("the file changed while it was sent")
        headers = {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(start),
            "Upload-Checksum": f"sha256 {b64encode(sha256(data).digest()).decode()}",
        }

        def moved(sent: int, _of_piece: int) -> None:
            if progress is not None:
                progress(start + sent, start + len(data))

        return _offset(self._attempt("PATCH", f"{_UPLOADS}/{upload}", headers, data, moved))

    def _standing(self, upload: str) -> int:
        return _offset(self._attempt("HEAD", f"{_UPLOADS}/{upload}", {}))

    def _attempt(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None = None,
        progress: Progress | None = None,
    ) -> Answer:
        sent = {**_TUS, **self.headers, **headers}
        return self._http.attempt(Call(method, path, body, sent, progress=progress))

    def _terminate(self) -> None:
        """Delete what was uploaded, as far as the server can be reached; the rest goes when the draft expires."""
        with suppress(Unreachable):
            for upload in self._made:
                with suppress(Problem, BadAnswer):
                    self._delete(upload)

    def _delete(self, upload: str) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._attempt("DELETE", f"{_UPLOADS}/{upload}", {})
            except Problem as error:
                if error.status != _LOCKED:
                    raise
                self._http.wait(attempt)  # the server has not yet seen that our connection is gone
            else:
                return


def upload_sealed(
    draft: Draft, items: Sequence[Attached], recipient: HybridRecipient, progress: Progress | None = None
) -> list[SealedFile]:
    """Seal every attachment here and upload the age files; `progress` counts the bytes of those.

    Errors: as `Draft`; FormatError for an unusable name or media type, Refused when a file changes, OSError.
    """
    _check_names(items)
    sizes = list(map(size_of, items))
    uploads = [(draft.create(sealed_size(size)), sealed_size(size)) for size in sizes]
    made, meter = [], _Meter(progress, sum(length for _, length in uploads))
    for item, size, (upload, length) in zip(items, sizes, uploads, strict=True):
        # Without a name nobody finds it, and it is gone when this process is, however that ends.
        with tempfile.TemporaryFile() as file:
            digest, sealed = _seal_into(file, item, size, recipient)
            if file.tell() != length:
                raise Refused("the size is not the announced one")
            draft.send(upload, file, length, meter.of_next(length))
        part = UploadedPart("attachment", b"", upload, length, sealed)
        made.append(SealedFile(item.name, item.type, size, digest, part))
    return made


def upload_plain(
    draft: Draft, items: Sequence[Attached], progress: Progress | None = None
) -> list[dict[str, str]]:
    """Upload attachments as they are; their lines for the plain report. Errors: as `upload_sealed`."""
    _check_names(items)
    sizes = list(map(size_of, items))
    uploads = [draft.create(size) for size in sizes]
    meter = _Meter(progress, sum(sizes))
    for item, size, upload in zip(items, sizes, uploads, strict=True):
        with opened(item) as file:
            draft.send(upload, file, size, meter.of_next(size))
            if file.seek(size) != size or file.read(1):
                raise Refused("the file changed while it was sent")
    lines = zip(items, uploads, strict=True)
    return [{"name": item.name, "type": item.type, "upload": upload} for item, upload in lines]


class _Meter:
    """Progress over several files, told as bytes of all."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._before = progress, total, 0

    def of_next(self, length: int) -> Progress:
        before = self._before
        self._before += length
        return lambda done, _: self._progress(before + done, self._total) if self._progress else None


def _open(http: Http, mode: str, credential: Credential | None) -> Answer:
    return let_in(http, lambda door: http.post(f"{INTAKE}/drafts", {"mode": mode}, door), credential)


def _offset(answer: Answer) -> int:
    with understood():
        offset = int(answer.headers["Upload-Offset"])
    if offset < 0:
        raise BadAnswer()
    return offset


def _check_names(items: Sequence[Attached]) -> None:
    for item in items:
        line: Any = Envelope(0, item.name, item.type, 0, None, bytes(32)).to_json()
        Envelope.from_json(line)


def _seal_into(file: BinaryIO, item: Attached, size: int, recipient: HybridRecipient) -> tuple[bytes, bytes]:
    """Seal into `file`; the hashes of the true bytes and of the age file."""
    true, sealed = sha256(), sha256()

    def chunks(source: BinaryIO) -> Iterator[bytes]:
        while chunk := source.read(_CHUNK):
            true.update(chunk)
            yield chunk

    with opened(item) as source:
        for made in seal_attachment_stream(chunks(source), size, [recipient]):
            sealed.update(made)
            file.write(made)
    file.flush()
    return true.digest(), sealed.digest()
