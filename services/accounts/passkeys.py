"""Passkeys (WebAuthn): a second factor that cannot be given to the wrong site.

User verification is required always, a challenge answers once, and a counter that does not move forward is refused.
Sign-in asks for discoverable passkeys, so that the question tells nobody whether a login exists.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pydantic_core
import webauthn
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from services.crypto.canonical import unb64u
from services.crypto.errors import CryptoError

_LOCAL = re.compile(r"http://localhost(:[0-9]{1,5})?")
_MAX_CREDENTIAL = 1023
"""Longest id of a credential (WebAuthn level 3, section 6.5.1)."""


class PasskeyRefused(Exception):
    """An answer of an authenticator that proves nothing; what was wrong is not told."""


@dataclass(frozen=True)
class Registered:
    """A new passkey: id and COSE key as the authenticator gave them, and where its counter stands."""

    credential: bytes
    public_key: bytes = field(repr=False)
    sign_count: int


@dataclass(frozen=True)
class Claim:
    """What an answer says of itself, before anything is verified: which challenge and which passkey."""

    challenge: bytes = field(repr=False)
    credential: bytes
    origin: str
    cross_origin: bool

    @classmethod
    def of(cls, answer: dict[str, Any]) -> "Claim":
        """Error: PasskeyRefused for what is no answer."""
        try:
            client = pydantic_core.from_json(unb64u(answer["response"]["clientDataJSON"]))
            found = cls(
                unb64u(client["challenge"]),
                unb64u(answer["rawId"]),
                client["origin"],
                client.get("crossOrigin", False) is not False,
            )
        except (AttributeError, KeyError, TypeError, ValueError, CryptoError):
            raise PasskeyRefused from None
        if not isinstance(found.origin, str) or not 0 < len(found.credential) <= _MAX_CREDENTIAL:
            raise PasskeyRefused
        return found


@dataclass(frozen=True)
class RelyingParty:
    """Whom passkeys are made for: a host and the origins under it. An empty host has no passkeys."""

    id: str
    origins: tuple[str, ...]
    local: bool = False

    def registration(
        self, person: UUID, login: str, name: str, challenge: bytes, known: Sequence[bytes]
    ) -> dict[str, Any]:
        """Options for `navigator.credentials.create`, as JSON. A device that holds one of `known` says so."""
        options = webauthn.generate_registration_options(
            rp_id=self.id,
            rp_name="Adal",
            user_id=person.bytes,
            user_name=login,
            user_display_name=name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in known],
        )
        return _json(webauthn.options_to_json(options))

    def request(self, challenge: bytes, known: Sequence[bytes] = ()) -> dict[str, Any]:
        """Options for `navigator.credentials.get`, as JSON; any passkey of this host without `known`."""
        options = webauthn.generate_authentication_options(
            rp_id=self.id,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in known],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return _json(webauthn.options_to_json(options))

    def register(self, answer: dict[str, Any], claim: Claim) -> Registered:
        """The passkey that was made. Error: PasskeyRefused."""
        try:
            found = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=claim.challenge,
                expected_rp_id=self.id,
                expected_origin=self._expected(claim),
                require_user_verification=True,
            )
        except PasskeyRefused:
            raise
        except (
            Exception
        ):  # parsers of CBOR, ASN.1 and JSON each fail in their own way; their texts show the input
            raise PasskeyRefused from None
        return Registered(found.credential_id, found.credential_public_key, found.sign_count)

    def verify(self, answer: dict[str, Any], claim: Claim, public_key: bytes, sign_count: int) -> int:
        """The passkey's new counter. Error: PasskeyRefused."""
        try:
            found = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=claim.challenge,
                expected_rp_id=self.id,
                expected_origin=self._expected(claim),
                credential_public_key=public_key,
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            )
        except PasskeyRefused:
            raise
        except Exception:
            raise PasskeyRefused from None
        return found.new_sign_count

    def _expected(self, claim: Claim) -> list[str]:
        """Error: PasskeyRefused for a page inside a page of somebody else."""
        if claim.cross_origin or not self.id:
            raise PasskeyRefused
        if self.local and _LOCAL.fullmatch(claim.origin):
            return [claim.origin]
        return list(self.origins)


def _json(options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(options)
    return found
