"""Forms that browsers send, read as they arrive: texts into memory up to a limit, files into sinks, nothing to disk.

Starlette's own parser would spool files above 1 MB to a temporary file in clear.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from services.kit.problems import Malformed

#: All texts of a form together, in bytes; the longest questions of the form need about half.
TEXT_BYTES = 512 << 10
_MAX_PARTS = 120
#: Inputs that change each time a page is made.
_UNCOUNTED = frozenset({"token", "visit"})
_MULTIPART, _URLENCODED = b"multipart/form-data", b"application/x-www-form-urlencoded"

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Sink(Protocol[T_co]):
    """Where the bytes of one file go."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Errors: FileRefused."""

    async def finish(self) -> T_co:
        """The file is complete. Errors: FileRefused."""

    async def abort(self) -> None:
        """Forget what was written."""


class FileRefused(Exception):
    """A file is not taken, for the reason in `message`. The rest of the form is still read and comes back."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self.message = message


@dataclass
class SentForm(Generic[T]):
    """A form that was read: the last text of each name, the files in order, and why a file was refused."""

    values: dict[str, str] = field(default_factory=dict)
    files: list[T] = field(default_factory=list)
    refused: str | None = None

    def text(self, name: str) -> str:
        return self.values.get(name, "")


#: Makes the sink of a file from the form so far, the name and the media type. Errors: FileRefused.
OpenSink = Callable[[SentForm[T], str, str], Awaitable[Sink[T]]]


@dataclass
class _Part:
    """The headers of a part while they arrive, and what they say."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)

    def end_header(self) -> None:
        self.headers.append(
            (self.name.decode("latin-1").lower(), self.value.decode("utf-8", "surrogateescape"))
        )
        self.name, self.value = bytearray(), bytearray()

    def disposition(self) -> tuple[str, str | None]:
        """(name of the input, name of the file or None)."""
        text = dict(self.headers).get("content-disposition", "")
        kind, options = parse_options_header(text.encode("utf-8", "surrogateescape"))
        if kind != b"form-data" or b"name" not in options:
            raise Malformed()
        file = options.get(b"filename")
        return _text(options[b"name"]), None if file is None else file.decode("utf-8", "replace")

    def type(self) -> str:
        return dict(self.headers).get("content-type", "")


def _text(data: bytes | bytearray) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed() from None


class _Events:
    """The parser's callbacks, in order, as (kind, value); bytes are copied, since the parser reuses its buffer."""

    def __init__(self) -> None:
        self.found: list[tuple[str, Any]] = []
        self._part = _Part()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._part.name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._part.value.extend(data[start:end]),
            "on_header_end": lambda: self._part.end_header(),
            "on_headers_finished": lambda: self.found.append(("part", self._part)),
            "on_part_data": lambda data, start, end: self.found.append(("data", bytes(data[start:end]))),
            "on_part_end": lambda: self.found.append(("end", None)),
            "on_end": lambda: self.found.append(("whole", None)),
        }

    def _begin(self) -> None:
        self._part = _Part()

    def take(self) -> list[tuple[str, Any]]:
        found, self.found = self.found, []
        return found


async def _events(request: Request, boundary: bytes) -> AsyncIterator[tuple[str, Any]]:
    """What the parser finds while the body arrives. Errors: Malformed, also when the body ends too early."""
    events = _Events()
    whole = False
    try:
        parser = MultipartParser(boundary, events.callbacks())
        async for chunk in request.stream():
            parser.write(chunk)
            for event in events.take():
                whole = whole or event[0] == "whole"
                yield event
    except FormParserError:
        raise Malformed() from None
    if not whole:
        raise Malformed()


@dataclass
class _Reader(Generic[T]):
    """Puts the events together; `sink` is that of the file which arrives now."""

    open_sink: OpenSink[T]
    form: SentForm[T] = field(default_factory=SentForm)
    name: str = ""
    buffer: bytearray | None = None
    sink: Sink[T] | None = None
    left: int = TEXT_BYTES
    parts: int = 0

    async def take(self, kind: str, value: Any) -> None:
        if kind == "part":
            await self._start(value)
        elif kind == "data":
            await self._data(value)
        elif kind == "end":
            await self._end()

    async def _start(self, part: _Part) -> None:
        self.parts += 1
        if self.parts > _MAX_PARTS:
            raise Malformed()
        self.name, file = part.disposition()
        self.buffer, self.sink = None, None
        if file is None:
            self.buffer = bytearray()
        elif file:  # an input without a chosen file sends an empty name
            try:
                self.sink = await self.open_sink(self.form, file, part.type())
            except FileRefused as refusal:
                self.form.refused = refusal.message

    async def _data(self, data: bytes) -> None:
        if self.buffer is not None:
            self.left -= len(data)
            if self.left < 0:
                raise Malformed()
            self.buffer += data
        elif self.sink is not None:
            try:
                await self.sink.write(data)
            except FileRefused as refusal:
                await self._refuse(refusal)

    async def _end(self) -> None:
        if self.buffer is not None:
            # Browsers send line ends as CR LF; lengths are counted as the person sees them.
            self.form.values[self.name] = _text(self.buffer).replace("\r\n", "\n")
        elif self.sink is not None:
            try:
                self.form.files.append(await self.sink.finish())
                self.sink = None
            except FileRefused as refusal:
                await self._refuse(refusal)

    async def _refuse(self, refusal: FileRefused) -> None:
        await self.abort()
        self.form.refused = refusal.message

    async def abort(self) -> None:
        sink, self.sink = self.sink, None
        if sink is not None:
            await sink.abort()


async def no_files(_form: SentForm[str], _name: str, _type: str) -> Sink[str]:
    """For forms without files: none is taken."""
    raise FileRefused("")


def content_of(values: dict[str, str], files: Sequence[tuple[str, str, str]]) -> bytes:
    """What makes two sent forms the same: the texts, and (name, type, hash) of each file. Only a keyed hash of it is
    ever kept.
    """
    counted = {name: value for name, value in values.items() if name not in _UNCOUNTED}
    return json.dumps([counted, list(files)], sort_keys=True).encode()


async def read_form(request: Request, open_sink: OpenSink[T]) -> SentForm[T]:
    """A form as a browser sends it; `open_sink` gets the form so far, the name and the media type of each file.

    Errors: Malformed when it is not a form or holds too much text.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind == _URLENCODED:
        return SentForm(values=await _urlencoded(request))
    if kind != _MULTIPART or b"boundary" not in options:
        raise Malformed()
    reader = _Reader(open_sink)
    try:
        async for event, value in _events(request, options[b"boundary"]):
            await reader.take(event, value)
    except BaseException:
        await reader.abort()
        raise
    return reader.form


async def _urlencoded(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > TEXT_BYTES:
            raise Malformed()
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_PARTS, errors="strict"
        )
    except ValueError:
        raise Malformed() from None
    return {name: value.replace("\r\n", "\n") for name, value in pairs}
