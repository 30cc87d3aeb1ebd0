"""The transparency log in one place: checkpoints, offline proofs, and the tree behind them.

Whoever holds the log's key and a proof can check, without asking anybody, that an entry is in the log; two
signed checkpoints that are not consistent convict the log.
Source: C2SP tlog-checkpoint, tlog-tiles, tlog-proof; hashing and proofs are RFC 6962.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from services.crypto.canonical import b64, unb64
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.notes import VerifierKey, open_note, sign_note, split_note
from services.crypto.signatures import SigningKey
from services.crypto.tlog_proof import (
    EMPTY_ROOT,
    HASH_SIZE,
    MAX_SIZE,
    check_consistency,
    check_inclusion,
    node_hash,
    record_hash,
    root_of,
)
from services.crypto.tlog_tiles import (
    ENTRIES,
    TILE_WIDTH,
    ReadTile,
    TileId,
    Tree,
    bundles_for_append,
    consistency_proof,
    decode_bundle,
    encode_bundle,
    inclusion_proof,
    parse_tile_path,
    root,
    tile_path,
    tiles_for_append,
    tiles_of,
)

__all__ = [
    "EMPTY_ROOT",
    "ENTRIES",
    "HASH_SIZE",
    "MAX_SIZE",
    "QUORUM",
    "TILE_WIDTH",
    "Checkpoint",
    "LogProof",
    "ReadTile",
    "TileId",
    "Tree",
    "bundles_for_append",
    "check_consistency",
    "check_inclusion",
    "consistency_proof",
    "decode_bundle",
    "encode_bundle",
    "inclusion_proof",
    "make_proof",
    "node_hash",
    "open_checkpoint",
    "parse_tile_path",
    "record_hash",
    "root",
    "root_of",
    "sign_checkpoint",
    "tile_path",
    "tiles_for_append",
    "tiles_of",
]

#: So many independent witnesses make a checkpoint witnessed.
QUORUM = 2

_HEADER = "c2sp.org/tlog-proof@v1"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_MAX_PROOF = 63  # a tree of at most 2^63 entries is no deeper
_MAX_EXTRA = 64 * 1024


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None or int(text) > MAX_SIZE:
        raise FormatError("not a number of a log")
    return int(text)


def _hash(text: str) -> bytes:
    data = unb64(text)
    if len(data) != HASH_SIZE:
        raise FormatError("a hash is not 32 bytes long")
    return data


@dataclass(frozen=True)
class Checkpoint:
    """Head of a log: origin, number of entries, root hash (32 bytes), extension lines (normally none)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The note text to sign. Raises FormatError for values that no checkpoint may have."""
        text = "\n".join([self.origin, str(self.size), b64(self.root), *self.extensions, ""])
        if Checkpoint.parse(text) != self:
            raise FormatError("not a checkpoint")
        return text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note, NOT its signatures (see `open_checkpoint`). Raises FormatError."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise FormatError("not a checkpoint")
        return cls(lines[0], _number(lines[1]), _hash(lines[2]), tuple(lines[3:]))


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The checkpoint as a note signed by the log, whose key name is the origin."""
    return sign_note(checkpoint.to_text(), checkpoint.origin, key)


def open_checkpoint(
    note: str | bytes, log: VerifierKey, witnesses: Collection[VerifierKey] = (), quorum: int = 0
) -> Checkpoint:
    """Checkpoint of the log whose key (named as its origin) is given, seen by `quorum` of the witnesses.

    Raises FormatError; BadSignature when the log's or a witness's signature is missing or wrong; Refused for
    another log's checkpoint or too few witnesses.
    """
    # A witness named like the log would stand in for it, and the log must not witness itself.
    text, names = open_note(note, [log, *(key for key in witnesses if key.name != log.name)])
    if log.name not in names:
        raise BadSignature("the checkpoint is not signed by the log")
    if len(names) - 1 < quorum:
        raise Refused("too few witnesses signed the checkpoint")
    checkpoint = Checkpoint.parse(text)
    if checkpoint.origin != log.name:
        raise Refused("the checkpoint is of another log")
    return checkpoint


@dataclass(frozen=True)
class LogProof:
    """Offline proof that an entry is in a log: index, sibling hashes, signed checkpoint, application data.

    `extra` is not authenticated; in our logs it is the 32 random bytes with which the entry begins.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def to_text(self) -> str:
        """The proof file (`.tlog-proof`). Raises FormatError for values that no proof may have."""
        extra = [] if self.extra is None else [f"extra {b64(self.extra)}"]
        hashes = [b64(one) for one in self.hashes]
        text = "\n".join([_HEADER, *extra, f"index {self.index}", *hashes, "", self.checkpoint])
        if LogProof.parse(text) != self:
            raise FormatError("not a log proof")
        return text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a proof file; nothing is checked but its form. Raises FormatError."""
        head, blank, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != _HEADER or not blank:
            raise FormatError("not a log proof")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = unb64(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index ") or len(lines) > _MAX_PROOF + 1:
            raise FormatError("not a log proof")
        if extra is not None and not 0 < len(extra) <= _MAX_EXTRA:
            raise FormatError("the extra data of a log proof is empty or too long")
        Checkpoint.parse(split_note(checkpoint)[0])
        index = _number(lines[0].removeprefix("index "))
        return cls(index, tuple(_hash(line) for line in lines[1:]), checkpoint, extra)

    def check(
        self, entry: bytes, log: VerifierKey, witnesses: Collection[VerifierKey] = (), quorum: int = 0
    ) -> Checkpoint:
        """Check that `entry` is in the log and return the checkpoint that says so.

        Raises as `open_checkpoint` and `check_inclusion` do.
        """
        checkpoint = open_checkpoint(self.checkpoint, log, witnesses, quorum)
        check_inclusion(record_hash(entry), self.index, checkpoint.size, self.hashes, checkpoint.root)
        return checkpoint


def make_proof(index: int, checkpoint_note: str, read_tile: ReadTile, extra: bytes | None = None) -> LogProof:
    """Proof for entry `index` against a checkpoint of our own log, whose size its text gives.

    Raises FormatError for a malformed checkpoint, Refused when the entry is not in the tree or the tiles do
    not lead to the root: a damaged store must not hand out proofs that fail later.
    """
    text, _ = split_note(checkpoint_note)
    checkpoint = Checkpoint.parse(text)
    tree = Tree(checkpoint.size, read_tile)
    hashes = tree.inclusion_proof(index)
    check_inclusion(tree.leaf_hash(index), index, checkpoint.size, hashes, checkpoint.root)
    return LogProof(index, tuple(hashes), checkpoint_note, extra)
