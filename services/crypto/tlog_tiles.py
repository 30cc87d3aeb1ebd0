"""The log as static files: tiles of 256 hashes from which any root and any proof can be computed.

A full tile never changes once written, so storing, caching and mirroring need no trust in whoever does it.
Nothing here reads or writes: storage comes in as `read_tile` and goes out as a mapping of new files.
Source: C2SP tlog-tiles.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from services.crypto.errors import FormatError, Refused
from services.crypto.tlog_proof import HASH_SIZE, MAX_SIZE, fold, root_of, split_point

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_LEVEL = 63
MAX_ENTRY = 0xFFFF
ENTRIES = -1
"""The level under which entry bundles are named, beside the tiles of hashes at 0, 1, ..."""

# At most 2^63 entries, so tile numbers have at most six groups of three digits.
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,5}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class TileId(NamedTuple):
    """Name of a tile: level (ENTRIES for a bundle of entries), number in its level, width 1..256."""

    level: int
    number: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Path below the prefix of the log, such as `tile/0/x001/234.p/5`."""
        return tile_path(*self)


ReadTile = Callable[[int, int, int], bytes]
"""(level, index, width) -> bytes. When the partial file is gone, a reader may cut a wider one instead."""


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Path of a tile or entry bundle below the prefix of the log. Raises Refused for an impossible tile."""
    if not (ENTRIES <= level <= MAX_LEVEL and 0 <= index < 1000**6 and 1 <= width <= TILE_WIDTH):
        raise Refused("there is no such tile")
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    kind = "entries" if level == ENTRIES else str(level)
    return f"tile/{kind}/{'/'.join(groups)}" + ("" if width == TILE_WIDTH else f".p/{width}")


def parse_tile_path(path: str) -> TileId:
    """Inverse of `tile_path`; exactly one spelling of each tile is accepted, else FormatError."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise FormatError("not the path of a tile")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = int(match["width"] or TILE_WIDTH)
    tile = TileId(level, index, width)
    if level > MAX_LEVEL or width > TILE_WIDTH or tile.path != path:
        raise FormatError("not the path of a tile")
    return tile


def tiles_of(size: int) -> Iterator[TileId]:
    """Every tile of hashes that a log of `size` entries serves, level by level."""
    level, count = 0, size
    while count:
        yield from _level_tiles(level, 0, count)
        level, count = level + 1, count >> TILE_HEIGHT


