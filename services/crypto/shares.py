"""Who the reporter is takes k of n custodians: the identity key's seed, split and sealed to their seats.

A share carries the report and the key it belongs to, and the manifest commits to it; so a share from elsewhere
is refused, a false one is named by its seat, and the rebuilt key counts only if its recipient is the manifest's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from services.crypto import canonical, shamir
from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.canonical import b64u, members, unb64u
from services.crypto.errors import FormatError, Refused
from services.crypto.manifests import Manifest
from services.crypto.padding import frame, unframe

SHARE_SIZE = 33
_MEMBERS = ("dir_seq", "identity_recipient", "k", "n", "rid", "seat", "share", "type", "v")


class BadShare(Refused):
    """A share that is not the one the manifest commits to; `seat` says whose."""

    def __init__(self, seat: int) -> None:
        super().__init__("a share differs from its commitment")
        self.seat = seat


@dataclass(frozen=True)
class Seat:
    """A custodian's (or payments officer's) seat: its number, its epoch and the public half of that epoch's key.

    Shares are sealed to the recipient; the 32-byte verify key is for what the seat decides and releases.
    """

    seat: int
    recipient: HybridRecipient = field(repr=False)
    epoch: str
    verify_key: bytes


@dataclass(frozen=True)
class SealedShare:
    """A share as an age file to its seat, and the commitment for the manifest."""

    seat: int
    data: bytes = field(repr=False)
    commitment: bytes


def commitment(rid: bytes, seat: int, share: bytes) -> bytes:
    """What the manifest says of a 33-byte share: SHA-256 over label, rid, seat and share."""
    return sha256(b"adal/v1/share" + rid + bytes([seat]) + share).digest()


def split_identity(
    identity: HybridIdentity, rid: bytes, seats: Sequence[Seat], k: int, dir_seq: int
) -> list[SealedShare]:
    """The identity key for seats 1..n, in that order, any k of which rebuild it. Error: Refused."""
    if [seat.seat for seat in seats] != list(range(1, len(seats) + 1)):
        raise Refused("seats are not numbered 1 to n")
    fixed = {
        "dir_seq": dir_seq, "identity_recipient": str(identity.recipient), "k": k, "n": len(seats),
        "rid": b64u(rid), "type": "share", "v": 1,
    }  # fmt: skip
    pieces = shamir.split(identity.seed, len(seats), k)
    return [_seal(seat, share, rid, fixed) for seat, share in zip(seats, pieces, strict=True)]


def open_share(data: bytes, seat_identity: HybridIdentity, seat: int, manifest: Manifest) -> bytes:
    """The 33 bytes of the share of `seat` of the manifest's report.

    Errors: FormatError, WrongKey; BadShare if it is not the committed one; Refused if anything else differs.
    """
    found = members(canonical.loads(unframe(open_part(data, seat_identity))), _MEMBERS)
    share = unb64u(found["share"], SHARE_SIZE)
    if {**found, "share": None} != _expected(seat, manifest):
        raise Refused("the share is of another report or seat")
    _check(seat, share, manifest)
    return share


def combine(shares: Mapping[int, bytes], manifest: Manifest) -> HybridIdentity:
    """The identity key from exactly k shares by seat. Errors: BadShare, naming the seat; Refused."""
    if len(shares) != manifest.k:
        raise Refused("not exactly as many shares as the threshold")
    for seat, share in shares.items():
        _check(seat, share, manifest)
    identity = HybridIdentity.from_seed(shamir.combine(list(shares.values())))
    if identity.recipient != manifest.identity_recipient:
        raise Refused("the shares give another key")
    return identity


def _seal(seat: Seat, share: bytes, rid: bytes, fixed: dict[str, Any]) -> SealedShare:
    document = canonical.dumps({**fixed, "seat": seat.seat, "share": b64u(share)})
    return SealedShare(seat.seat, seal(frame(document), [seat.recipient]), commitment(rid, seat.seat, share))


def _expected(seat: int, manifest: Manifest) -> dict[str, Any]:
    return {
        "dir_seq": manifest.dir_seq, "identity_recipient": str(manifest.identity_recipient), "k": manifest.k,
        "n": manifest.n, "rid": b64u(manifest.rid), "seat": seat, "share": None, "type": "share", "v": 1,
    }  # fmt: skip


def _check(seat: int, share: bytes, manifest: Manifest) -> None:
    line = next((line for line in manifest.shares if line.seat == seat), None)
    if line is None:
        raise Refused("no such seat")
    if len(share) != SHARE_SIZE:
        raise FormatError("wrong length of a share")
    if commitment(manifest.rid, seat, share) != line.commitment:
        raise BadShare(seat)
    if share[-1] == 0:
        raise BadShare(seat)
