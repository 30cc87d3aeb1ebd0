"""Forged documents: manifests, packages, directories, certificates and promises with one flaw each (see `forge`)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from services.crypto import age
from services.crypto.age import X25519Identity
from services.crypto.canonical import b64, b64u
from services.crypto.directories import Certifier
from services.crypto.signatures import Signed, sign_document
from tests.crypto import builders
from tests.crypto.builders import NOW, sealed, signer, world
from tests.crypto.forge import Flaw, Json, certified, good, promise, trust


def document_flaws() -> Iterator[Flaw]:
    """All of them."""
    for kind in (_manifests, _packages, _directories, _certificates, _promises):
        yield from kind()


def _manifests() -> Iterator[Flaw]:
    base = sealed().manifest.to_json()
    fields, parts, shares = base["fields"], base["parts"], base["shares"]
    changes: dict[str, Json] = {
        "rid of another report": {"rid": b64u(builders.other().rid)},
        "one key for report and identity": {"identity_recipient": base["report_recipient"]},
        "unknown version": {"v": 2},
        "version true": {"v": True},
        "member too many": {"extra": 1},
        "free text in a field": {"fields": {**fields, "sector": "the name of a person"}},
        "unknown field": {"fields": {**fields, "name": "x"}},
        "missing field": {"fields": {name: fields[name] for name in fields if name != "year"}},
        "year is a bool": {"fields": {**fields, "year": True}},
        "unknown mode": {"mode": "open"},
        "identity first": {"parts": [parts[1], parts[0], *parts[2:]]},
        "no identity": {"parts": [parts[0], *parts[2:]]},
        "no parts": {"parts": []},
        "size zero": {"parts": [{**parts[0], "size": 0}, *parts[1:]]},
        "share missing": {"shares": shares[:2]},
        "seat twice": {"shares": [shares[0], shares[0], shares[2]]},
        "k above n": {"k": 4},
        "k = 1": {"k": 1},
        "directory 0": {"dir_seq": 0},
        "recipient in upper case": {"report_recipient": base["report_recipient"].upper()},
        "short hash": {"directory": b64u(bytes(31))},
    }
    for why, change in changes.items():
        yield Flaw("manifest", why, "FormatError", {"manifest": {**base, **change}})


def _packages() -> Iterator[Flaw]:
    base = sealed().to_json()
    manifest, parts, shares, grants = (base[name] for name in ("manifest", "parts", "shares", "grants"))
    desk, seat = world().desk.recipient, world().seats[0].recipient
    classical = b64(age.encrypt(b"x", [X25519Identity.from_seed(builders.seed("x")).recipient]))
    two_readers = b64(age.seal(bytes(4096), [seat, seat]))
    changes: dict[str, tuple[str, Json]] = {
        "other directory": ("Refused", {"manifest": {**manifest, "directory": b64u(bytes(32))}}),
        "other sequence": ("Refused", {"manifest": {**manifest, "dir_seq": 2}}),
        "other threshold": ("Refused", {"manifest": {**manifest, "k": 3}}),
        "unknown desk": ("Refused", {"grants": [{**grants[0], "desk": "nobody"}]}),
        "one desk twice": ("Refused", {"grants": grants * 2}),
        "no grant": ("Refused", {"grants": []}),
        "classical grant": ("Refused", {"grants": [{**grants[0], "data": classical}]}),
        "part missing": ("Refused", {"parts": parts[:-1]}),
        "parts exchanged": ("Refused", {"parts": [parts[1], parts[0], *parts[2:]]}),
        "part of another report": (
            "Refused",
            {"parts": [builders.other().to_json()["parts"][0], *parts[1:]]},
        ),
        "share missing": ("FormatError", {"shares": shares[:2]}),
        "classical share": ("Refused", {"shares": [{**shares[0], "data": classical}, *shares[1:]]}),
        "share of another size": ("Refused", {"shares": [{**shares[0], "data": two_readers}, *shares[1:]]}),
        "data in base64url": ("FormatError", {"grants": [{**grants[0], "data": grants[0]["data"] + "-_"}]}),
        "short signature": ("FormatError", {"signature": b64u(bytes(63))}),
        "member too many": ("FormatError", {"extra": None}),
        "narrative not padded": ("Refused", _with_part(base, 0, age.seal(bytes(4097), [desk]))),
        "narrative too small": ("Refused", _with_part(base, 0, age.seal(bytes(2048), [desk]))),
        "telling identity": ("Refused", _with_part(base, 1, age.seal(bytes(4352), [desk]))),
        "attachment not padded": ("Refused", _with_part(base, 2, age.seal(bytes(70001), [desk]))),
        "classical narrative": (
            "Refused",
            _with_part(base, 0, age.encrypt(b"x", [X25519Identity.generate().recipient])),
        ),
        "narrative is no age file": ("FormatError", _with_part(base, 0, bytes(4096))),
    }
    for why, (error, change) in changes.items():
        yield Flaw("package", why, error, {**trust(), "package": {**base, **change}})


def _with_part(base: Json, index: int, file: bytes) -> Json:
    """One part replaced, and the manifest made to agree, as a malicious reporter would."""
    parts = [dict(part) for part in base["parts"]]
    lines = [dict(line) for line in base["manifest"]["parts"]]
    parts[index]["data"] = b64(file)
    lines[index].update(size=len(file), sha256=b64u(sha256(file).digest()))
    return {"parts": parts, "manifest": {**base["manifest"], "parts": lines}}


def _directories() -> Iterator[Flaw]:
    body, sign = builders.directory_body, builders.signed_directory
    twice = sign(body(), (1, 1))
    stranger = sign_document("directory", body(), [signer("root 1"), signer("stranger")])
    other_type = sign_document("certificate", body(), [signer("root 1"), signer("root 2")])
    seats = body()["seats"]
    certifiers = [*world().directory.certifiers]
    same, mute = (
        {"verify_key": seats[0]["verify_key"]},
        {k: v for k, v in seats[0].items() if k != "verify_key"},
    )
    certifying = {"verify_key": b64u(certifiers[0].verify_key)}
    changed: dict[str, tuple[str, Signed]] = {
        "one signature": ("BadSignature", sign(body(), (1,))),
        "two signatures by one key": ("BadSignature", twice),
        "signature of a stranger": ("BadSignature", stranger),
        "signed as another type": ("BadSignature", other_type),
        "body changed after signing": ("BadSignature", replace(sign(), body=body(k=3))),
        "expired": ("Refused", sign(body(valid_until=NOW))),
        "not yet valid": ("Refused", sign(body(valid_from=NOW + timedelta(seconds=1)))),
        "valid for 91 days": ("Refused", sign(body(valid_until=NOW + timedelta(days=81)))),
        "valid until before it starts": ("Refused", sign(body(valid_until=NOW - timedelta(days=11)))),
        "a seat's key is a desk's key": ("Refused", sign({**body(), "payments": seats})),
        "a seat decides with a certifier's key": (
            "Refused", sign({**body(), "seats": [{**seats[0], **certifying}, *seats[1:]]}),
        ),
        "two seats decide with one key": (
            "Refused", sign({**body(), "seats": [seats[0], {**seats[1], **same}, seats[2]]}),
        ),
        "a seat that cannot sign": ("FormatError", sign({**body(), "seats": [mute, *seats[1:]]})),
        "a root is a certifier": ("Refused", sign(body(certifiers=[Certifier("r", signer("root 3").verify_key)]))),
        "one certifier under two names": (
            "Refused", sign(body(certifiers=[*certifiers, Certifier("again", certifiers[0].verify_key)])),
        ),
        "k = 1": ("Refused", sign(body(k=1))),
        "k above n": ("Refused", sign(body(k=4))),
        "seats out of order": ("Refused", sign({**body(), "seats": [seats[1], seats[0], seats[2]]})),
        "seat missing": ("Refused", sign({**body(), "seats": seats[1:]})),
        "no desk": ("Refused", sign(body(desks=[]))),
        "first of its line with a previous one": ("Refused", sign(body(previous=builders.seed("x")))),
        "later one without a previous one": ("Refused", sign(body(sequence=2))),
        "unknown environment": ("FormatError", sign(body(environment="test"))),
        "one certifier is enough": (
            "Refused", sign({**body(), "thresholds": {"certifiers": 1, "identity": 2, "payments": 2}}),
        ),
        "member too many": ("FormatError", sign({**body(), "extra": 1})),
        "instant with a fraction": ("FormatError", sign({**body(), "valid_from": "2026-11-14T09:30:00.0Z"})),
    }  # fmt: skip
    for why, (error, doc) in changed.items():
        yield Flaw("directory", why, error, {**good()["directory"], "directory": doc.to_json()})
    yield Flaw(
        "directory", "below the pinned sequence", "Refused", {**good()["directory"], "minimum_sequence": 2}
    )


def _certificates() -> Iterator[Flaw]:
    make, doc = builders.certificate, builders.certificate()
    stranger = sign_document("certificate", doc.body, [signer("certifier 1"), signer("stranger")])
    signers = [signer("certifier 1"), signer("certifier 2")]
    unsorted = sign_document("certificate", {**doc.body, "roles": ["investigator", "desk"]}, signers)
    upper = sign_document("certificate", {**doc.body, "person": builders.PERSON.upper()}, signers)
    inputs = {
        "one certifier": ("BadSignature", certified(make((1,)))),
        "one certifier twice": ("BadSignature", certified(make((1, 1)))),
        "certifier not in the directory": ("BadSignature", certified(stranger)),
        "body changed after signing": (
            "BadSignature",
            certified(replace(doc, body={**doc.body, "roles": ["lead"]})),
        ),
        "expired": ("Refused", certified(doc, "2027-05-01")),
        "not yet valid": ("Refused", certified(doc, "2026-10-31")),
        "the desk's recipient": ("Refused", certified(make(recipient=world().desk.recipient))),
        "a certifier's own key": ("Refused", certified(make(verify_key=signer("certifier 3").verify_key))),
        "roles not sorted": ("FormatError", certified(unsorted)),
        "person in upper case": ("FormatError", certified(upper)),
    }
    for why, (error, vector) in inputs.items():
        yield Flaw("certificate", why, error, vector)


def _promises() -> Iterator[Flaw]:
    true = promise()
    body, record = true["promise"]["body"], true["record"]

    def signed(**changes: Any) -> Json:
        return sign_document("promise", {**body, **changes}, [world().log]).to_json()

    stranger = sign_document("promise", body, [signer("stranger")]).to_json()
    inputs = {
        "another record": ("Refused", promise(record={**record, "rid": b64u(builders.seed("x"))})),
        "another salt": ("Refused", promise(salt=b64u(builders.seed("x")))),
        "short salt": ("FormatError", promise(salt=b64u(bytes(31)))),
        "another day than the record": ("Refused", promise(promise=signed(day="2026-11-25"))),
        "72 hours": ("Refused", promise(promise=signed(within_hours=72))),
        "another version": ("FormatError", promise(promise=signed(v=2))),
        "not the log's key": ("BadSignature", promise(promise=stranger)),
        "body changed after signing": (
            "BadSignature", promise(promise={**true["promise"], "body": {**body, "within_hours": 24}}),
        ),
    }  # fmt: skip
    for why, (error, vector) in inputs.items():
        yield Flaw("promise", why, error, vector)
