"""Protection against retaliation, the rights of a reporter, and the incidents that a lead records and reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.client.directory import INTAKE
from services.client.errors import NotUnlocked, understood
from services.client.form_words import names_of
from services.client.http import Http, part_of_path
from services.client.staff import StaffSession
from services.crypto import rules
from services.crypto.age import HybridRecipient
from services.crypto.canonical import b64, unb64
from services.crypto.certificates import check_certificate
from services.crypto.disclosures import Disclosure, OpenedDisclosure, open_disclosure, seal_disclosure
from services.crypto.errors import CryptoError

LEAD = "lead"
_MOST_READERS = 8


@dataclass(frozen=True)
class Right:
    """A statement in one language; `source` names the text it was seen in, `confirmed` is False where none was."""

    text: str
    source: str | None
    confirmed: bool


@dataclass(frozen=True)
class Rights:
    """What a reporter is told, as of a version."""

    version: str
    statements: tuple[Right, ...]


def rights(http: Http, language: str) -> Rights:
    """The rights of a reporter in one of the three languages. Errors as of every request."""
    found = http.get(f"{INTAKE}/rights").json()
    with understood():
        return Rights(str(found["version"]), _statements(found["sources"], found["statements"], language))


def articles(http: Http, language: str) -> dict[str, Right]:
    """The articles that an incident may name, by code."""
    found = http.get(f"{INTAKE}/disclosure-articles").json()
    with understood():
        lines = _statements(found["sources"], found["articles"], language)
        return {str(line["code"]): right for line, right in zip(found["articles"], lines, strict=True)}


def results(http: Http, language: str) -> dict[str, str]:
    """How an incident may end, by code."""
    found = http.get(f"{INTAKE}/disclosure-articles").json()
    with understood():
        return names_of(found["results"], language)


def _statements(sources: Any, lines: Any, language: str) -> tuple[Right, ...]:
    return tuple(
        Right(
            str(line["labels"][language]),
            None if line["source"] is None else str(sources[line["source"]][language]),
            line["status"] == "confirmed",
        )
        for line in lines
    )


@dataclass(frozen=True)
class IncidentEnd:
    """How an incident ended: the day, a code of `results`, and who said so."""

    day: date
    result: str
    by: str


@dataclass(frozen=True)
class Incident:
    """A recorded disclosure: clear day and article; `opened` if this reader opened and believed the sealed facts.

    `refused` is True for facts that this reader should be able to open and that do not hold.
    """

    id: str
    day: date
    article: str
    status: str
    by: str
    opened: OpenedDisclosure | None = field(repr=False)
    refused: bool
    end: IncidentEnd | None = None


def set_protection(session: StaffSession, case_id: str, status: str) -> str:
    """Say that the desk acts (`in_hand`) or that protection has ended (`ended`); the status."""
    path = f"{INTAKE}/staff/cases/{part_of_path(case_id)}/protection"
    answer = session.call("PUT", path, {"status": status}).json()
    with understood():
        return str(answer["status"])


def add_incident(session: StaffSession, case_id: str, rid: bytes, article: str, who: str, what: str) -> str:
    """Record an incident, sealed to this lead and up to seven other certified leads; its id. Error: NotUnlocked."""
    certificate, today = session.me().certificate, session.today()
    if certificate is None:
        raise NotUnlocked()
    record = Disclosure(rid, article, today, who, what)
    facts = seal_disclosure(record, certificate, session.unlocked.key.signing, _readers(session, today))
    path = f"{INTAKE}/staff/cases/{part_of_path(case_id)}/disclosures"
    answer = session.call("POST", path, {"article": article, "facts": b64(facts)}).json()
    with understood():
        return str(answer["id"])


def incidents(session: StaffSession, case_id: str, rid: bytes | None) -> Sequence[Incident]:
    """The incidents of a case; opened for a lead with an unlocked key who gives the `rid` of the opened case."""
    path = f"{INTAKE}/staff/cases/{part_of_path(case_id)}/disclosures"
    items = session.call("GET", path).json()
    with understood():
        return [_incident(session, line, rid) for line in items["items"]]


def end_incident(session: StaffSession, case_id: str, incident: str, result: str) -> IncidentEnd:
    """Say how an incident ended that somebody else recorded; `result` is a code of `results`."""
    path = f"{INTAKE}/staff/cases/{part_of_path(case_id)}/disclosures/{part_of_path(incident)}/end"
    answer = session.call("POST", path, {"result": result}).json()
    with understood():
        end = _end(answer["end"])
        if end is None:
            raise ValueError("no end")
        return end


def _incident(session: StaffSession, line: dict[str, Any], rid: bytes | None) -> Incident:
    opened, refused, facts = None, False, line["facts"]
    if facts is not None and rid is not None:
        try:
            key, known = session.unlocked.key.identity, session.known_directories()
            opened = open_disclosure(unb64(facts), key, rid, str(line["article"]), known)
        except CryptoError:
            refused = True
    return Incident(
        str(line["id"]), rules.day(line["day"]), str(line["article"]), str(line["status"]), str(line["by"]),
        opened, refused, _end(line["end"]),
    )  # fmt: skip


def _end(line: dict[str, Any] | None) -> IncidentEnd | None:
    if line is None:
        return None
    return IncidentEnd(rules.day(line["day"]), str(line["result"]), str(line["by"]))


def _readers(session: StaffSession, today: date) -> list[HybridRecipient]:
    """One's own recipient first, then those of other leads whose certificates the directory vouches for."""
    directory, mine = session.key_directory(), session.unlocked.key.identity.recipient
    found = {str(mine): mine}
    for colleague in session.staff():
        if colleague.certificate is None or LEAD not in colleague.roles:
            continue
        try:
            certificate = check_certificate(colleague.certificate, directory, today)
        except CryptoError:
            continue
        if certificate.person == colleague.id and LEAD in certificate.roles:
            found[str(certificate.recipient)] = certificate.recipient
    return list(found.values())[:_MOST_READERS]
