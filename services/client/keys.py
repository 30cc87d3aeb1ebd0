"""Certificates and desk keys: two certifiers vouch for a person's keys, and only then does anybody wrap for them.

Each certifier compares the fingerprint that the person reads out with the keys that the server shows, and the roles
with the written order; so a key swapped by the server, or a role added by an administrator, is never signed.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from services.client.directory import INTAKE
from services.client.errors import understood
from services.client.http import part_of_path
from services.client.session import ACCOUNTS
from services.client.staff import DESK, StaffSession
from services.crypto import rules
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.canonical import unb64u
from services.crypto.certificates import (
    Certificate,
    check_certificate,
    cosign,
    make_certificate,
    same_fingerprint,
)
from services.crypto.directories import Desk
from services.crypto.errors import CryptoError, Refused
from services.crypto.signatures import Signed, SigningKey
from services.crypto.staffkeys import GroupKey

LONGEST = timedelta(days=366)
CERTIFIED_FOR = timedelta(days=365)


@dataclass(frozen=True)
class PersonKeys:
    """What the server says of a person: nothing of it is trusted before a certificate is checked."""

    id: str
    name: str
    roles: frozenset[str]
    recipient: HybridRecipient = field(repr=False)
    verify_key: bytes
    certificate: Signed | None = field(repr=False)
    pending: Signed | None = field(repr=False)


def person_keys(session: StaffSession, person: str) -> PersonKeys:
    """The keys of a person (UUID). Errors: LookupError when they made none."""
    found = session.call("GET", f"{ACCOUNTS}/staff/{part_of_path(person)}/keys").json()
    with understood():
        if found["id"] != person:
            raise Refused("the answer is about another person")
        if found["recipient"] is None:
            raise LookupError("this person has made no keys")
        return PersonKeys(
            person,
            str(found["name"]),
            frozenset(found["roles"]),
            rules.recipient(found["recipient"]),
            unb64u(found["verify_key"], 32),
            _signed(found["certificate"]),
            _signed(found["pending"]),
        )


def _signed(value: Any) -> Signed | None:
    return None if value is None else Signed.from_json(value)


def certified(session: StaffSession, person: str, roles: Collection[str]) -> Certificate:
    """The checked certificate of a person who is certified for at least one of `roles`.

    Errors: LookupError without keys; Refused without a certificate or role; BadSignature.
    """
    return check_person(session, person, person_keys(session, person).certificate, roles)


def check_person(
    session: StaffSession, person: str, document: Signed | None, roles: Collection[str]
) -> Certificate:
    """The same for a document at hand. What counts is what two certifiers signed, not what the server says."""
    if document is None:
        raise Refused("the person has no certificate")
    found = check_certificate(document, session.key_directory(), session.today())
    if found.person != person or not set(found.roles) & set(roles):
        raise Refused("the certificate is not for this person and role")
    return found


# --- certifying


def propose(
    session: StaffSession,
    person: PersonKeys,
    key: SigningKey,
    heard: str,
    roles: Collection[str],
    valid_for: timedelta = CERTIFIED_FOR,
) -> Certificate:
    """Sign the keys of a person as the first certifier. Error: Refused if fingerprint or roles differ."""
    _compare(session, person, key, heard, roles)
    if valid_for > LONGEST:
        raise Refused("the certificate is valid for too long")
    today = session.today()
    made = Certificate(
        person.id, tuple(sorted(set(roles))), person.recipient, person.verify_key, today, today + valid_for
    )
    document = make_certificate(made, [key])
    path = f"{ACCOUNTS}/staff/{part_of_path(person.id)}/certificates/pending"
    session.call("POST", path, document.to_json())
    return made


def complete(
    session: StaffSession, person: PersonKeys, key: SigningKey, heard: str, roles: Collection[str]
) -> Certificate:
    """Sign as the second certifier, check as every client will, put it in force and in the log.

    Errors: Refused if nothing was proposed, or fingerprint, roles or length of time differ; BadSignature.
    """
    _compare(session, person, key, heard, roles)
    if person.pending is None:
        raise Refused("nobody proposed a certificate")
    proposed = Certificate.from_json(person.pending.body)
    if proposed.valid_until - proposed.valid_from > LONGEST:
        raise Refused("the certificate is valid for too long")
    wanted = replace(
        proposed,
        person=person.id,
        roles=tuple(sorted(set(roles))),
        recipient=person.recipient,
        verify_key=person.verify_key,
    )
    directory = session.key_directory()
    document = cosign(person.pending, wanted, directory, key)
    made = check_certificate(document, directory, session.today())
    session.call("POST", f"{ACCOUNTS}/staff/{part_of_path(person.id)}/certificates", document.to_json())
    log(session, document)
    return made


def log(session: StaffSession, document: Signed) -> None:
    """Put the digest of a complete certificate in the public log; again does no harm."""
    session.call("POST", f"{INTAKE}/staff/certificates", {"document": document.to_json()})


def _compare(
    session: StaffSession, person: PersonKeys, key: SigningKey, heard: str, roles: Collection[str]
) -> None:
    certifiers = {certifier.verify_key for certifier in session.key_directory().certifiers}
    if key.verify_key not in certifiers:
        raise Refused("not a certifier of the directory")
    if not same_fingerprint(heard, person.recipient, person.verify_key):
        raise Refused("the fingerprint differs: these are not the keys the person has")
    if set(roles) != set(person.roles):
        raise Refused("the roles differ from those of the account")


# --- desk months


@dataclass(frozen=True)
class Given:
    """Who got a key, by name, and who did not because nobody certified them for it."""

    to: tuple[str, ...]
    left_out: tuple[str, ...]


def new_desk_key(desk: str, month: str) -> tuple[GroupKey, Desk]:
    """A fresh key of a desk and month (`YYYY-MM`), and its line of the directory."""
    key = GroupKey(f"{desk}/{month}", HybridIdentity.generate(), SigningKey.generate())
    return key, desk_line(key)


def desk_line(key: GroupKey) -> Desk:
    """The directory line of a desk's key. Error: Refused if it is not one."""
    desk, _, month = key.id.partition("/")
    if key.signing is None:
        raise Refused("a desk's key signs")
    return Desk(desk, month, key.identity.recipient, key.signing.verify_key)


