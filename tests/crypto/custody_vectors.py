"""Vectors of what staff do: later parts of a dialogue, the opening of an identity, disclosures, keys in sub-shares.

Shapes: `vectors/adal/README.md`. Each has what must be read, and changed ones that must be refused.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Any

from services.crypto.canonical import b64, b64u
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.custody import (
    Decision,
    IdentityRequest,
    Undertaking,
    check_request,
    make_decision,
    make_request,
    make_undertaking,
    seal_reason,
    seal_release,
)
from services.crypto.disclosures import Disclosure, seal_disclosure
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.reportkeys import Carried, report_keys_body, seal_carried
from services.crypto.shares import open_share
from services.crypto.signatures import Signed, SigningKey, sign_document
from services.crypto.splits import Holder, split_key
from services.crypto.staffkeys import GroupKey
from tests.crypto import forge
from tests.crypto.builders import (
    NOW,
    RECEIPT,
    TODAY,
    identity,
    report_key,
    reporter,
    sealed,
    seed,
    signer,
    world,
)

Json = dict[str, Any]
REASON = "Тергеуші хабарлаушыдан жауап алуы керек."
REQUEST_ID = "10000000-0000-4000-8000-000000000000"


def _person(number: int) -> str:
    return f"00000000-0000-4000-8000-00000000000{number}"


def _certified(number: int, role: str) -> Signed:
    name = f"staff {number}"
    body = Certificate(
        _person(number), (role,), identity(name).recipient, signer(name).verify_key,
        TODAY - timedelta(days=1), TODAY + timedelta(days=30),
    )  # fmt: skip
    return make_certificate(body, [signer(f"certifier {i}") for i in (1, 2)])


# --- later parts


def later_parts_vector() -> Json:
    """`later-parts.json`: a report of retaliation, new report keys by desk and staff, a note for a new code."""
    report, rid = report_key(sealed()), sealed().rid
    new, desk = identity("later key"), world().desk_signing
    told = {"attachments": [], "text": "Мені жұмыстан шығарды."}
    certificate = _certified(1, "lead").to_json()
    readers = [("new report key", new), ("reporter", reporter().identity)]
    cases = [
        ("retaliation", "reporter", told, reporter().signing, [("report key", report)]),
        ("report-keys", "desk", report_keys_body(new.recipient), desk, readers),
        ("report-keys", "staff", report_keys_body(new.recipient, certificate), signer("staff 1"), readers),
    ]
    newest = Carried(0, sha256(b"the part").digest(), new.recipient)
    good = report_keys_body(new.recipient)
    refuse = {
        "no recipient": {"report": {}},
        "no report": {},
        "a member more": {**good, "text": "x"},
        "a member more inside": {"report": {**good["report"], "key": "x"}},
        "a classical recipient": {"report": {"recipient": _classical()}},
        "in upper case": {"report": {"recipient": str(new.recipient).upper()}},
        "null": {"report": {"recipient": None}},
    }
    return {
        "parts": [_part(rid, *case) for case in cases],
        "carried": {
            "receipt": RECEIPT, "rid": b64u(rid), "file": b64(seal_carried(rid, 1, newest, reporter())),
            "n": newest.n, "part": b64u(newest.part), "recipient": str(new.recipient),
        },
        "refuse": [{"why": why, "body": body} for why, body in refuse.items()],
    }  # fmt: skip


def _classical() -> str:
    from services.crypto.age import X25519Identity

    return str(X25519Identity.from_seed(seed("classical")).recipient)


def _part(rid: bytes, type_: str, by: str, body: Json, key: SigningKey, readers: Any) -> Json:
    header = Header(type_, by, rid, 1, 2 if by == "reporter" else 0, ZERO32)
    file = seal_payload(header, body, key, [reader.recipient for _, reader in readers])
    return {
        "file": b64(file), "header": header.to_json(), "body": body, "verify_key": b64u(key.verify_key),
        "readers": [{"who": who, "identity": str(reader)} for who, reader in readers],
    }  # fmt: skip


# --- the opening of an identity


def custody_vector() -> Json:
    """`custody.json`: a request with its reason, approvals, releases and an undertaking; and what is refused."""
    reasons = seal_reason(REASON, REQUEST_ID, sealed().rid, world().directory.seats)
    request = IdentityRequest(
        id=REQUEST_ID, rid=sealed().rid, ground="pre-trial", reason=tuple(sha256(r).digest() for r in reasons),
        asker=_certified(1, "investigator"), deferral=TODAY + timedelta(days=30), expires=NOW + timedelta(days=7),
        dir_seq=1,
    )  # fmt: skip
    document = make_request(request, signer("staff 1"))
    checked = check_request(document, world().directory, NOW)
    decisions = [
        make_decision(
            Decision(checked.digest, seat, seat < 3, request.deferral, 1, _certified(seat + 1, "custodian")),
            signer(f"seat {seat}"), signer(f"staff {seat + 1}"),
        )
        for seat in (1, 2, 3)
    ]  # fmt: skip
    undertaking = make_undertaking(
        Undertaking(_person(1), TODAY, checked.digest, sealed().rid, "2026-11"), signer("staff 1")
    )
    releases = [
        {"seat": seat, "file": b64(seal_release(checked, seat, _share(seat), signer(f"seat {seat}")))}
        for seat in (1, 2)
    ]
    return {
        **forge.trust(), "today": TODAY.isoformat(), "manifest": sealed().manifest.to_json(),
        "seats": [{"seat": i, "identity": str(key)} for i, key in enumerate(world().seats, start=1)],
        "asker": {"identity": str(identity("staff 1"))},
        "request": document.to_json(), "digest": b64u(checked.digest),
        "reasons": [b64(file) for file in reasons], "reason": REASON,
        "decisions": [one.to_json() for one in decisions], "approving": [1, 2],
        "releases": releases, "undertaking": undertaking.to_json(),
        "refuse": list(_custody_flaws(document, decisions[0], undertaking)),
    }  # fmt: skip


def _share(seat: int) -> bytes:
    return open_share(sealed().shares[seat - 1].data, world().seats[seat - 1], seat, sealed().manifest)


def _custody_flaws(request: Signed, decision: Signed, undertaking: Signed) -> Any:
    """Each document with one thing changed: once with the old signatures, so that they no longer fit."""
    changes: list[tuple[str, Signed, Json]] = [
        ("request", request, {"ground": "court"}),
        ("request", request, {"rid": b64u(bytes(32))}),
        ("request", request, {"deferral": None}),
        ("request", request, {"dir_seq": 2}),
        ("request", request, {"asker": _certified(2, "investigator").to_json()}),
        ("decision", decision, {"decision": "refuse"}),
        ("decision", decision, {"seat": 2}),
        ("decision", decision, {"request": b64u(bytes(32))}),
        ("undertaking", undertaking, {"rid": b64u(bytes(32))}),
        ("undertaking", undertaking, {"text": "2020-01"}),
    ]
    for kind, signed, change in changes:
        (name,) = change
        yield {"why": f"{kind}: {name} changed", "kind": kind,
               "document": Signed({**signed.body, **change}, signed.signatures).to_json()}  # fmt: skip
    for kind, type_, signed, signers in (
        ("request", "identity-request", request, ["staff 2"]),
        ("request", "undertaking", request, ["staff 1"]),
        ("decision", "identity-decision", decision, ["seat 1"]),
        ("decision", "identity-decision", decision, ["staff 2"]),
        ("decision", "identity-decision", decision, ["seat 2", "staff 2"]),
        ("undertaking", "identity-request", undertaking, ["staff 1"]),
        ("undertaking", "undertaking", undertaking, ["staff 2"]),
    ):
        made = sign_document(type_, signed.body, [signer(name) for name in signers])
        yield {"why": f"{kind}: signed as {type_} by {' and '.join(signers)}", "kind": kind,
               "document": made.to_json()}  # fmt: skip


# --- disclosures


def disclosure_vector() -> Json:
    """`disclosure.json`: an incident that two leads read, and what is refused of it."""
    record = Disclosure(sealed().rid, "cc-424", TODAY, "Ойдан Шығарылған", "told the head of the clinic")
    readers = [identity("staff 1"), identity("staff 2")]
    to = [reader.recipient for reader in readers]

    def made(certificate: Signed, key: str) -> str:
        return b64(seal_disclosure(record, certificate, signer(key), to))

    good = {
        "file": made(_certified(1, "lead"), "staff 1"), "identity": str(readers[0]), "rid": b64u(record.rid),
        "article": record.article,
    }  # fmt: skip
    half = make_certificate(Certificate.from_json(_certified(1, "lead").body), [signer("certifier 1")])
    refuse: dict[str, Json] = {
        "another report": {"rid": b64u(bytes(32))},
        "another article": {"article": "cc-423"},
        "another reader": {"identity": str(identity("staff 3"))},
        "signed by another key than the certified one": {"file": made(_certified(1, "lead"), "staff 2")},
        "certified by one certifier": {"file": made(half, "staff 1")},
    }
    return {
        **forge.trust(), **good, "others": [str(reader) for reader in readers[1:]],
        "expected": {"person": _person(1), "day": TODAY.isoformat(), "who": record.who, "what": record.what},
        "refuse": [{"why": why, **good, **change} for why, change in refuse.items()],
    }  # fmt: skip


# --- a key in sub-shares


def key_split_vector() -> Json:
    """`key-split.json`: a seat's key among three others, any two of whom rebuild it."""
    key = GroupKey("seat-2/2026H2", identity("seat 2"), signer("seat 2"))
    names = [f"seat-{i}/2026H2" for i in (1, 3, 4)]
    found = split_key(key, [Holder(name, identity(name).recipient) for name in names], 2)
    other = split_key(key, [Holder(name, identity(name).recipient) for name in names], 2)
    body, (first, second) = found.document.body, names[:2]
    statements: dict[str, Json] = {
        "another k": Signed({**body, "k": 3}, found.document.signatures).to_json(),
        "k = 1": sign_document("key-split", {**body, "k": 1}, [signer("seat 2")]).to_json(),
        "another n": sign_document("key-split", {**body, "n": 4}, [signer("seat 2")]).to_json(),
        "a holder twice": sign_document(
            "key-split", {**body, "holders": [body["holders"][0]] * 3}, [signer("seat 2")]
        ).to_json(),
        "signed by another key": sign_document("key-split", body, [signer("seat 1")]).to_json(),
        "another key's id": sign_document(
            "key-split", {**body, "of": "seat-3/2026H2"}, [signer("seat 2")]
        ).to_json(),
    }
    shares: dict[str, Json] = {
        "of another split": {"holder": first, "identity": str(identity(first)), "file": b64(other.files[first])},
        "of another holder": {"holder": second, "identity": str(identity(first)), "file": b64(found.files[first])},
        "for another reader": {"holder": first, "identity": str(identity(second)), "file": b64(found.files[first])},
    }  # fmt: skip
    return {
        "document": found.document.to_json(), "of": key.id, "recipient": str(key.identity.recipient),
        "verify_key": b64u(signer("seat 2").verify_key), "k": 2,
        "holders": [
            {"holder": name, "identity": str(identity(name)), "file": b64(found.files[name])} for name in names
        ],
        "secret": b64u(key.identity.seed + signer("seat 2").seed),
        "refuse": [{"why": why, "document": document} for why, document in statements.items()],
        "refuse_shares": [{"why": why, **share} for why, share in shares.items()],
    }  # fmt: skip
