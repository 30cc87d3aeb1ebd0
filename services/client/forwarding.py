"""A package for another body: an opened case in one tar, inside one age file sealed to that body.

Every tool that the other side needs is stock: `age` and `tar`. What custodians guard never goes in, for this client
cannot open it; attachments stream through, so that a large one costs no memory. The server learns hash, size and body.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from services.client.cases import OpenedCase
from services.client.chain import Message
from services.client.downloads import file_name, write_new
from services.client.folder import record_package
from services.client.form_words import FormWords
from services.client.forwarding_text import Cover, cover_text, report_text
from services.client.staff import StaffSession
from services.client.tarring import Member, tar_stream
from services.crypto.age import HybridRecipient, Recipient, X25519Recipient, encrypt_stream
from services.crypto.attachments import Envelope
from services.crypto.canonical import b64u
from services.crypto.errors import FormatError

#: The languages of the cover sheet and of the readable report.
LANGUAGES = ("kk", "ru")
_HYBRID = "age1pq1"


@dataclass(frozen=True)
class Wanted:
    """What goes to whom: the body's code, the keys of the age file, the numbers of the messages (None for all)."""

    body: str
    recipients: Sequence[Recipient] = field(repr=False)
    messages: frozenset[int] | None = None


@dataclass(frozen=True)
class Made:
    """A package that was written: SHA-256 and bytes of the age file, number of messages and of attachments."""

    sha256: bytes
    size: int
    messages: int
    attachments: int


def recipient_of(text: str) -> Recipient:
    """The key of another body: `age1pq1...`, or `age1...` of a stock `age` without it. Error: FormatError."""
    text = text.strip()
    return HybridRecipient.parse(text) if text.startswith(_HYBRID) else X25519Recipient.parse(text)


def make_package(
    session: StaffSession, case: OpenedCase, form: Mapping[str, Any], wanted: Wanted, path: Path
) -> Made:
    """Write the package, mode 0600, and have it recorded; without the record there is no package.

    Errors: FormatError for a body or message that there is not; FileExistsError, OSError; those of `Session`.
    """
    contents = _Contents.of(session, case, form, wanted)
    archive = tar_stream(contents.members(), contents.cover.made_on)
    digest, size = write_new(encrypt_stream(archive, wanted.recipients), path)
    try:
        record_package(session, case.line.id, wanted.body, digest, size)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Made(digest, size, len(contents.messages), len(contents.files))


@dataclass(frozen=True)
class _Contents:
    """What goes in, in order."""

    session: StaffSession = field(repr=False)
    case: OpenedCase = field(repr=False)
    form: Mapping[str, Any] = field(repr=False)
    cover: Cover
    messages: tuple[Message, ...] = field(repr=False)
    files: Mapping[str, Envelope] = field(repr=False)

    @classmethod
    def of(
        cls, session: StaffSession, case: OpenedCase, form: Mapping[str, Any], wanted: Wanted
    ) -> "_Contents":
        if FormWords(form, "en").item("bodies", wanted.body) == wanted.body:
            raise FormatError("no such body")
        messages = _chosen(case, wanted.messages)
        envelopes = [*case.narrative.envelopes, *(one for each in messages for one in each.envelopes)]
        files = {f"attachments/{i:03}-{file_name(one)}": one for i, one in enumerate(envelopes, 1)}
        cover = _cover(session, case, wanted.body, len(messages), tuple(files))
        return cls(session, case, form, cover, messages, files)

    def members(self) -> Iterator[Member]:
        yield Member.of_json("cover.json", self._cover_json())
        for language in LANGUAGES:
            words = FormWords(self.form, language)
            yield Member.of(f"cover-{language}.txt", cover_text(self.cover, words).encode())
            text = report_text(words, self.case.narrative, self.messages)
            yield Member.of(f"report-{language}.txt", text.encode())
        yield Member.of_json("report.json", self._report_json())
        for name, envelope in self.files.items():
            yield Member(name, envelope.size, self._opener(envelope))

    def _opener(self, envelope: Envelope) -> Any:
        def opened() -> AbstractContextManager[Iterator[bytes]]:
            return self.session.true_bytes(self.case, envelope)

        return opened

    def _cover_json(self) -> dict[str, Any]:
        return {
            **self.cover.to_json(),
            "attachments": [_file_json(name, one) for name, one in self.files.items()],
            "fields": self.case.narrative.fields,
        }

    def _report_json(self) -> dict[str, Any]:
        return {
            "answers": self.case.narrative.answers,
            "fields": self.case.narrative.fields,
            "messages": [
                {"by": one.by, "day": one.day.isoformat(), "kind": one.role, "number": one.number, "text": one.text}
                for one in self.messages
            ],
            "v": 1,
        }  # fmt: skip


def _chosen(case: OpenedCase, numbers: frozenset[int] | None) -> tuple[Message, ...]:
    """The messages that go in. Error: FormatError for a number that no message has."""
    if numbers is None:
        return case.messages
    if numbers - {one.number for one in case.messages}:
        raise FormatError("no message with this number")
    return tuple(one for one in case.messages if one.number in numbers)


def _cover(
    session: StaffSession, case: OpenedCase, body: str, messages: int, files: tuple[str, ...]
) -> Cover:
    today: date = session.today()
    line, person = case.line, session.me().person
    return Cover(line.reference, line.filed_on, today, line.desk, person.name, body, messages, files)


def _file_json(name: str, envelope: Envelope) -> dict[str, Any]:
    known = None if envelope.sha256 is None else b64u(envelope.sha256)
    return {"file": name, "sha256": known, "size": envelope.size, "type": envelope.type}
