"""Staff keys at rest: a person's key under a generated passphrase, a group's key (desk, seat) under a person's.

The passphrase never leaves the machine it is typed on. Both files are ones stock `age` opens.
"""

import re
import secrets
from dataclasses import dataclass

from services.crypto.age import HybridIdentity, HybridRecipient, Passphrase, decrypt, encrypt, open_part, seal
from services.crypto.canonical import b64u, unb64u
from services.crypto.errors import FormatError, Refused
from services.crypto.signatures import SigningKey

# No i, l, o, u: nothing that is misread from paper. 16 letters of 32 are 80 bits.
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_GROUPS, _GROUP = 4, 4
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_STAFF, _GROUP_KEY = "# adal/v1/staff-key", "# adal/v1/group-key"


@dataclass(frozen=True)
class StaffKey:
    """A person's secret age identity and signing key."""

    identity: HybridIdentity
    signing: SigningKey

    def __repr__(self) -> str:
        return "StaffKey(...)"

    @classmethod
    def generate(cls) -> "StaffKey":
        """Fresh keys."""
        return cls(HybridIdentity.generate(), SigningKey.generate())


@dataclass(frozen=True)
class GroupKey:
    """The secret key of a desk and month, or of a seat and epoch. `id`: e.g. `central/2026-11`, `seat-2/2026H2`."""

    id: str
    identity: HybridIdentity
    signing: SigningKey | None = None

    def __repr__(self) -> str:
        return "GroupKey(...)"


def key_id(value: object) -> str:
    """The id of a group key or of a person's key, such as `seat-2/2026H2`. Error: FormatError."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise FormatError("unusable id of a key")
    return value


def new_passphrase() -> str:
    """80 random bits as four groups of four letters and digits."""
    groups = ("".join(secrets.choice(LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def wrap_staff_key(key: StaffKey, passphrase: str, log_n: int = 18) -> bytes:
    """The age file of a staff key; at `log_n` 18 about a second and 256 MiB. Error: Refused."""
    lines = (_STAFF, f"# sign: {b64u(key.signing.seed)}", str(key.identity))
    return encrypt(_join(*lines), [Passphrase(passphrase, log_n)])


def unwrap_staff_key(data: bytes, passphrase: str) -> StaffKey:
    """The staff key. Errors: FormatError, WrongKey for a wrong passphrase, Refused for too much work."""
    lines = _lines(decrypt(data, [Passphrase(passphrase)]))
    if len(lines) != 3 or lines[0] != _STAFF:
        raise FormatError("not a staff key")
    return StaffKey(HybridIdentity.parse(lines[2]), _signing(lines[1]))


def wrap_group_key(key: GroupKey, to: HybridRecipient) -> bytes:
    """The age file of a group key for one member. Error: Refused for an unusable id."""
    if not _ID.fullmatch(key.id):
        raise Refused("unusable id of a group key")
    sign = [] if key.signing is None else [f"# sign: {b64u(key.signing.seed)}"]
    return seal(_join(_GROUP_KEY, f"# id: {key.id}", *sign, str(key.identity)), [to])


def unwrap_group_key(data: bytes, holder: HybridIdentity) -> GroupKey:
    """The group key; compare its id and recipient with the directory before use.

    Errors: FormatError, WrongKey, Refused.
    """
    lines = _lines(open_part(data, holder))
    if len(lines) not in (3, 4) or lines[0] != _GROUP_KEY:
        raise FormatError("not a group key")
    found = _after(lines[1], "# id: ")
    if not _ID.fullmatch(found):
        raise FormatError("not a group key")
    return GroupKey(found, HybridIdentity.parse(lines[-1]), _signing(lines[2]) if len(lines) == 4 else None)


def _join(*lines: str) -> bytes:
    return "".join(line + "\n" for line in lines).encode("ascii")


def _lines(plaintext: bytes) -> list[str]:
    if not plaintext.isascii() or not plaintext.endswith(b"\n"):
        raise FormatError("not a key file")
    return plaintext[:-1].decode("ascii").split("\n")


def _signing(line: str) -> SigningKey:
    return SigningKey.from_seed(unb64u(_after(line, "# sign: "), 32))


def _after(line: str, label: str) -> str:
    if not line.startswith(label):
        raise FormatError("not a key file")
    return line.removeprefix(label)
