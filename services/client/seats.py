"""Seats and sub-shares: a new half-year, a handover, a loss; and staff keys kept by others.

Everything is compared with the signed key directory or with a certificate here, so that a server can neither put its
own key on a seat nor have sub-shares released to somebody it invented.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.client.directory import INTAKE
from services.client.errors import NotUnlocked, understood
from services.client.http import part_of_path
from services.client.keys import certified
from services.client.session import ACCOUNTS
from services.client.staff import StaffSession
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.canonical import b64, unb64
from services.crypto.certificates import Certificate, fingerprint
from services.crypto.directories import Directory
from services.crypto.errors import CryptoError, Refused
from services.crypto.shares import Seat
from services.crypto.signatures import Signed, SigningKey
from services.crypto.splits import (
    Holder,
    Split,
    check_split,
    combine,
    open_share,
    parse_split,
    seal_share,
    split_key,
)
from services.crypto.staffkeys import GroupKey, wrap_group_key

#: Kind of a seat -> role of who may sit on it.
ROLES = {"seat": "custodian", "payments": "payments"}
#: Who keeps sub-shares of staff keys: people who need no such key themselves to see what it opens.
KEEPERS = frozenset({"lead", "certifier"})


@dataclass(frozen=True)
class SeatName:
    """A custodian's seat (`seat`) or a payments officer's (`payments`), by its number."""

    number: int
    kind: str = "seat"

    @property
    def prefix(self) -> str:
        """How the ids of its keys begin."""
        return f"{self.kind}-{self.number}/"

    def key_id(self, epoch: str) -> str:
        """The id of its key of a half-year, such as `seat-2/2026H2`."""
        return f"{self.prefix}{epoch}"

    def line(self, directory: Directory) -> Seat | None:
        """Its line in a directory."""
        seats = directory.seats if self.kind == "seat" else directory.payments
        return next((seat for seat in seats if seat.seat == self.number), None)


@dataclass(frozen=True)
class Kept:
    """A split as the server shows it, with the sub-shares this person may fetch, by holder."""

    document: Signed
    of: str
    held: dict[str, bytes] = field(repr=False)
    released: dict[str, bytes] = field(repr=False)


def directories_back(session: StaffSession) -> Iterator[Directory]:
    """The directory in force and every one before it, each checked: by two roots, and by the hash of its successor."""
    directory = session.key_directory()
    yield directory
    while directory.sequence > 1:
        found = session.call("GET", f"{INTAKE}/key-directories/{directory.sequence - 1}").json()
        directory = session.directories.of_report(found, directory.previous)
        yield directory


def seat_of_epoch(session: StaffSession, seat: SeatName, epoch: str) -> Seat:
    """The directory line of a seat in a half-year, in force or earlier. Error: Refused when no directory has it."""
    for directory in directories_back(session):
        line = seat.line(directory)
        if line is not None and line.epoch == epoch:
            return line
    raise Refused("no directory names this seat and half-year")


# --- a seat's key


def new_seat_key(seat: SeatName, epoch: str) -> tuple[GroupKey, Seat]:
    """A fresh key of a seat and half-year, and its line for the next directory."""
    key = GroupKey(seat.key_id(epoch), HybridIdentity.generate(), SigningKey.generate())
    return key, seat_line(key)


def seat_line(key: GroupKey) -> Seat:
    """The directory line of a seat's key. Error: Refused if it is not one."""
    name, _, epoch = key.id.partition("/")
    kind, _, number = name.rpartition("-")
    if key.signing is None or kind not in ROLES or not number.isdecimal():
        raise Refused("not the key of a seat")
    return Seat(int(number), key.identity.recipient, epoch, key.signing.verify_key)


def keep(session: StaffSession, key: GroupKey) -> None:
    """Store a key wrapped for oneself."""
    data = wrap_group_key(key, session.unlocked.key.identity.recipient)
    session.call("PUT", f"{ACCOUNTS}/me/group-keys/{part_of_path(key.id)}", {"data": b64(data)})


