"""What the accounts service says to the others: the roles of staff and the claims of an access token."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

ISSUER = "adal-accounts"


class Role(StrEnum):
    """What a member of staff may be. Which roles exclude one another is decided by the accounts service."""

    OPERATOR = "operator"
    DESK = "desk"
    LEAD = "lead"
    INVESTIGATOR = "investigator"
    CUSTODIAN = "custodian"
    REWARDS_OFFICER = "rewards-officer"
    COMMISSION = "commission"
    REGISTRAR = "registrar"
    SECOND_REGISTRAR = "second-registrar"
    AUDITOR = "auditor"
    PAYMENTS = "payments"
    CERTIFIER = "certifier"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class TokenClaims:
    """Who a token is for, in which roles, and when: whole POSIX seconds, at most 300 apart."""

    person: UUID
    roles: Collection[str]
    issued: int
    expires: int

    def to_json(self) -> dict[str, Any]:
        """The claims as they are signed (`services.crypto.tokens`)."""
        return {
            "exp": self.expires,
            "iat": self.issued,
            "iss": ISSUER,
            "roles": sorted(self.roles),
            "sub": str(self.person),
        }
