"""Who can read a case: handing its keys to certified people, and ending an access with a new key for what follows.

Both happen on this machine. The server stores sealed grants and deletes them; it never has a key that it could keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from services.client import chain
from services.client.cases import OpenedCase
from services.client.directory import INTAKE
from services.client.errors import NoLead, NotHanded, Problem
from services.client.keyring import TYPE, last_key
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.canonical import b64
from services.crypto.certificates import Certificate, check_certificate
from services.crypto.errors import CryptoError, Refused
from services.crypto.grants import seal_later_grant
from services.crypto.payloads import Header, seal_payload
from services.crypto.reportkeys import key_number, report_keys_body

if TYPE_CHECKING:
    from services.client.staff import StaffSession

LEAD, INVESTIGATOR = "lead", "investigator"


def assign(
    session: StaffSession, case: OpenedCase, person: str, role: str = INVESTIGATOR, lead: str | None = None
) -> Certificate:
    """Hand every key of a case to a certified person (UUID), and to a lead where none has the case yet.

    `lead` names that lead; without it the caller, if certified as one, else the first certified lead. Errors:
    LookupError, Refused for a person who is not certified for the role, NoLead.
    """
    certificate = certified(session, person, role)
    body: dict[str, Any] = {"role": role, **_grants(case, role, certificate)}
    if role == INVESTIGATOR and LEAD not in case.sealed.holders.values():
        found = certified(session, lead, LEAD) if lead else a_lead(session, not_this=person)
        body["lead"] = {"person": found.person, **_grants(case, LEAD, found)}
    session.call("PUT", _path(case, person), body)
    return certificate


def certified(session: StaffSession, person: str, role: str) -> Certificate:
    """The checked certificate of a person for a role. Errors: LookupError, Refused, BadSignature."""
    colleague = next((found for found in session.staff() if found.id == person), None)
    if colleague is None:
        raise LookupError("no such person")
    if colleague.certificate is None:
        raise Refused("the person has no certificate")
    certificate = check_certificate(colleague.certificate, session.key_directory(), session.today())
    if certificate.person != person or role not in certificate.roles:
        raise Refused("the certificate is not for this person and role")
    return certificate


def a_lead(session: StaffSession, not_this: str) -> Certificate:
    """The caller, if certified as a lead, else the first certified lead; never `not_this`. Error: NoLead."""
    me = session.me().person.id
    leads = [one.id for one in session.staff() if LEAD in one.roles and one.id != not_this]
    for person in sorted(leads, key=lambda person: person != me):
        try:
            return certified(session, person, LEAD)
        except CryptoError:
            continue
    raise NoLead()


def end_access(session: StaffSession, case: OpenedCase, person: str) -> int:
    """End a person's access; the number of the stored part that gives the report its new key.

    The new key goes to everybody else who holds one now. Errors: LookupError if the person does not have the case;
    Refused if somebody who stays is not certified: that access must end, or be certified anew, first.
    """
    staying = {holder: role for holder, role in case.sealed.holders.items() if holder != person}
    if len(staying) == len(case.sealed.holders):
        raise LookupError("the person does not have the case")
    directory, rid = session.key_directory(), case.sealed.manifest.rid
    key, number = HybridIdentity.generate(), key_number(case.place.n)
    grants = [
        {
            "holder": holder,
            "role": role,
            "data": b64(seal_later_grant(key, rid, number, role, _recipient(session, holder, role))),
        }
        for holder, role in staying.items()
    ]
    by, signing, extra = session.author(case.line.desk)
    head = Header(TYPE, by, rid, directory.sequence, case.place.n, case.place.prev)
    body = report_keys_body(key.recipient, extra.get("certificate"))
    part = seal_payload(head, body, signing, [key.recipient, case.reporter])
    sent = {
        "n": case.place.n,
        "reporter_n": len(chain.chain_of(case.sealed.parts, reporter=True)),
        "part": b64(part),
        "grants": grants,
    }
    return int(session.call("POST", f"{_path(case, person)}/end", sent).json()["number"])


def release(session: StaffSession, person: str) -> Iterator[tuple[str, Exception | None]]:
    """End a person's access to every case they have: its reference, and what prevented it.

    For somebody who leaves. What this session cannot open, and where the person is the last lead, stays as it is.
    """
    for line in list(session.cases(assigned=person)):
        try:
            end_access(session, session.case(line.id), person)
        except (Problem, NotHanded, CryptoError, LookupError) as exc:
            yield line.reference, exc
        else:
            yield line.reference, None


def seen_key(case: OpenedCase) -> int:
    """The number of the newest key that the server lists for a case."""
    return last_key(case.sealed.parts)


def _recipient(session: StaffSession, holder: str, role: str) -> HybridRecipient:
    if role == "desk":
        return session.key_directory().desk(holder, session.today()).recipient
    return certified(session, holder, role).recipient


def _grants(case: OpenedCase, role: str, to: Certificate) -> dict[str, Any]:
    """Every key of the report; one alone in the short form."""
    made = case.keyring.grants(role, to.recipient, case.sealed.manifest.rid)
    if len(made) == 1:
        return {"grant": b64(made[0])}
    return {"grants": [{"key": number, "data": b64(data)} for number, data in sorted(made.items())]}


def _path(case: OpenedCase, person: str) -> str:
    return f"{INTAKE}/staff/cases/{case.line.id}/assignees/{person}"
