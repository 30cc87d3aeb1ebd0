"""Forms are read as they arrive, whatever the pieces; broken ones are refused; files go to their sink alone."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.pages_multipart import (
    TEXT_BYTES,
    FileRefused,
    SentForm,
    content_of,
    no_files,
    read_form,
)
from services.intake.pages_typing import Slip, compare, digits_of
from services.intake.pages_values import file_name, media_type
from services.kit.problems import Malformed

pytestmark = pytest.mark.anyio
BOUNDARY = "----adal"
Part = tuple[str, str | None, bytes]


@dataclass
class Kept:
    """A sink that remembers what happened to it."""

    name: str
    limit: int = 1 << 30
    data: bytearray = field(default_factory=bytearray)
    aborted: bool = False
    finished: bool = False

    async def write(self, data: bytes) -> None:
        if len(self.data) + len(data) > self.limit:
            raise FileRefused("too much")
        self.data += data

    async def finish(self) -> tuple[str, bytes]:
        self.finished = True
        return self.name, bytes(self.data)

    async def abort(self) -> None:
        self.aborted = True


@dataclass
class Opener:
    limit: int = 1 << 30
    sinks: list[Kept] = field(default_factory=list)

    async def __call__(self, form: SentForm[tuple[str, bytes]], name: str, kind: str) -> Kept:
        self.sinks.append(Kept(name, self.limit))
        return self.sinks[-1]


def encoded(parts: list[Part]) -> bytes:
    body = b""
    for name, file, data in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
        body += f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def request(
    body: bytes, step: int = 1 << 16, kind: str = f"multipart/form-data; boundary={BOUNDARY}"
) -> Request:
    pieces = [body[i : i + step] for i in range(0, len(body), step)] or [b""]

    async def receive() -> dict[str, object]:
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", kind.encode())]}
    return Request(scope, receive)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=40)


@given(
    texts=st.lists(TEXT, max_size=4),
    files=st.lists(st.binary(max_size=300), max_size=3),
    step=st.integers(1, 97),
)
@settings(max_examples=100, deadline=None)
async def test_any_form_in_any_pieces_is_read_whole(texts: list[str], files: list[bytes], step: int) -> None:
    parts: list[Part] = [(f"t{i}", None, text.encode()) for i, text in enumerate(texts)]
    parts += [("files", f"f{i}.bin", data) for i, data in enumerate(files)]
    form = await read_form(request(encoded(parts), step), Opener())
    assert form.values == {f"t{i}": text for i, text in enumerate(texts)}
    assert form.files == [(f"f{i}.bin", data) for i, data in enumerate(files)]
    assert form.refused is None


@given(cut=st.integers(0, 400))
@settings(max_examples=100, deadline=None)
async def test_a_form_that_ends_early_is_refused_and_its_file_aborted(cut: int) -> None:
    body = encoded([("a", None, b"text"), ("files", "f.bin", b"x" * 200)])
    opener, end = Opener(), body.index(f"--{BOUNDARY}--".encode()) + len(BOUNDARY) + 4
    cut = min(cut, end - 1)
    with pytest.raises(Malformed):
        await read_form(request(body[:cut], 7), opener)
    assert all(sink.aborted or sink.finished for sink in opener.sinks)


async def test_an_error_while_reading_aborts_the_open_file() -> None:
    opener, body = Opener(), encoded([("files", "f.bin", b"x" * 1000)])[:300]

    async def broken() -> AsyncGenerator[bytes]:
        yield body
        raise ConnectionResetError

    sent = request(b"")
    sent.stream = broken  # type: ignore[method-assign]
    with pytest.raises(ConnectionResetError):
        await read_form(sent, opener)
    assert [sink.aborted for sink in opener.sinks] == [True]


async def test_a_file_above_the_limit_is_dropped_and_the_rest_is_read() -> None:
    opener = Opener(limit=10)
    parts: list[Part] = [("files", "big", b"x" * 5000), ("files", "small", b"y"), ("last", None, b"here")]
    form = await read_form(request(encoded(parts), 100), opener)
    assert form.values == {"last": "here"}
    assert form.files == [("small", b"y")]
    assert form.refused == "too much"
    assert [sink.aborted for sink in opener.sinks] == [True, False]


async def test_a_form_without_files_takes_none() -> None:
    form: SentForm[str] = await read_form(
        request(encoded([("files", "a", b"1"), ("b", None, b"2")])), no_files
    )
    assert (form.values, form.files) == ({"b": "2"}, [])


async def test_an_input_without_a_chosen_file_is_no_file() -> None:
    opener = Opener()
    form = await read_form(request(encoded([("files", "", b""), ("b", None, b"2")])), opener)
    assert (form.values, opener.sinks) == ({"b": "2"}, [])


async def test_line_ends_are_those_a_person_counts_and_files_are_left_alone() -> None:
    form = await read_form(request(encoded([("t", None, b"a\r\nb"), ("files", "f", b"a\r\nb")])), Opener())
    assert (form.text("t"), form.files) == ("a\nb", [("f", b"a\r\nb")])
    assert form.text("none") == ""


@pytest.mark.parametrize("size", [TEXT_BYTES, TEXT_BYTES + 1])
async def test_texts_together_are_bounded(size: int) -> None:
    half = size // 2
    sent = request(encoded([("a", None, b"x" * half), ("b", None, b"x" * (size - half))]))
    if size <= TEXT_BYTES:
        assert len((await read_form(sent, Opener())).text("a")) == half
    else:
        with pytest.raises(Malformed):
            await read_form(sent, Opener())


@pytest.mark.parametrize(
    "body",
    [
        encoded([(str(i), None, b"") for i in range(200)]),
        encoded([("a", None, b"\xff")]),
        encoded([("a", None, b"x")]).replace(b"form-data;", b"attachment;"),
        encoded([("a", None, b"x")]).replace(b'name="a"', b""),
        encoded([("a", None, b"x")]).replace(b"\r\n\r\n", b"\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n"),
    ],
)
async def test_what_no_browser_sends_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        await read_form(request(body), Opener())


@pytest.mark.parametrize("body", [b"a=1&b=%D0%B6+x&c=&a=2", b"a=2&b=%d0%b6%20x&c"])
async def test_short_forms_are_read_too(body: bytes) -> None:
    form: SentForm[str] = await read_form(request(body, 3, "application/x-www-form-urlencoded"), no_files)
    assert form.values == {"a": "2", "b": "ж x", "c": ""}


def test_the_content_of_a_form_tells_texts_names_and_bytes_apart_and_not_its_token() -> None:
    base = content_of({"a": "1", "token": "x"}, [("f", "t/t", "00")])
    assert base == content_of({"a": "1", "token": "y"}, [("f", "t/t", "00")])
    others = [({"a": "2"}, [("f", "t/t", "00")]), ({"a": "1"}, []), ({"a": "1"}, [("f", "t/t", "01")])]
    assert len({base, *(content_of(values, files) for values, files in others)}) == 4


@pytest.mark.parametrize(
    ("given_type", "kept"),
    [("image/png", "image/png"), ("text/plain; charset=utf-8", "text/plain"), ("", "application/octet-stream"),
     ("a/b/c", "application/octet-stream"), ("x" * 64 + "/y", "application/octet-stream")],
)  # fmt: skip
def test_a_media_type_is_kept_when_it_is_one(given_type: str, kept: str) -> None:
    assert media_type(given_type) == kept


@given(st.text(max_size=400))
@settings(max_examples=100, deadline=None)
def test_a_file_name_is_always_one_that_a_report_can_hold(given_name: str) -> None:
    name = file_name(given_name)
    assert 1 <= len(name) <= 255
    assert name.isprintable()
    assert not {"/", "\\"} & set(name)


CODE = "12345678901234567890123" + "4"


@pytest.mark.parametrize(
    ("typed", "slip"),
    [
        (CODE, None),
        (" 1234-5678 9012.3456/7890 1234 ", None),
        ("", Slip(0)),
        (CODE[:-1], Slip(23)),
        (CODE + "5", Slip(25)),
        ("2" + CODE[1:], Slip(24, (1,))),
        (CODE[:20] + "0000", Slip(24, (6,))),
        ("0" * 24, Slip(24, (1, 2, 3, 4, 5, 6))),
    ],
)
def test_a_typed_code_is_compared_group_by_group(typed: str, slip: Slip | None) -> None:
    assert compare(typed, CODE) == slip


@given(st.text(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_text_has_ascii_digits_only(text: str) -> None:
    assert set(digits_of(text)) <= set("0123456789")