def give_desk_key(session: StaffSession, key: GroupKey) -> Given:
    """Wrap a desk's key for everybody who is certified as desk or lead today."""
    to, left_out = [], []
    for colleague in list(session.staff()):
        if not colleague.roles & DESK:
            continue
        try:
            certificate = check_person(session, colleague.id, colleague.certificate, DESK)
        except CryptoError:
            left_out.append(colleague.name)
            continue
        session.put_group_key(certificate, key)
        to.append(colleague.name)
    return Given(tuple(to), tuple(left_out))


def grants_of_month(session: StaffSession, desk: str, month: str) -> int:
    """How many reports may still need the desk's key of a month."""
    found = session.call("GET", f"{INTAKE}/staff/desk-months").json()
    with understood():
        lines = [line for line in found["items"] if (line["desk"], line["month"]) == (desk, month)]
        return sum(int(line["grants"]) for line in lines)


def destroy_month(session: StaffSession, desk: str, month: str) -> None:
    """Destroy the desk's key of a past month. Errors: Refused while a desk grant of it is left; Problem."""
    if month >= f"{session.today():%Y-%m}":
        raise Refused("the month is not over")
    if grants_of_month(session, desk, month):
        raise Refused("reports of this month are still with the desk")
    session.call("DELETE", f"{ACCOUNTS}/group-keys/{part_of_path(f'{desk}/{month}')}")


def is_month(text: str) -> bool:
    """Whether a text is a month such as 2026-12."""
    try:
        date.fromisoformat(f"{text}-01")
    except ValueError:
        return False
    return len(text) == len("2026-12")
