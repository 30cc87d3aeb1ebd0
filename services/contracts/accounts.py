"""What the accounts service says to the others: the roles of staff, the scopes of systems, and the claims of a token."""

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


class Scope(StrEnum):
    """What a system with an API client may do. Rules name scopes like roles; no person ever holds one."""

    CALLS = "client:calls"
    MESSAGES = "client:messages"
    FIGURES = "client:figures"


@dataclass(frozen=True)
class TokenClaims:
    """Who a token is for (a person, or an API client), in which roles or scopes, and when.

    Times are whole POSIX seconds, at most 300 apart.
    `stepped` is when the bearer last gave a full proof (password and second factor) in this session, 0 for never.
    """

    person: UUID
    roles: Collection[str]
    issued: int
    expires: int
    stepped: int = 0

    def to_json(self) -> dict[str, Any]:
        """The claims as they are signed (`services.crypto.tokens`)."""
        return {
            "exp": self.expires,
            "iat": self.issued,
            "iss": ISSUER,
            "roles": sorted(self.roles),
            "stepped": self.stepped,
            "sub": str(self.person),
        }
