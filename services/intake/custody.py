"""Identity requests as the service keeps them: it checks what it can, and can open nothing.

Shares leave only under an approved request, to a custodian who approved it with that seat; releases leave only to the
asker, after the undertaking. Clients check all of this again and do not rely on it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto import age
from services.crypto import custody as documents
from services.crypto.canonical import b64u, loads
from services.crypto.custody import CheckedRequest
from services.crypto.directories import Directory
from services.crypto.errors import CryptoError
from services.crypto.manifests import Manifest
from services.crypto.packages import SMALL_FILE
from services.crypto.signatures import Signed
from services.intake import custody_store, log, rules, store
from services.intake.context import Context
from services.intake.custody_data import grounds, undertakings
from services.kit.clock import day_of
from services.kit.i18n import N_
from services.kit.problems import Conflict, FieldError, Invalid, NotFound
from services.kit.staff import Caller

#: 20,000 characters of three bytes, padding of at most an eighth, eight stanzas.
MAX_REASON_FILE = 96 << 10

_REQUEST = N_("The request is not signed by a certified asker, or breaks a rule of the sealing format.")
_NOT_YOURS = N_("The certificate in it is not yours.")
_GROUND = N_("This ground is not in the list.")
_DEFERRAL = N_("A deferral ends after today and within the longest time allowed.")
_REASON = N_("The sealed reason is not the one that was signed, or not sealed to every seat.")
_TAKEN = N_("Another request has this id.")
_DECISION = N_(
    "The decision is not signed by the seat and its certified holder, or is about another request."
)
_DECIDED = N_("This seat or this person has decided already.")
_CLOSED = N_("This request is no longer open.")
_NOT_APPROVED = N_("This request is not approved.")
_RELEASE = N_("The release is not an age file sealed to one key, or has a wrong size.")
_RELEASED = N_("This seat has released its share already.")
_UNDERTAKING = N_(
    "The undertaking is not signed by the asker today, for this request and in the words in force."
)
_UNDERTAKE = N_("Sign the undertaking first.")
_NOT_RELEASED = N_("Too few custodians have released their shares yet.")


def _invalid(pointer: str, message: str) -> Invalid:
    return Invalid(message, [FieldError(pointer, message)])


def _signed(document: dict[str, Any], pointer: str, message: str) -> Signed:
    try:
        return Signed.from_json(document)
    except CryptoError:
        raise _invalid(pointer, message) from None


def state_of(row: Any, now: datetime) -> str:
    """The state of a request at `now`."""
    return rules.identity_state(row.state, row.expires, now)


# --- asking


async def ask(
    conn: AsyncConnection,
    context: Context,
    who: Caller,
    document: dict[str, Any],
    reasons: Sequence[bytes],
    now: datetime,
) -> tuple[UUID, bool]:
    """Store a request and put its digest in line for the log; its id, and whether it is new.

    Errors: Invalid, NotFound for a report the caller does not have, Conflict.
    """
    signed = _signed(document, "/request", _REQUEST)
    directory = (await context.directories.current(conn, now)).directory
    checked = _checked(signed, directory, who, now)
    asked = checked.request
    person = None if rules.sees_all(who.roles) else who.person
    report = await custody_store.report_by_rid(conn, asked.rid, person)
    if report is None:
        raise NotFound()
    known = await custody_store.request(conn, UUID(asked.id))
    if known is not None and known.digest == signed.digest:
        return known.id, False
    day, longest = day_of(now), timedelta(days=context.settings.identity_deferral_days)
    if grounds().find(asked.ground) is None:
        raise _invalid("/request/body/ground", _GROUND)
    if asked.deferral is not None and not day < asked.deferral <= day + longest:
        raise _invalid("/request/body/deferral", _DEFERRAL)
    _check_reason(checked, directory, reasons)
    record = log.new_record("identity-request", day, request=b64u(signed.digest), rid=b64u(asked.rid))
    values = {
        "id": UUID(asked.id),
        "report_id": report.id,
        "digest": signed.digest,
        "document": signed.to_json(),
        "asker": who.person,
        "ground": asked.ground,
        "deferral": asked.deferral,
        "day": day,
        "expires": asked.expires,
        "k": max(Manifest.from_json(loads(report.manifest)).k, directory.k),
        "n": directory.n,
        "state": rules.OPEN,
        "leaf": record.leaf,
    }
    await store.add_record(conn, day, record)
    if not await custody_store.add_request(conn, custody_store.NewRequest(values, reasons)):
        raise Conflict(_TAKEN)
    return UUID(asked.id), True


def _checked(signed: Signed, directory: Directory, who: Caller, now: datetime) -> CheckedRequest:
    try:
        checked = documents.check_request(signed, directory, now)
    except CryptoError:
        raise _invalid("/request", _REQUEST) from None
    if checked.asker.person != str(who.person):
        raise _invalid("/request/body/asker", _NOT_YOURS)
    return checked


def _check_reason(checked: CheckedRequest, directory: Directory, reasons: Sequence[bytes]) -> None:
    """The files are those that were signed, and together have a stanza for every seat. Errors: Invalid."""
    stanzas = 0
    try:
        for data in reasons:
            age.check_part(data)
            stanzas += len(age.stanza_types(data))
    except CryptoError:
        raise _invalid("/reasons", _REASON) from None
    hashes = tuple(store.sha256(data) for data in reasons)
    if hashes != checked.request.reason or stanzas != directory.n or max(map(len, reasons)) > MAX_REASON_FILE:
        raise _invalid("/reasons", _REASON)


# --- reading


async def visible(conn: AsyncConnection, who: Caller, request_id: UUID) -> Row[Any]:
    """The request, if the caller is a custodian or its asker; otherwise it does not exist. Errors: NotFound."""
    row = await custody_store.request(conn, request_id)
    if row is None or not (rules.CUSTODIANS & who.roles or row.asker == who.person):
        raise NotFound()
    return row


async def own(conn: AsyncConnection, who: Caller, request_id: UUID) -> Row[Any]:
    """The request of this asker, who still has the case, held until the end of the transaction.

    Errors: NotFound for everybody else.
    """
    row = await _locked(conn, request_id)
    person = None if rules.sees_all(who.roles) else who.person
    if row.asker != who.person or await custody_store.report_by_rid(conn, row.rid, person) is None:
        raise NotFound()
    return row


async def _locked(conn: AsyncConnection, request_id: UUID) -> Row[Any]:
    await custody_store.lock_request(conn, request_id)
    row = await custody_store.request(conn, request_id)
    if row is None:
        raise NotFound()
    return row


# --- deciding


async def decide(
    conn: AsyncConnection,
    context: Context,
    who: Caller,
    request_id: UUID,
    document: dict[str, Any],
    now: datetime,
) -> str:
    """Store a custodian's decision; the state of the request after it. Errors: Invalid, NotFound, Conflict."""
    row = await _locked(conn, request_id)
    signed = _signed(document, "/decision", _DECISION)
    directory = (await context.directories.current(conn, now)).directory
    lines = await custody_store.decisions_of(conn, request_id)
    if any((line.digest, line.person) == (signed.digest, who.person) for line in lines):
        return state_of(row, now)
    if state_of(row, now) not in (rules.OPEN, rules.APPROVED):
        raise Conflict(_CLOSED)
    try:
        request = documents.check_request(Signed.from_json(row.document), directory, now)
        checked = documents.check_decision(signed, request, directory, now.date())
    except CryptoError:
        raise _invalid("/decision", _DECISION) from None
    decision = checked.decision
    if checked.person != str(who.person):
        raise _invalid("/decision/body/custodian", _NOT_YOURS)
    if row.state == rules.APPROVED and not decision.approve:
        raise Conflict(_CLOSED)
    day = day_of(now)
    added = await custody_store.add_decision(
        conn,
        request_id=request_id,
        seat=decision.seat,
        person=who.person,
        approves=decision.approve,
        digest=signed.digest,
        document=signed.to_json(),
        day=day,
    )
    if not added:
        raise Conflict(_DECIDED)
    record = log.new_record("identity-decision", day, request=b64u(row.digest), decision=b64u(signed.digest))
    await store.add_record(conn, day, record)
    approvals, refusals = row.approvals + decision.approve, row.refusals + (not decision.approve)
    return await _move(conn, row, rules.after_decision(row.k, row.n, approvals, refusals))


