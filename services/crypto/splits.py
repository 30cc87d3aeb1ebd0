"""A seat's or a person's key outlives its holder: split k of n among others, none of whom can use it alone.

What is split is one 64-byte secret, the seeds of both keys (age identity, then signing key), so a sub-share has 65
bytes and one x. The key itself signs the statement that commits to every sub-share and names who holds it; so a server
can neither swap a sub-share nor move it to another key, epoch or holder, and a bad one is named, not guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from services.crypto import canonical, rules, shamir
from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.canonical import b64u, members, unb64u
from services.crypto.errors import FormatError, Refused
from services.crypto.padding import frame, unframe
from services.crypto.signatures import Signed, SigningKey, check_document, sign_document
from services.crypto.staffkeys import GroupKey, key_id

SHARE_SIZE = 65
_FRAME = 1024
_MOST = 255
_MEMBERS = ("holders", "k", "n", "of", "recipient", "v", "verify_key")
_SHARE_MEMBERS = ("holder", "of", "share", "split", "type", "v")


class BadSubShare(Refused):
    """A sub-share that is not the one the statement commits to; `holder` says whose."""

    def __init__(self, holder: str) -> None:
        super().__init__("a sub-share differs from its commitment")
        self.holder = holder


@dataclass(frozen=True)
class Holder:
    """Who gets a sub-share: the id of another seat's key or of a person's, and the public half of that key."""

    name: str
    recipient: HybridRecipient = field(repr=False)


@dataclass(frozen=True)
class Split:
    """A statement that was checked: the key `of`, its public halves, and (holder, commitment) of each sub-share."""

    digest: bytes
    of: str
    k: int
    recipient: HybridRecipient = field(repr=False)
    verify_key: bytes
    holders: tuple[tuple[str, bytes], ...]

    @property
    def n(self) -> int:
        """How many sub-shares there are."""
        return len(self.holders)

    def commitment_to(self, holder: str) -> bytes:
        """The commitment to a holder's sub-share. Error: Refused if they hold none."""
        found = dict(self.holders).get(holder)
        if found is None:
            raise Refused("no such holder")
        return found


@dataclass(frozen=True)
class SplitKey:
    """A statement signed by the key that was split, and an age file for each holder."""

    document: Signed
    files: Mapping[str, bytes] = field(repr=False)


def commitment(of: str, holder: str, share: bytes) -> bytes:
    """What the statement says of a sub-share: SHA-256 over label, key, holder and the 65 bytes."""
    return sha256(b"adal/v1/key-share" + f"{of}\0{holder}\0".encode() + share).digest()


def split_key(key: GroupKey, holders: Sequence[Holder], k: int) -> SplitKey:
    """Sub-shares of `key` for `holders`, any k of whom give it. Error: Refused.

    Refused for a key that cannot sign, a holder twice, the key itself among its holders, or not 2 <= k <= n.
    """
    if key.signing is None:
        raise Refused("the key cannot sign")
    names = [key_id(holder.name) for holder in holders]
    if len(set(names)) != len(names) or key.id in names:
        raise Refused("impossible holders")
    if any(holder.recipient == key.identity.recipient for holder in holders):
        raise Refused("impossible holders")
    pieces = shamir.split(key.identity.seed + key.signing.seed, len(holders), k)
    lines = [
        {"commitment": b64u(commitment(key.id, n, p)), "holder": n}
        for n, p in zip(names, pieces, strict=True)
    ]
    document = sign_document(
        "key-split",
        {
            "holders": lines,
            "k": k,
            "n": len(holders),
            "of": key_id(key.id),
            "recipient": str(key.identity.recipient),
            "v": 1,
            "verify_key": b64u(key.signing.verify_key),
        },
        [key.signing],
    )
    split = parse_split(document)
    files = {
        holder.name: seal_share(split, holder.name, piece, holder.recipient)
        for holder, piece in zip(holders, pieces, strict=True)
    }
    return SplitKey(document, files)


def parse_split(doc: Signed) -> Split:
    """A statement with a good signature of the key it names, whoever made it. Errors: FormatError, BadSignature."""
    found = members(doc.body, _MEMBERS)
    rules.version(found["v"])
    verify_key = rules.bytes32(found["verify_key"])
    check_document("key-split", doc, frozenset([verify_key]), 1)
    holders = tuple(_line(line) for line in rules.items(found["holders"], _MOST))
    k, n = rules.integer(found["k"], 2, _MOST), rules.integer(found["n"], 2, _MOST)
    if n != len(holders) or k > n or len({name for name, _ in holders}) != n:
        raise FormatError("impossible holders")
    of = key_id(found["of"])
    return Split(doc.digest, of, k, rules.recipient(found["recipient"]), verify_key, holders)


def check_split(doc: Signed, of: str, recipient: HybridRecipient, verify_key: bytes) -> Split:
    """The statement about the key `of`, whose public halves the caller knows from a directory or certificate.

    Errors: FormatError, BadSignature; Refused if it is about another key.
    """
    split = parse_split(doc)
    if (split.of, split.recipient, split.verify_key) != (of, recipient, verify_key):
        raise Refused("the sub-shares are of another key")
    return split


def seal_share(split: Split, holder: str, share: bytes, to: HybridRecipient) -> bytes:
    """The age file of a holder's sub-share: for the holder, or, released, for the key's new holder.

    Errors: BadSubShare, Refused.
    """
    _check(split, holder, share)
    document = {
        "holder": holder, "of": split.of, "share": b64u(share), "split": b64u(split.digest), "type": "key-share",
        "v": 1,
    }  # fmt: skip
    return seal(frame(canonical.dumps(document), _FRAME), [to])


def open_share(data: bytes, reader: HybridIdentity, split: Split, holder: str) -> bytes:
    """The 65 bytes of the sub-share of `holder`. Errors: FormatError, WrongKey, Refused, BadSubShare."""
    found = members(canonical.loads(unframe(open_part(data, reader), _FRAME)), _SHARE_MEMBERS)
    expected = {"holder": holder, "of": split.of, "split": b64u(split.digest), "type": "key-share", "v": 1}
    share = unb64u(found.pop("share"), SHARE_SIZE)
    if found != expected:
        raise Refused("the sub-share is of another key or holder")
    _check(split, holder, share)
    return share


def combine(shares: Mapping[str, bytes], split: Split) -> GroupKey:
    """The key from exactly k sub-shares by holder. Errors: BadSubShare, naming the holder; Refused."""
    if len(shares) != split.k:
        raise Refused("not exactly as many sub-shares as the threshold")
    for holder, share in shares.items():
        _check(split, holder, share)
    secret = shamir.combine(list(shares.values()))
    key = GroupKey(split.of, HybridIdentity.from_seed(secret[:32]), SigningKey.from_seed(secret[32:]))
    assert key.signing is not None  # noqa: S101 - made in the line above
    if (key.identity.recipient, key.signing.verify_key) != (split.recipient, split.verify_key):
        raise Refused("the sub-shares give another key")
    return key


def _line(value: Any) -> tuple[str, bytes]:
    found = members(value, ("commitment", "holder"))
    return key_id(found["holder"]), rules.bytes32(found["commitment"])


def _check(split: Split, holder: str, share: bytes) -> None:
    if len(share) != SHARE_SIZE:
        raise FormatError("wrong length of a sub-share")
    if commitment(split.of, holder, share) != split.commitment_to(holder) or share[-1] == 0:
        raise BadSubShare(holder)
