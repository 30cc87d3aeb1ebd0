"""Who may hold, give and split which key: the id of a key says what it is for.

`central/2026-11` is a desk's key of a month, `seat-2/2026H2` a custodian's and `payments-1/2026H2` a payments officer's
key of half a year, `staff/<person>/<digits>` a person's earlier key, rebuilt by those who kept its sub-shares.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.contracts.accounts import Role

_SEAT = re.compile(r"(seat|payments)-([1-9][0-9]{0,2})/[0-9]{4}H[12]")
_OWN = re.compile(r"staff/([0-9a-f-]{36})/[0-9]{30}")
_MONTH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}/([0-9]{4}-(?:0[1-9]|1[0-2]))")

_DESK = frozenset({Role.DESK, Role.LEAD})
#: Kind of a key -> roles one of which its holder has.
HOLDERS: dict[str, frozenset[Role]] = {
    "desk": _DESK,
    "seat": frozenset({Role.CUSTODIAN}),
    "payments": frozenset({Role.PAYMENTS}),
    "staff": frozenset(Role) - {Role.CUSTODIAN},
}
#: Kind of a key -> roles one of which may wrap it for another person. Nobody wraps a person's own key for another.
GIVERS: dict[str, frozenset[Role]] = {
    "desk": _DESK | {Role.ADMINISTRATOR},
    "seat": frozenset({Role.CUSTODIAN, Role.ADMINISTRATOR}),
    "payments": frozenset({Role.PAYMENTS, Role.ADMINISTRATOR}),
    "staff": frozenset(),
}


@dataclass(frozen=True)
class KeyName:
    """What an id says: kind; number of a seat or id of a person; month of a desk's key."""

    kind: str
    owner: str = ""
    month: str = ""


def key_name(key_id: str) -> KeyName:
    """Read an id; what is nothing else belongs to a desk."""
    if found := _SEAT.fullmatch(key_id):
        return KeyName(found[1], owner=found[2])
    if found := _OWN.fullmatch(key_id):
        return KeyName("staff", owner=found[1])
    found = _MONTH.fullmatch(key_id)
    return KeyName("desk", month=found[1] if found else "")


def may_give(key_id: str, roles: Iterable[str]) -> bool:
    """Whether one of the giver's roles may wrap this key for somebody else."""
    return bool(GIVERS[key_name(key_id).kind] & set(roles))


def may_hold(key_id: str, person: UUID, roles: Iterable[str]) -> bool:
    """Whether a person with these roles may hold this key at all."""
    name, held = key_name(key_id), set(roles)
    if name.kind != "staff":
        return bool(HOLDERS[name.kind] & held)
    # A custodian's own key has no escrow: nobody can be made a custodian behind their back.
    return name.owner == str(person) and Role.CUSTODIAN not in held


def other_seat(key_id: str, held: Iterable[str]) -> bool:
    """Whether somebody who holds these keys sits on another seat of the same kind already: one person, one seat."""
    name = key_name(key_id)
    return name.kind in ("seat", "payments") and any(
        one.kind == name.kind and one.owner != name.owner for one in map(key_name, held)
    )


def may_split(key_id: str, person: UUID, roles: Iterable[str], held: Collection[str]) -> bool:
    """Whether a person may give out sub-shares of a key: of a seat's they hold, or of their own."""
    if key_name(key_id).kind in ("seat", "payments"):
        return key_id in held
    return key_name(key_id).kind == "staff" and may_hold(key_id, person, roles)


def may_destroy(key_id: str, today: date) -> bool:
    """Whether the wraps of a desk's key may go: of past months only, since clocks and months of clients differ."""
    month = key_name(key_id).month
    return bool(month) and month < f"{today:%Y-%m}"


def own_name(person: UUID) -> str:
    """How the ids of a person's own keys begin; sub-shares for a person are addressed to such an id."""
    return f"staff/{person}/"


def is_holder(holder: str, person: UUID, held: Collection[str]) -> bool:
    """Whether a sub-share addressed to `holder` is for a person who holds these group keys."""
    return holder in held or holder.startswith(own_name(person))