async def _move(conn: AsyncConnection, row: Row[Any], state: str) -> str:
    if state != row.state:
        await custody_store.set_state(conn, row.id, state)
    return state


# --- releasing


async def _approver(
    conn: AsyncConnection, who: Caller, request_id: UUID, seat: int, now: datetime
) -> Row[Any]:
    """The approved request, held, if this person approved it with this seat. Errors: NotFound, Conflict."""
    row = await _locked(conn, request_id)
    if state_of(row, now) not in (rules.APPROVED, rules.RELEASED):
        raise Conflict(_NOT_APPROVED)
    for line in await custody_store.decisions_of(conn, request_id):
        if (line.person, line.seat, line.approves) == (who.person, seat, True):
            return row
    raise NotFound()


async def sealed_share(
    conn: AsyncConnection, who: Caller, request_id: UUID, seat: int, now: datetime
) -> tuple[bytes, dict[str, Any]]:
    """The share of a seat of an approved request's report, and the manifest. Errors: NotFound, Conflict."""
    row = await _approver(conn, who, request_id, seat, now)
    data = await custody_store.share(conn, row.report_id, seat)
    if data is None:
        raise NotFound()
    return data, loads(row.manifest)


async def release(
    conn: AsyncConnection, who: Caller, request_id: UUID, seat: int, data: bytes, now: datetime
) -> str:
    """Store a share that its custodian sealed to the asker; the state after it. Errors: Invalid, NotFound, Conflict."""
    row = await _approver(conn, who, request_id, seat, now)
    try:
        age.check_part(data)
        if len(data) != SMALL_FILE or len(age.stanza_types(data)) != 1:
            raise _invalid("/release", _RELEASE)
    except CryptoError:
        raise _invalid("/release", _RELEASE) from None
    day, digest = day_of(now), store.sha256(data)
    added = await custody_store.add_release(
        conn, request_id=request_id, seat=seat, sealed=data, sha256=digest, day=day
    )
    if not added:
        raise Conflict(_RELEASED)
    record = log.new_record(
        "identity-release", day, request=b64u(row.digest), release=b64u(digest), seat=seat
    )
    await store.add_record(conn, day, record)
    return await _move(conn, row, rules.after_release(row.state, row.k, row.releases + 1))


