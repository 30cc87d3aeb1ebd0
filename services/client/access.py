"""Who can read a case: handing its keys to certified people, and ending an access with a new key for what follows.

Both happen on this machine. The server stores sealed grants and deletes them; it never has a key that it could keep.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
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


def end_access(session: StaffSession, case: OpenedCase, person: str, also: Collection[str] = ()) -> int:
    """End a person's access and that of `also`; the number of the stored part that gives the report its new key.

    The new key goes to everybody else who holds one now. Errors: LookupError if one of them does not have the case;
    Refused if somebody who stays is not certified: certify that person anew, or end that access in the same step.
    """
    leaving = {person, *also}
    staying = {holder: role for holder, role in case.sealed.holders.items() if holder not in leaving}
    if not leaving <= set(case.sealed.holders):
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
        "also": sorted(leaving - {person}),
    }
    return int(session.call("POST", f"{_path(case, person)}/end", sent).json()["number"])


def hand_over(session: StaffSession, case_id: str, leaver: str, successor: str) -> str:
    """Give a case to a successor in the leaver's role, then end the leaver's access with a new key; the role.

    The new one comes first, so that the case is never without. What was interrupted goes on where it stopped: done
    again, only the missing half is done. Errors: LookupError if neither has the case; those of `assign`, `end_access`.
    """
    case = session.case(case_id)
    holders = case.sealed.holders
    role = holders.get(leaver) or holders.get(successor)
    if role is None:
        raise LookupError("neither has the case")
    if successor not in holders:
        assign(session, case, successor, role)
        case = session.case(case_id)
    if leaver in holders:
        end_access(session, case, leaver)
    return role


def release(
    session: StaffSession, person: str, also: Collection[str] = (), to: str | None = None
) -> Iterator[tuple[str, Exception | None]]:
    """End a person's access to every case they have: its reference, and what prevented it.

    For somebody who leaves; `also` leave with them, where they have the case too. Where nobody who stays is a lead,
    `to` becomes one first. What this session cannot open, or has no lead for, stays as it is.
    """
    for line in list(session.cases(assigned=person)):
        try:
            case = session.case(line.id)
            leaving = {person, *also} & set(case.sealed.holders)
            case = _with_lead(session, case, leaving, to)
            end_access(session, case, person, leaving - {person})
        except (Problem, NotHanded, CryptoError, LookupError) as exc:
            yield line.reference, exc
        else:
            yield line.reference, None


def _with_lead(
    session: StaffSession, case: OpenedCase, leaving: Collection[str], to: str | None
) -> OpenedCase:
    """The case, in which `to` is now a lead if nobody else who stays is."""
    staying = {role for holder, role in case.sealed.holders.items() if holder not in leaving}
    if to is None or LEAD in staying or INVESTIGATOR not in staying:
        return case
    assign(session, case, to, LEAD)
    return session.case(case.line.id)


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
