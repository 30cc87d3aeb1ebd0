"""The transparency log as a client reads it: is my report in it, and is all of it what was signed."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from services.client.directory import INTAKE, Directories, log_of, verifier
from services.client.errors import Problem, understood
from services.client.http import Http
from services.client.memory import Head
from services.crypto import tlog
from services.crypto.canonical import b64u
from services.crypto.directories import Directory
from services.crypto.errors import FormatError, Refused
from services.crypto.notes import VerifierKey
from services.crypto.promises import entry

QUORUM = 2


@dataclass(frozen=True)
class Included:
    """An entry was found: its index in the log of `size` entries; `witnessed` if two witnesses saw that head."""

    origin: str
    index: int
    size: int
    witnessed: bool


@dataclass(frozen=True)
class Verified:
    """The whole log was rebuilt and is the signed one; `grown_from` is the size this client saw before."""

    origin: str
    size: int
    root: bytes
    tiles: int
    grown_from: int | None


def find_leaf(
    http: Http, directories: Directories, leaf: bytes, origin: str | None = None
) -> Included | None:
    """The checked proof that a leaf is in the log, or None while it is not published. Errors: CryptoError."""
    try:
        text = http.get(f"{INTAKE}/log/proofs/{b64u(leaf)}").body
    except Problem as exc:
        if exc.slug != "not-published":
            raise
        return None
    directory = directories.current()
    log = log_of(directory, origin)
    with understood():
        proof = tlog.LogProof.parse(text.decode())
        if proof.extra is None:
            raise FormatError("the proof lacks the random part of the entry")
        checkpoint = proof.check(entry(proof.extra, leaf), verifier(log), *_witnesses(directory))
    _follow(directories, checkpoint)
    return Included(log.origin, proof.index, checkpoint.size, bool(_witnesses(directory)[1]))


def verify_log(
    http: Http, directories: Directories, progress: Callable[[int, int], None] | None = None
) -> Verified:
    """Fetch every entry and every tile, rebuild the root, compare it with the signed checkpoint.

    `progress` is called with files read and files in all. Errors: Problem `not-published` for an empty log;
    CryptoError for any difference, also from what this client saw before.
    """
    directory = directories.current()
    log = log_of(directory)
    with understood():
        note = http.get(f"{INTAKE}/log/checkpoint").body
        checkpoint = tlog.open_checkpoint(note, verifier(log), *_witnesses(directory))
        reader = _Reader(http, checkpoint.size, progress)
        hashes = reader.entries()
        tiles = reader.compare_tiles(hashes)
        if tlog.root_of(hashes) != checkpoint.root:
            raise Refused("the entries do not lead to the signed root")
        known = directories.memory.head(log.origin)
        if known is not None:
            _check_head(known, checkpoint, hashes)
    _follow(directories, checkpoint)
    return Verified(log.origin, checkpoint.size, checkpoint.root, tiles, known.size if known else None)


class _Reader:
    """Fetches the files of a log of `size` entries."""

    def __init__(self, http: Http, size: int, progress: Callable[[int, int], None] | None) -> None:
        self._http, self._size, self._progress = http, size, progress
        self._done, self._all = 0, len(self._bundles()) + sum(1 for _ in tlog.tiles_of(size))

    def entries(self) -> list[bytes]:
        """The Merkle leaf hash of every entry."""
        hashes: list[bytes] = []
        for tile in self._bundles():
            found = tlog.decode_bundle(self._fetch(tile))
            if len(found) != tile.width:
                raise Refused("an entry bundle has the wrong number of entries")
            hashes += map(tlog.record_hash, found)
        return hashes

    def compare_tiles(self, hashes: list[bytes]) -> int:
        """The number of tiles, all of them equal to what the entries give. Error: Refused."""
        # From an empty log no tile is read, so the reader is never asked.
        made = tlog.tiles_for_append(0, hashes, lambda level, index, width: b"")
        for tile in tlog.tiles_of(self._size):
            if sha256(self._fetch(tile)).digest() != sha256(made[tile]).digest():
                raise Refused("a tile differs from the entries")
        return sum(1 for _ in tlog.tiles_of(self._size))

    def _bundles(self) -> list[tlog.TileId]:
        width = tlog.TILE_WIDTH
        return [
            tlog.TileId(tlog.ENTRIES, start // width, min(width, self._size - start))
            for start in range(0, self._size, width)
        ]

    def _fetch(self, tile: tlog.TileId) -> bytes:
        data = self._http.get(f"{INTAKE}/log/{tile.path}").body
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._all)
        return data


def _check_head(known: Head, checkpoint: tlog.Checkpoint, hashes: list[bytes]) -> None:
    if checkpoint.size < known.size:
        raise Refused("the log has shrunk since it was last seen")
    if tlog.root_of(hashes[: known.size]) != known.root:
        raise Refused("the log was rewritten since it was last seen")


def _follow(directories: Directories, checkpoint: tlog.Checkpoint) -> None:
    """Remember a head; the same size with another root convicts the log. Error: Refused."""
    known = directories.memory.head(checkpoint.origin)
    if known is not None and known.size == checkpoint.size and known.root != checkpoint.root:
        raise Refused("the log shows two heads of one size")
    directories.memory.saw_head(checkpoint.origin, Head(checkpoint.size, checkpoint.root))


def _witnesses(directory: Directory) -> tuple[list[VerifierKey], int]:
    """The witnesses and how many must have signed; none in a development installation."""
    keys = [VerifierKey.parse(vkey) for vkey in directory.witnesses]
    return keys, QUORUM if len(keys) >= QUORUM else 0