# --- opening


async def undertake(
    conn: AsyncConnection,
    context: Context,
    who: Caller,
    request_id: UUID,
    document: dict[str, Any],
    now: datetime,
) -> None:
    """Store the asker's undertaking. Errors: Invalid, NotFound, Conflict."""
    row = await own(conn, who, request_id)
    signed = _signed(document, "/undertaking", _UNDERTAKING)
    known = await custody_store.undertaking_of(conn, request_id)
    if known is not None:
        if known.digest == signed.digest:
            return
        raise Conflict()
    if state_of(row, now) not in (rules.APPROVED, rules.RELEASED):
        raise Conflict(_NOT_APPROVED)
    day = day_of(now)
    directory = (await context.directories.current(conn, now)).directory
    try:
        request = documents.check_request(Signed.from_json(row.document), directory, now, lapsed=True)
        found = documents.check_undertaking(signed, request)
    except CryptoError:
        raise _invalid("/undertaking", _UNDERTAKING) from None
    if found.day not in (day, now.date()) or found.text != undertakings().in_force(day).code:
        raise _invalid("/undertaking/body", _UNDERTAKING)
    await custody_store.add_undertaking(
        conn,
        request_id=request_id,
        report_id=row.report_id,
        person=who.person,
        text=found.text,
        digest=signed.digest,
        document=signed.to_json(),
        day=day,
    )
    record = log.new_record("undertaking", day, request=b64u(row.digest), undertaking=b64u(signed.digest))
    await store.add_record(conn, day, record)


async def open_identity(conn: AsyncConnection, who: Caller, request_id: UUID, now: datetime) -> Row[Any]:
    """Note that the asker takes the releases away; the row of the opening. A repeat is the same opening.

    Errors: NotFound for everybody but the asker; Conflict before the undertaking or with too few releases.
    """
    row = await own(conn, who, request_id)
    if row.state == rules.OPENED:
        return await _opening(conn, request_id)
    if row.state != rules.RELEASED:
        raise Conflict(_NOT_RELEASED)
    if await custody_store.undertaking_of(conn, request_id) is None:
        raise Conflict(_UNDERTAKE)
    day = day_of(now)
    await custody_store.add_opening(
        conn,
        request_id=request_id,
        report_id=row.report_id,
        ground=row.ground,
        day=day,
        shown_from=rules.shown_from(day, row.deferral),
    )
    record = log.new_record("identity-opening", day, request=b64u(row.digest), rid=b64u(row.rid))
    await store.add_record(conn, day, record)
    await custody_store.set_state(conn, request_id, rules.OPENED)
    return await _opening(conn, request_id)


async def _opening(conn: AsyncConnection, request_id: UUID) -> Row[Any]:
    found = await custody_store.opening_of(conn, request_id)
    assert found is not None  # noqa: S101 - inserted in the same transaction as the state
    return found
