"""A staff certificate says which keys are a person's: two certifiers of the directory vouch for it.

Clients hand report keys to certified recipients only, so neither the server nor one administrator can add
a reader.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

from services.crypto import rules
from services.crypto.age import HybridRecipient
from services.crypto.canonical import b64u, members
from services.crypto.directories import Directory
from services.crypto.errors import FormatError, Refused
from services.crypto.signatures import Signed, SigningKey, check_document, sign_document

_MEMBERS = ("person", "recipient", "roles", "v", "valid_from", "valid_until", "verify_key")
_MAX_ROLES = 32
_GROUPS, _DIGITS = 6, 5


@dataclass(frozen=True)
class Certificate:
    """The keys of a person (UUID, lower case) and the roles they hold, from day to day, both inclusive."""

    person: str
    roles: tuple[str, ...]
    recipient: HybridRecipient = field(repr=False)
    verify_key: bytes
    valid_from: date
    valid_until: date

    def to_json(self) -> dict[str, Any]:
        """The body that certifiers sign."""
        return {
            "person": self.person,
            "recipient": str(self.recipient),
            "roles": list(self.roles),
            "v": 1,
            "valid_from": self.valid_from.isoformat(),
            "valid_until": self.valid_until.isoformat(),
            "verify_key": b64u(self.verify_key),
        }

    @classmethod
    def from_json(cls, value: Any) -> "Certificate":
        """Parse a body strictly, without trust in it. Error: FormatError."""
        found = members(value, _MEMBERS)
        rules.version(found["v"])
        roles = [rules.code(role) for role in rules.items(found["roles"], _MAX_ROLES)]
        if not roles or roles != sorted(set(roles)):
            raise FormatError("roles are not sorted")
        return cls(
            person=rules.uuid(found["person"]),
            roles=tuple(roles),
            recipient=rules.recipient(found["recipient"]),
            verify_key=rules.bytes32(found["verify_key"]),
            valid_from=rules.day(found["valid_from"]),
            valid_until=rules.day(found["valid_until"]),
        )


def make_certificate(cert: Certificate, keys: Sequence[SigningKey]) -> Signed:
    """The certificate signed by the certifiers' keys. Error: FormatError for a malformed one."""
    return sign_document("certificate", Certificate.from_json(cert.to_json()).to_json(), keys)


def fingerprint(recipient: HybridRecipient, verify_key: bytes) -> str:
    """Both public keys of a person as 30 digits (almost 100 bits), to be compared by voice: six groups of five.

    Whoever wants to slip in another key must find one with the same digits, not merely two that agree.
    """
    digest = sha256(b"adal/v1/fingerprint" + str(recipient).encode() + verify_key).digest()
    digits = f"{int.from_bytes(digest, 'big') % 10 ** (_GROUPS * _DIGITS):0{_GROUPS * _DIGITS}}"
    return " ".join(digits[i : i + _DIGITS] for i in range(0, len(digits), _DIGITS))


def same_fingerprint(heard: str, recipient: HybridRecipient, verify_key: bytes) -> bool:
    """Whether what was read out are all 30 digits of these keys; spaces and dashes do not count."""
    digits = heard.replace(" ", "").replace("-", "")
    return digits == fingerprint(recipient, verify_key).replace(" ", "")


def cosign(doc: Signed, wanted: Certificate, directory: Directory, key: SigningKey) -> Signed:
    """A certificate that one certifier proposed, with the signature of a second one.

    `wanted` is what the second one found out by themselves: the person, and the keys whose fingerprint was compared.
    Errors: FormatError; Refused if it is about other keys or this certifier signed it before; BadSignature if no
    certifier of `directory` did.
    """
    proposed = Certificate.from_json(doc.body)
    if proposed != wanted:
        raise Refused("the certificate is about something else")
    certifiers = frozenset(certifier.verify_key for certifier in directory.certifiers)
    if key.verify_key not in certifiers:
        raise Refused("not a certifier of the directory")
    check_document("certificate", doc, certifiers, 1)
    if any(signer == key.verify_key for signer, _ in doc.signatures):
        raise Refused("one certifier does not sign twice")
    signed = sign_document("certificate", doc.body, [key])
    return Signed(doc.body, (*doc.signatures, *signed.signatures))


def check_certificate(doc: Signed, directory: Directory, today: date) -> Certificate:
    """The certificate, if two certifiers of `directory` signed it and it is valid `today`.

    Errors: FormatError, BadSignature, Refused (also for a key that the directory gives to somebody else).
    """
    certifiers = frozenset(certifier.verify_key for certifier in directory.certifiers)
    check_document("certificate", doc, certifiers, directory.certifier_threshold)
    cert = Certificate.from_json(doc.body)
    if not cert.valid_from <= today <= cert.valid_until:
        raise Refused("the certificate is not valid on this day")
    if {cert.recipient.key, cert.verify_key} & set(directory.keys):
        raise Refused("one key in two places")
    return cert
