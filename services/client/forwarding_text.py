"""What people read in a package for another body: a cover sheet, and the report with its messages, as plain text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from unicodedata import category

from services.client.chain import Message
from services.client.form_words import FormWords
from services.crypto.packages import OpenedReport
from services.kit.i18n import N_, date_text, translator

_TITLE = N_("Report of corruption, forwarded")
_NO_IDENTITY = N_(
    "Who the reporter is does not stand in this package: it is sealed to custodians and never forwarded."
)
_CARE = N_(
    "The words and files come from a stranger. They may still show who wrote them: the law protects a reporter."
)
_UNSCANNED = N_("The files were not scanned for malware. Open them on a computer that you can lose.")
_CHECK = N_("SHA256SUMS lists every file with its hash: sha256sum -c SHA256SUMS")
_AUTHORS = {"reporter": N_("the reporter"), "desk": N_("the desk"), "staff": N_("the investigator")}


@dataclass(frozen=True)
class Cover:
    """What the cover sheet says: which report, from whom, to which body (code), and what is inside."""

    reference: str
    filed_on: date
    made_on: date
    desk: str
    sender: str = field(repr=False)
    body: str
    messages: int
    files: tuple[str, ...] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "body": self.body, "desk": self.desk, "filed_on": self.filed_on.isoformat(), "identity": None,
            "kind": "adal-forwarding-package", "made_on": self.made_on.isoformat(), "messages": self.messages,
            "reference": self.reference, "scanned": False, "sender": self.sender, "v": 1,
        }  # fmt: skip


def cover_text(cover: Cover, words: FormWords) -> str:
    """The cover sheet in the language of `words`."""
    said = _speaker(words.language)
    rows = [
        (N_("Reference"), cover.reference),
        (N_("Filed on"), date_text(cover.filed_on, words.language)),
        (N_("Sent to"), words.item("bodies", cover.body)),
        (N_("Sent by"), f"{cover.sender} ({cover.desk})"),
        (N_("Made on"), date_text(cover.made_on, words.language)),
        (N_("Messages"), str(cover.messages)),
        (N_("Files"), str(len(cover.files))),
    ]
    listed = [f"  {name}" for name in cover.files]
    notes = [said(note) for note in (_NO_IDENTITY, _CARE, _UNSCANNED, _CHECK)]
    return _text(
        [said(_TITLE), "", *(f"{said(name)}: {one_line(value)}" for name, value in rows), *listed, "", *notes]
    )


def report_text(words: FormWords, report: OpenedReport, messages: Sequence[Message]) -> str:
    """Questions and answers, then the messages in order."""
    said = _speaker(words.language)
    lines = [f"{name}: {text}" for name, text in words.lines("fields", report.fields)]
    for code, value in report.answers.items():
        name, text = words.text_of("mode" if code == "mode" else "answers", code, value)
        lines += ["", name, printable(text)]
    for one in messages:
        day = date_text(one.day, words.language)
        lines += ["", f"{one.number}. {said(_AUTHORS.get(one.by, one.by))}, {day}", printable(one.text)]
    return _text(lines)


def printable(text: str) -> str:
    """Words of a stranger without control and direction characters, which could drive whatever shows them."""
    return "".join(char for char in text if char in "\n\t" or not _hidden(char))


def one_line(text: str) -> str:
    """The same on one line."""
    return " ".join(printable(text).split())


def _hidden(char: str) -> bool:
    return category(char)[0] == "C"


def _speaker(language: str) -> Any:
    return translator(language).gettext


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