def held(session: StaffSession, seat: SeatName) -> list[GroupKey]:
    """Every key of a seat that this person holds. Error: NotUnlocked when there is none."""
    found = [key for key in session.unlocked.groups if key.id.startswith(seat.prefix)]
    if not found:
        raise NotUnlocked()
    return found


def split_seat(session: StaffSession, seat: SeatName) -> int:
    """Give sub-shares of the seat's present key to the other seats, as many needed as for an identity; how many."""
    directory = session.key_directory()
    line = seat.line(directory)
    if line is None:
        raise Refused("no such seat")
    key = next((key for key in held(session, seat) if _is(key, line)), None)
    if key is None:
        raise NotUnlocked()
    seats, k = (
        (directory.seats, directory.k)
        if seat.kind == "seat"
        else (directory.payments, directory.payment_threshold)
    )
    others = [
        Holder(SeatName(other.seat, seat.kind).key_id(other.epoch), other.recipient)
        for other in seats
        if other.seat != seat.number
    ]
    return _store_split(session, key, others, k)


def hand_over(session: StaffSession, seat: SeatName, person: str) -> list[str]:
    """Re-wrap every key of a seat for a certified successor, then give them up; the ids. Errors: Refused, Problem."""
    certificate = certified(session, person, {ROLES[seat.kind]})
    keys = held(session, seat)
    for key in keys:
        session.put_group_key(certificate, key)
    for key in keys:
        session.call("DELETE", f"{ACCOUNTS}/me/group-keys/{part_of_path(key.id)}")
    return [key.id for key in keys]


def release_seat(session: StaffSession, seat: SeatName, person: str) -> list[str]:
    """Seal the sub-shares one keeps of a lost seat to its certified new holder; ids of the keys they are of."""
    certificate = certified(session, person, {ROLES[seat.kind]})
    mine = {key.id: key.identity for key in session.unlocked.groups}
    done = []
    for kept in splits(session, seat.prefix):
        split = _checked_seat(session, seat, kept)
        _release(session, split, {h: (d, mine[h]) for h, d in kept.held.items() if h in mine}, certificate)
        done.append(split.of)
    return done


def recover_seat(session: StaffSession, seat: SeatName) -> list[str]:
    """Rebuild every key of a seat of which enough sub-shares were released to this person, and keep it; the ids."""
    found = splits(session, seat.prefix)
    return _recover(session, [(kept, _checked_seat(session, seat, kept)) for kept in found])


def _is(key: GroupKey, line: Seat) -> bool:
    verify_key = key.signing.verify_key if key.signing else b""
    return (key.identity.recipient, verify_key) == (line.recipient, line.verify_key)


def _checked_seat(session: StaffSession, seat: SeatName, kept: Kept) -> Split:
    line = seat_of_epoch(session, seat, kept.of.removeprefix(seat.prefix))
    return check_split(kept.document, kept.of, line.recipient, line.verify_key)


# --- a person's own key


def own_key_id(person: str, recipient: HybridRecipient, verify_key: bytes) -> str:
    """The id of a person's key: it names the key by its fingerprint."""
    return f"staff/{person}/{fingerprint(recipient, verify_key).replace(' ', '')}"


def escrow(session: StaffSession, keepers: Sequence[str], k: int) -> int:
    """Give sub-shares of one's own key to certified leads or certifiers, any k of whom rebuild it; how many.

    Errors: Refused for a custodian, whose key nobody else may rebuild, and for a keeper without such a certificate.
    """
    me, own = session.me().person, session.unlocked.key
    if "custodian" in me.roles or me.id in keepers:
        raise Refused("a custodian's key has no escrow, and nobody keeps a sub-share of their own key")
    holders = []
    for person in keepers:
        certificate = certified(session, person, KEEPERS)
        if "custodian" in certificate.roles:
            raise Refused("a custodian keeps no sub-share of a staff key")
        name = own_key_id(person, certificate.recipient, certificate.verify_key)
        holders.append(Holder(name, certificate.recipient))
    name = own_key_id(me.id, own.identity.recipient, own.signing.verify_key)
    return _store_split(session, GroupKey(name, own.identity, own.signing), holders, k)


