"""Documents that one certified member of staff signs, with the certificate inside: who wrote this, and may they.

Whoever reads one needs a checked key directory and nothing else: it names the certifiers who vouch for the writer.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.crypto.certificates import Certificate, check_certificate
from services.crypto.directories import Directory
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.signatures import Signed, SigningKey, check_document, sign_document


def attest(type: str, body: dict[str, Any], certificate: Signed, key: SigningKey) -> Signed:  # noqa: A002
    """`body` with the writer's certificate inside, signed by the writer. Error: FormatError."""
    return sign_document(type, {**body, "certificate": certificate.to_json()}, [key])


def writer_of(type: str, document: Signed, day: date, directories: Sequence[Directory]) -> Certificate:  # noqa: A002
    """The certified person who signed `document` on `day`.

    `directories` are checked ones, any of which may vouch. Errors: FormatError, Refused, BadSignature.
    """
    certificate = Signed.from_json(document.body.get("certificate"))
    failure: Exception = Refused("no directory")
    for directory in directories:
        try:
            writer = check_certificate(certificate, directory, day)
        except (Refused, BadSignature, FormatError) as exc:
            failure = exc
            continue
        check_document(type, document, {writer.verify_key}, 1)
        return writer
    raise failure
