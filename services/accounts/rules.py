"""Rules of accounts as pure functions and tables: values and `now` in, decision out."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.contracts.accounts import Role
from services.crypto.passwords import MAX_LENGTH
from services.kit.i18n import N_

EVERYBODY: frozenset[str] = frozenset(Role)
GROUP_KEY_GIVERS: frozenset[str] = frozenset({Role.ADMINISTRATOR, Role.LEAD, Role.DESK})

#: Who may call which staff route. A route that is not here is refused to everybody.
ACCESS: Mapping[str, frozenset[str]] = {
    "read_me": EVERYBODY,
    "store_my_key": EVERYBODY,
    "list_staff": frozenset({Role.DESK, Role.LEAD, Role.ADMINISTRATOR, Role.AUDITOR}),
    "add_staff": frozenset({Role.ADMINISTRATOR}),
    "store_certificate": frozenset({Role.ADMINISTRATOR}),
    "store_group_key": GROUP_KEY_GIVERS,
}

MIN_PASSWORD = 12


def may_call(operation: str, roles: Iterable[str]) -> bool:
    """Whether one of the roles may call an operation; nobody may call one without a rule."""
    return bool(ACCESS.get(operation, frozenset()) & set(roles))


@dataclass(frozen=True)
class Conflict:
    """Two roles that one person may not hold together, and why (a sentence of the catalogue)."""

    one: Role
    other: Role
    reason: str

    def within(self, roles: Iterable[str]) -> bool:
        return {self.one, self.other} <= set(roles)


_CUSTODY = N_("A custodian guards identities from those who handle reports, so nobody may be both.")
_REWARD = N_("A reward is prepared by one person and decided by another.")
_REGISTER = N_("An entry of the register is proposed by one person and approved by another.")
_PAYMENT = N_("Who decides on a reward does not pay it.")
_CERTIFIER = N_("Who makes accounts does not vouch for keys: no single person may add a reader.")
_ADMINISTRATOR = N_("An administrator sees no content of reports and no identities.")
_AUDITOR = N_("An auditor looks at what others did, so an auditor decides nothing.")

#: Roles that decide, open or change something; an auditor holds none of them.
DECIDING = tuple(role for role in Role if role not in (Role.AUDITOR, Role.OPERATOR))

#: Nobody may hold both roles of a line. Sources: `docs/threat-model.md`; four eyes for rewards and register.
CONFLICTS: tuple[Conflict, ...] = (
    Conflict(Role.DESK, Role.CUSTODIAN, _CUSTODY),
    Conflict(Role.LEAD, Role.CUSTODIAN, _CUSTODY),
    Conflict(Role.INVESTIGATOR, Role.CUSTODIAN, _CUSTODY),
    Conflict(Role.REWARDS_OFFICER, Role.COMMISSION, _REWARD),
    Conflict(Role.REGISTRAR, Role.SECOND_REGISTRAR, _REGISTER),
    Conflict(Role.PAYMENTS, Role.COMMISSION, _PAYMENT),
    Conflict(Role.PAYMENTS, Role.REWARDS_OFFICER, _PAYMENT),
    Conflict(Role.CERTIFIER, Role.ADMINISTRATOR, _CERTIFIER),
    Conflict(Role.ADMINISTRATOR, Role.DESK, _ADMINISTRATOR),
    Conflict(Role.ADMINISTRATOR, Role.LEAD, _ADMINISTRATOR),
    Conflict(Role.ADMINISTRATOR, Role.INVESTIGATOR, _ADMINISTRATOR),
    Conflict(Role.ADMINISTRATOR, Role.CUSTODIAN, _ADMINISTRATOR),
    *(Conflict(Role.AUDITOR, role, _AUDITOR) for role in DECIDING),
)


def conflicts_of(roles: Iterable[str]) -> list[Conflict]:
    """Every line of the table that a set of roles breaks."""
    held = set(roles)
    return [conflict for conflict in CONFLICTS if conflict.within(held)]


_SHORT = N_("A password has at least 12 characters.")
_LONG = N_("This password is too long.")
_LOGIN_INSIDE = N_("A password does not contain the login.")
_NO_TEXT = N_("A password is plain text without control characters.")


def password_problem(password: str, login: str) -> str | None:
    """What is wrong with a new password (a sentence of the catalogue), or None. Compared after NFKC."""
    text = unicodedata.normalize("NFKC", password)
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        return _NO_TEXT
    if len(text) < MIN_PASSWORD:
        return _SHORT
    if len(text.encode()) > MAX_LENGTH:
        return _LONG
    if login.casefold() in text.casefold():
        return _LOGIN_INSIDE
    return None


def token_times(now: datetime, session_ends: datetime, seconds: int) -> tuple[int, int] | None:
    """Issue and expiry of a token in POSIX seconds; it never outlives its session. None when that is over."""
    issued = int(now.timestamp())
    expires = min(issued + seconds, int(session_ends.timestamp()))
    return (issued, expires) if expires > issued else None


def hash_of(secret: str) -> bytes:
    """How a random secret of at least 128 bits is stored: SHA-256 is enough for what cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
