"""The folder of a case on this machine: notes sealed and opened here, labels, links, history, triage of many.

A note counts only if it opens, is the one that the list names, and was signed by the person the list says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from services.client import access
from services.client.cases import CaseLine, OpenedCase, StepLine
from services.client.directory import INTAKE
from services.client.errors import NotUnlocked, Unreachable, understood
from services.client.form_words import names_of
from services.client.http import part_of_path
from services.client.staff import StaffSession
from services.crypto import rules
from services.crypto.canonical import b64, b64u, unb64
from services.crypto.case_notes import CaseNote, open_case_note, seal_case_note
from services.crypto.errors import CryptoError

MOST_AT_ONCE = 200
_STAFF = f"{INTAKE}/staff"


def _path(case_id: str, *more: str) -> str:
    return "/".join([f"{_STAFF}/cases", *map(part_of_path, (case_id, *more))])


# --- notes


@dataclass(frozen=True)
class Note:
    """A note of a case: who wrote it and when, as the server says; `text` is None if it does not hold."""

    id: str
    author: str
    day: date
    text: str | None = field(repr=False)


def add_note(session: StaffSession, case: OpenedCase, text: str) -> str:
    """Sign a note and seal it to the newest key of the case; its id. Error: NotUnlocked without a certificate."""
    certificate = session.me().certificate
    if certificate is None:
        raise NotUnlocked()
    note = CaseNote(str(uuid4()), case.sealed.manifest.rid, session.today(), text)
    sealed = seal_case_note(note, certificate, session.unlocked.key.signing, case.keyring.recipient)
    body = {"id": note.id, "key": access.seen_key(case), "note": b64(sealed)}
    path = _path(case.line.id, "notes")
    try:
        session.call("POST", path, body)
    except Unreachable:  # the id makes a repeat harmless
        session.call("POST", path, body)
    return note.id


def notes(session: StaffSession, case: OpenedCase) -> Sequence[Note]:
    """The notes of a case, by day."""
    items = session.call("GET", _path(case.line.id, "notes")).json()
    known = session.known_directories()
    with understood():
        return [
            Note(
                str(line["id"]), str(line["author"]), rules.day(line["day"]), _text(case, line, known)
            )
            for line in items["items"]
        ]  # fmt: skip


def _text(case: OpenedCase, line: Mapping[str, Any], known: Sequence[Any]) -> str | None:
    try:
        opened = open_case_note(
            unb64(line["note"]), case.keyring.newest_first, str(line["id"]), case.sealed.manifest.rid, known
        )
    except CryptoError:
        return None
    return opened.note.text if opened.person == line["author"] else None


# --- labels and links


@dataclass(frozen=True)
class Link:
    """A link as seen from one case: linked, duplicate_of, has_duplicate."""

    case: str
    reference: str
    kind: str
    day: date


@dataclass(frozen=True)
class PackageMade:
    """A package that somebody made of the case for another body: its code, hash, bytes."""

    body: str
    sha256: bytes
    size: int
    by: str
    day: date


@dataclass(frozen=True)
class Assignment:
    """Who had the case, as what, by whom, from when, and until when."""

    person: str
    role: str
    by: str
    day: date
    ended: date | None


@dataclass(frozen=True)
class Folder:
    """What stands with a case in clear: nothing of it needs a key."""

    line: CaseLine
    steps: tuple[StepLine, ...]
    assignments: tuple[Assignment, ...]
    labels: tuple[str, ...]
    links: tuple[Link, ...]
    packages: tuple[PackageMade, ...]
    classification: str | None
    body: str | None


def label_names(session: StaffSession, language: str) -> dict[str, str]:
    """The labels that a case may have: code -> text."""
    found = session.call("GET", f"{_STAFF}/case-labels").json()
    with understood():
        return names_of(found["items"], language)


def set_labels(session: StaffSession, case_id: str, labels: Iterable[str]) -> tuple[str, ...]:
    """Put exactly these labels on a case; those it has now. Error: Problem for one that is not in the list."""
    answer = session.call("PUT", _path(case_id, "labels"), {"labels": sorted(set(labels))}).json()
    with understood():
        return tuple(map(str, answer["labels"]))


def link(session: StaffSession, case_id: str, other: str, kind: str) -> None:
    """Link two cases (ids): `linked`, or the first is `duplicate_of` the second. Error: Problem `conflict`."""
    session.call("PUT", _path(case_id, "links", other), {"kind": kind})


def unlink(session: StaffSession, case_id: str, other: str) -> None:
    """Take away the link between two cases."""
    session.call("DELETE", _path(case_id, "links", other))


def folder(session: StaffSession, case_id: str) -> Folder:
    """Clear values, history, labels, links and packages of a case."""
    case = session.call("GET", _path(case_id)).json()
    found = session.call("GET", _path(case_id, "folder")).json()
    with understood():
        return Folder(
            line=CaseLine.from_json(case),
            steps=tuple(StepLine.from_json(line) for line in case["states"]),
            assignments=tuple(_assignment(line) for line in case["assignments"]),
            labels=tuple(map(str, found["labels"])),
            links=tuple(
                Link(str(one["case"]), str(one["reference"]), str(one["kind"]), rules.day(one["day"]))
                for one in found["links"]
            ),
            packages=tuple(_package(one) for one in found["packages"]),
            classification=case["classification"],
            body=case["body"],
        )


def _assignment(line: Mapping[str, Any]) -> Assignment:
    ended = rules.day_or_none(line["ended"])
    return Assignment(
        str(line["person"]), str(line["role"]), str(line["by"]), rules.day(line["day"]), ended
    )  # fmt: skip


def _package(line: Mapping[str, Any]) -> PackageMade:
    return PackageMade(
        str(line["body"]), rules.bytes32(line["sha256"]), rules.integer(line["size"]), str(line["by"]),
        rules.day(line["day"]),
    )  # fmt: skip


def record_package(session: StaffSession, case_id: str, body: str, sha256: bytes, size: int) -> None:
    """Tell the server that a package was made for a body, so that it is recorded and logged."""
    made = {"body": body, "sha256": b64u(sha256), "size": size}
    session.call("POST", _path(case_id, "packages-made"), made)


# --- many at once


@dataclass(frozen=True)
class Triaged:
    """What became of one case of a triage; `reason` says why it was not done."""

    case: str
    done: bool
    reason: str | None


def triage(session: StaffSession, action: str, cases: Iterable[str], **more: str) -> Iterator[Triaged]:
    """One action on many cases (ids), 200 at a time; `label` or `of` where the action needs it."""
    wanted = list(cases)
    for start in range(0, len(wanted), MOST_AT_ONCE):
        body = {"action": action, "cases": wanted[start : start + MOST_AT_ONCE], **more}
        answer = session.call("POST", f"{_STAFF}/bulk", body).json()
        with understood():
            found = [(str(line["case"]), bool(line["done"]), line.get("reason")) for line in answer["items"]]
        yield from (Triaged(case, done, reason and str(reason)) for case, done, reason in found)