def _level_tiles(level: int, start: int, end: int) -> Iterator[TileId]:
    """Tiles that hold the hashes numbered start..end-1 of a level, when the level ends at `end`."""
    for index in range(start >> TILE_HEIGHT, -(-end // TILE_WIDTH)):
        yield TileId(level, index, min(TILE_WIDTH, end - index * TILE_WIDTH))


class Tree:
    """The Merkle tree of the first `size` entries, computed from tiles that are read once each.

    Tiles are taken as they come. A reader that does not trust its source compares `root()` with a signed
    checkpoint and checks every proof against that root.
    """

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise Refused("there is no tree of this size")
        self.size = size
        self._read_tile = read_tile
        self._tiles: dict[tuple[int, int], bytes] = {}

    def root(self) -> bytes:
        """Root hash, 32 bytes; that of the empty tree for size 0."""
        return self._range(0, self.size)

    def leaf_hash(self, index: int) -> bytes:
        """Merkle leaf hash of entry `index`. Raises Refused outside the tree."""
        if not 0 <= index < self.size:
            raise Refused("the index is outside the tree")
        return self._subtree(0, index)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Sibling hashes of leaf `index` from the leaf upwards (RFC 6962 2.1.1). Raises Refused outside."""
        if not 0 <= index < self.size:
            raise Refused("the index is outside the tree")
        proof, lo, hi = [], 0, self.size
        while hi - lo > 1:
            middle = lo + split_point(hi - lo)
            if index < middle:
                proof.append(self._range(middle, hi))
                hi = middle
            else:
                proof.append(self._range(lo, middle))
                lo = middle
        return proof[::-1]

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """Proof that this tree begins with the tree of `old_size` entries (RFC 6962 2.1.2).

        Empty for size 0 and for the same size. Raises Refused for a larger size.
        """
        if not 0 <= old_size <= self.size:
            raise Refused("the sizes of the trees are out of order")
        if old_size == 0:
            return []
        proof, lo, hi = [], 0, self.size
        while hi != old_size:
            middle = lo + split_point(hi - lo)
            if old_size <= middle:
                proof.append(self._range(middle, hi))
                hi = middle
            else:
                proof.append(self._range(lo, middle))
                lo = middle
        if lo:  # otherwise this node is the old root, which the verifier has
            proof.append(self._range(lo, hi))
        return proof[::-1]

    def _range(self, lo: int, hi: int) -> bytes:
        """Hash of leaves lo..hi-1 where lo, as in all of RFC 6962, starts the subtrees it is cut into."""
        subtrees = []
        while lo < hi:
            height = (hi - lo).bit_length() - 1
            subtrees.append(self._subtree(height, lo >> height))
            lo += 1 << height
        return fold(subtrees)

    def _subtree(self, height: int, index: int) -> bytes:
        """Hash of complete subtree number `index` of this height, from the one tile that spans it."""
        level, inner = divmod(height, TILE_HEIGHT)
        first = index << inner
        tile = self._tile(level, first >> TILE_HEIGHT)
        offset = first % TILE_WIDTH * HASH_SIZE
        return root_of(_hashes(tile[offset : offset + (HASH_SIZE << inner)]))

    def _tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._tiles:
            width = min(TILE_WIDTH, (self.size >> level * TILE_HEIGHT) - index * TILE_WIDTH)
            self._tiles[level, index] = _checked(self._read_tile(level, index, width), width)
        return self._tiles[level, index]


def _checked(tile: bytes, width: int) -> bytes:
    if len(tile) != width * HASH_SIZE:
        raise FormatError("a tile has the wrong length")
    return tile


def _hashes(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_SIZE] for at in range(0, len(tile), HASH_SIZE)]


def root(size: int, read_tile: ReadTile) -> bytes:
    """Root hash of the first `size` entries, 32 bytes."""
    return Tree(size, read_tile).root()


def inclusion_proof(index: int, size: int, read_tile: ReadTile) -> list[bytes]:
    """See `Tree.inclusion_proof`."""
    return Tree(size, read_tile).inclusion_proof(index)


def consistency_proof(old_size: int, new_size: int, read_tile: ReadTile) -> list[bytes]:
    """See `Tree.consistency_proof`."""
    return Tree(new_size, read_tile).consistency_proof(old_size)


def tiles_for_append(
    old_size: int, new_leaf_hashes: Sequence[bytes], read_tile: ReadTile
) -> dict[TileId, bytes]:
    """All tiles to store when leaves follow the first `old_size` entries: new ones and wider partial ones.

    `read_tile` is asked only for the partial tiles of the old tree, at most one a level. Raises FormatError
    for a leaf hash or a stored tile of the wrong length.
    """
    if any(len(leaf) != HASH_SIZE for leaf in new_leaf_hashes):
        raise FormatError("a leaf hash is not 32 bytes long")
    out: dict[TileId, bytes] = {}
    level, start, added = 0, old_size, list(new_leaf_hashes)
    while added:
        full = []
        for tile, data in _append_level(level, start, added, read_tile):
            out[tile] = data
            if tile.width == TILE_WIDTH:
                full.append(root_of(_hashes(data)))
        level, start, added = level + 1, start >> TILE_HEIGHT, full
    return out


def _append_level(
    level: int, start: int, added: list[bytes], read_tile: ReadTile
) -> Iterator[tuple[TileId, bytes]]:
    first, kept = divmod(start, TILE_WIDTH)
    old = _checked(read_tile(level, first, kept), kept) if kept else b""
    data = old + b"".join(added)
    for tile in _level_tiles(level, start, start + len(added)):
        at = (tile.number - first) * TILE_WIDTH * HASH_SIZE
        yield tile, data[at : at + tile.width * HASH_SIZE]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entry bundle: each entry after its length as u16. Raises Refused for an entry over 65,535 bytes."""
    if len(entries) > TILE_WIDTH or any(len(entry) > MAX_ENTRY for entry in entries):
        raise Refused("the entries do not fit a bundle")
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """Entries of a bundle, 1 to 256. Raises FormatError when it is cut, empty or too long."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start])
        if start > len(data) or at > len(data) or len(entries) == TILE_WIDTH:
            raise FormatError("the entry bundle is malformed")
        entries.append(data[start:at])
    if not entries:
        raise FormatError("the entry bundle is empty")
    return entries


def bundles_for_append(
    old_size: int, new_entries: Sequence[bytes], read_tile: ReadTile
) -> dict[TileId, bytes]:
    """All entry bundles to store when entries follow the first `old_size` ones; level ENTRIES.

    `read_tile` is asked only for the partial bundle of the old log, if there is one.
    """
    first, kept = divmod(old_size, TILE_WIDTH)
    old = decode_bundle(read_tile(ENTRIES, first, kept)) if kept and new_entries else []
    if new_entries and len(old) != kept:
        raise FormatError("an entry bundle has the wrong number of entries")
    entries = [*old, *new_entries]
    out = {}
    for tile in _level_tiles(ENTRIES, old_size, old_size + len(new_entries)) if new_entries else ():
        at = (tile.number - first) * TILE_WIDTH
        out[tile] = encode_bundle(entries[at : at + tile.width])
    return out
