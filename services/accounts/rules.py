"""Rules of accounts as pure functions and tables: values and `now` in, decision out."""

import hashlib
import itertools
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.contracts.accounts import Role
from services.crypto.passwords import MAX_LENGTH
from services.kit.i18n import N_

EVERYBODY: frozenset[str] = frozenset(Role)
ADMINISTRATORS: frozenset[str] = frozenset({Role.ADMINISTRATOR})
#: Which of them may give which key is in `keys_rules`.
GROUP_KEY_GIVERS: frozenset[str] = frozenset(
    {Role.ADMINISTRATOR, Role.LEAD, Role.DESK, Role.CUSTODIAN, Role.PAYMENTS}
)

#: Who may call which staff route. A route that is not here is refused to everybody.
ACCESS: Mapping[str, frozenset[str]] = {
    "read_me": EVERYBODY,
    "store_my_key": EVERYBODY,
    "list_staff": frozenset({Role.DESK, Role.LEAD, Role.ADMINISTRATOR, Role.AUDITOR, Role.CERTIFIER}),
    "add_staff": frozenset({Role.ADMINISTRATOR}),
    "store_certificate": frozenset({Role.ADMINISTRATOR}),
    "store_group_key": GROUP_KEY_GIVERS,
    "read_staff_keys": EVERYBODY,
    "propose_certificate": frozenset({Role.CERTIFIER}),
    "complete_certificate": frozenset({Role.CERTIFIER}),
    "keep_my_group_key": EVERYBODY,
    "drop_my_group_key": EVERYBODY,
    "destroy_group_key": frozenset({Role.LEAD}),
    "store_split": EVERYBODY,
    "list_splits": EVERYBODY,
    "release_share": EVERYBODY,
    "list_passkeys": EVERYBODY,
    "start_passkey": EVERYBODY,
    "add_passkey": EVERYBODY,
    "remove_passkey": EVERYBODY,
    "renew_recovery_codes": EVERYBODY,
    "renew_second_factor": EVERYBODY,
    "change_roles": ADMINISTRATORS,
    "set_active": ADMINISTRATORS,
    "renew_enrolment": ADMINISTRATORS,
    "end_sessions": ADMINISTRATORS,
    "leave_staff": ADMINISTRATORS,
    "link_external_subject": ADMINISTRATORS,
    "unlink_external_subject": ADMINISTRATORS,
    "list_clients": ADMINISTRATORS,
    "add_client": ADMINISTRATORS,
    "renew_client_secret": ADMINISTRATORS,
    "set_client_active": ADMINISTRATORS,
}

#: Operations that ask for a full proof in the last five minutes: what gives somebody, or another device, a way in.
STEP_UP: frozenset[str] = frozenset(
    {
        "add_staff",
        "start_passkey",
        "add_passkey",
        "remove_passkey",
        "renew_recovery_codes",
        "renew_second_factor",
        "change_roles",
        "set_active",
        "renew_enrolment",
        "leave_staff",
        "destroy_group_key",
        "link_external_subject",
        "unlink_external_subject",
        "add_client",
        "renew_client_secret",
        "set_client_active",
    }
)
#: Operations that an administrator never does to their own account.
NEVER_ONESELF: frozenset[str] = frozenset(
    {
        *("change_roles", "set_active", "renew_enrolment", "leave_staff"),
        *("link_external_subject", "unlink_external_subject"),
    }
)

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


def _apart(ones: Iterable[Role], others: Iterable[Role], reason: str) -> list[Conflict]:
    return [Conflict(one, other, reason) for one, other in itertools.product(ones, others)]


_CUSTODY = N_("A custodian guards identities from those who handle reports, so nobody may be both.")
_REWARD = N_("A reward is prepared by one person and decided by another.")
_REGISTER = N_("An entry of the register is proposed by one person and approved by another.")
_PAYMENT = N_("Who decides on a reward does not pay it.")
_OUTCOME = N_(
    "Who works on cases, and so records what a reward rests on, does not decide on rewards or pay them."
)
_NAMES = N_(
    "Who has a part in rewards holds no share of an identity: the ways to a name stay with different people."
)
_CERTIFIER = N_("Who makes accounts does not vouch for keys: no single person may add a reader.")
_VOUCHING = N_("Who vouches for a key hands nothing to it: no case, no identity, no bank details.")
_ADMINISTRATOR = N_("An administrator sees no content of reports and no identities.")
_SECOND = N_("An administrator could invent the second person, so decides nothing that takes two.")
_AUDITOR = N_("An auditor looks at what others did, so an auditor decides nothing.")