def release_escrow(session: StaffSession, person: str) -> list[str]:
    """Seal the sub-shares one keeps of a person's lost key to their new, certified one; ids of the lost keys."""
    document = certified(session, person, ALL_BUT_CUSTODIANS)
    if "custodian" in document.roles:
        raise Refused("a custodian's key has no escrow")
    own, me = session.unlocked.key, session.me().person.id
    mine = own_key_id(me, own.identity.recipient, own.signing.verify_key)
    done = []
    for kept in splits(session, f"staff/{person}/"):
        split = _checked_own(person, kept)
        if split.recipient == document.recipient or mine not in kept.held:
            continue
        _release(session, split, {mine: (kept.held[mine], own.identity)}, document)
        done.append(split.of)
    return done


def recover_escrow(session: StaffSession) -> list[str]:
    """Rebuild one's earlier keys from released sub-shares and keep them beside the present one; the ids."""
    me = session.me().person.id
    return _recover(session, [(kept, _checked_own(me, kept)) for kept in splits(session, f"staff/{me}/")])


ALL_BUT_CUSTODIANS = frozenset(
    {"operator", "desk", "lead", "investigator", "rewards-officer", "commission", "registrar", "second-registrar",
     "auditor", "payments", "certifier", "administrator"}
)  # fmt: skip


def _checked_own(person: str, kept: Kept) -> Split:
    """The id names the key by its fingerprint, and the key signed the statement."""
    split = parse_split(kept.document)
    if split.of != own_key_id(person, split.recipient, split.verify_key):
        raise Refused("the sub-shares are of another key")
    return split


# --- both


def splits(session: StaffSession, prefix: str) -> list[Kept]:
    """What the server keeps for this person of keys whose ids begin so."""
    answer = session.call("GET", f"{ACCOUNTS}/split-keys").json()
    with understood():
        found = [_kept(line) for line in answer["items"]]
    return [kept for kept in found if kept.of.startswith(prefix)]


def _kept(line: Any) -> Kept:
    document = Signed.from_json(line["document"])
    files = [{str(one["holder"]): unb64(one["data"]) for one in line[name]} for name in ("held", "released")]
    return Kept(document, str(document.body["of"]), files[0], files[1])


def _store_split(session: StaffSession, key: GroupKey, holders: Sequence[Holder], k: int) -> int:
    made = split_key(key, holders, k)
    shares = [{"holder": holder, "data": b64(data)} for holder, data in made.files.items()]
    body = {"document": made.document.to_json(), "shares": shares}
    session.call("PUT", f"{ACCOUNTS}/split-keys/{part_of_path(key.id)}", body)
    return len(shares)


def _release(
    session: StaffSession, split: Split, mine: dict[str, tuple[bytes, HybridIdentity]], to: Certificate
) -> None:
    for holder, (data, identity) in mine.items():
        share = open_share(data, identity, split, holder)
        sealed = b64(seal_share(split, holder, share, to.recipient))
        body = {"holder": holder, "to": to.person, "data": sealed}
        session.call("PUT", f"{ACCOUNTS}/released-shares/{part_of_path(split.of)}", body)


def _recover(session: StaffSession, found: list[tuple[Kept, Split]]) -> list[str]:
    """Error: Refused when nothing could be rebuilt. A sub-share that is not the committed one does not count."""
    reader, done = session.unlocked.key.identity, []
    for kept, split in found:
        good: dict[str, bytes] = {}
        for holder, data in kept.released.items():
            try:
                good[holder] = open_share(data, reader, split, holder)
            except CryptoError:
                continue
        if len(good) < split.k:
            continue
        chosen = dict(sorted(good.items())[: split.k])
        keep(session, combine(chosen, split))
        done.append(split.of)
    if not done:
        raise Refused("too few good sub-shares were released")
    return done
