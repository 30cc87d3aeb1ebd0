"""A promise is the authority's signed word that a record will stand in the log within 48 hours.

The log shows a salted hash only; the salt lies with the record, so erasing both leaves nothing to recompute.
"""

from datetime import date
from hashlib import sha256
from typing import Any

from services.crypto import canonical, rules
from services.crypto.canonical import b64u, members
from services.crypto.errors import FormatError, Refused
from services.crypto.manifests import Manifest
from services.crypto.signatures import Signed, SigningKey, check_document, sign_document

WITHIN_HOURS = 48
SALT_SIZE = 32


def leaf_hash(salt: bytes, record: bytes) -> bytes:
    """The 32-byte leaf of a canonical record under a 32-byte salt. Error: FormatError."""
    if len(salt) != SALT_SIZE:
        raise FormatError("wrong number of bytes")
    return sha256(b"adal/v1/leaf" + salt + record).digest()


def entry(random32: bytes, leaf: bytes) -> bytes:
    """The 64-byte entry of the log: 32 random bytes, then the leaf. Error: FormatError."""
    if len(random32) != 32 or len(leaf) != 32:
        raise FormatError("wrong number of bytes")
    return random32 + leaf


def report_record(manifest: Manifest, day: date) -> dict[str, Any]:
    """The record of a filed report."""
    return {
        "day": day.isoformat(),
        "manifest": b64u(manifest.digest),
        "rid": b64u(manifest.rid),
        "type": "manifest",
        "v": 1,
    }


def make_promise(leaf: bytes, day: date, origin: str, key: SigningKey) -> Signed:
    """The promise of the log `origin`, by the log's key, to include `leaf` within 48 hours."""
    body = {
        "day": day.isoformat(), "leaf": b64u(leaf), "origin": origin, "v": 1, "within_hours": WITHIN_HOURS,
    }  # fmt: skip
    return sign_document("promise", body, [key])


def check_promise(doc: Signed, log_verify_key: bytes, record: dict[str, Any], salt: bytes) -> None:
    """Return if the log promised exactly this record. Errors: FormatError, BadSignature, Refused."""
    check_document("promise", doc, {log_verify_key}, 1)
    body = members(doc.body, ("day", "leaf", "origin", "v", "within_hours"))
    rules.version(body["v"])
    rules.day(body["day"])
    rules.text(body["origin"], 255)
    if rules.integer(body["within_hours"], 1) > WITHIN_HOURS:
        raise Refused("the promise is for too late")
    if rules.bytes32(body["leaf"]) != leaf_hash(salt, canonical.dumps(record)):
        raise Refused("the promise is of another record")
    if body["day"] != record.get("day"):
        raise Refused("the promise is of another day")