#: Roles that work on cases, that have a part in a reward, that decide on the register.
CASEWORK = (Role.DESK, Role.LEAD, Role.INVESTIGATOR)
REWARD = (Role.REWARDS_OFFICER, Role.COMMISSION, Role.PAYMENTS)
REGISTER = (Role.REGISTRAR, Role.SECOND_REGISTRAR)
#: Roles that decide, open or change something; an auditor holds none of them.
DECIDING = tuple(role for role in Role if role not in (Role.AUDITOR, Role.OPERATOR))

#: Nobody may hold both roles of a line. Sources: `docs/threat-model.md`; four eyes for rewards and register.
#:
#: Left together on purpose: the roles of casework among themselves; operators, who hear callers but read nothing back,
#: with everybody but administrators; the register with casework and rewards, since an entry rests on a court act that
#: both registrars read.
CONFLICTS: tuple[Conflict, ...] = (
    *_apart(CASEWORK, [Role.CUSTODIAN], _CUSTODY),
    Conflict(Role.REWARDS_OFFICER, Role.COMMISSION, _REWARD),
    Conflict(Role.REGISTRAR, Role.SECOND_REGISTRAR, _REGISTER),
    *_apart([Role.PAYMENTS], [Role.COMMISSION, Role.REWARDS_OFFICER], _PAYMENT),
    *_apart(CASEWORK, REWARD, _OUTCOME),
    *_apart([Role.CUSTODIAN], REWARD, _NAMES),
    Conflict(Role.CERTIFIER, Role.ADMINISTRATOR, _CERTIFIER),
    *_apart([Role.CERTIFIER], [*CASEWORK, Role.CUSTODIAN, Role.PAYMENTS], _VOUCHING),
    *_apart([Role.ADMINISTRATOR], [Role.OPERATOR, *CASEWORK, Role.CUSTODIAN], _ADMINISTRATOR),
    *_apart([Role.ADMINISTRATOR], [*REWARD, *REGISTER], _SECOND),
    *_apart([Role.AUDITOR], DECIDING, _AUDITOR),
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


#: Group keys that open shares of identities and bank details: not to be lost with the person who held them.
SEAT_KEYS = ("seat-", "payments-")


def only_here(held: Iterable[str], held_by_others: Collection[str]) -> list[str]:
    """Seat keys that would be lost with their holder: nobody else has them wrapped."""
    return sorted(key for key in held if key.startswith(SEAT_KEYS) and key not in held_by_others)


def token_times(now: datetime, session_ends: datetime, seconds: int) -> tuple[int, int] | None:
    """Issue and expiry of a token in POSIX seconds; it never outlives its session. None when that is over."""
    issued = int(now.timestamp())
    expires = min(issued + seconds, int(session_ends.timestamp()))
    return (issued, expires) if expires > issued else None


def hash_of(secret: str) -> bytes:
    """How a random secret of at least 128 bits is stored: SHA-256 is enough for what cannot be guessed."""
    return hash_of_bytes(secret.encode("utf-8", "surrogatepass"))


def hash_of_bytes(secret: bytes) -> bytes:
    """The same for random bytes."""
    return hashlib.sha256(secret).digest()


#: Digits and letters that are not mistaken for one another (Crockford's base 32).
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
RECOVERY_CODES = 10
RECOVERY_LENGTH = 16
"""16 letters of 5 bits each: 80 bits."""
_MISTAKEN = str.maketrans({"o": "0", "i": "1", "l": "1"})


def recovery_code(random: bytes) -> str:
    """Ten random bytes as a code of four groups of four."""
    number = int.from_bytes(random)
    letters = "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
    return "-".join(letters[start : start + 4] for start in range(0, RECOVERY_LENGTH, 4))


def typed_recovery_code(text: str) -> str | None:
    """The letters of a code as somebody typed it, or None when it cannot be one."""
    letters = "".join(text.lower().split()).replace("-", "").translate(_MISTAKEN)
    return letters if len(letters) == RECOVERY_LENGTH and set(letters) <= set(ALPHABET) else None
