"""The transparency log as a client reads it: is my report in it, is all of it what was signed, who else saw it.

With two witnesses in the directory, a head that they have not signed counts for 48 hours only: the log must show a
head they signed within that time, from which the present one grew, and an entry must be under such a head 48 hours
after its promise was due. So a log can hold back its witnesses for two days, never for good.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256

from services.client.directory import INTAKE, Directories, log_of, verifier
from services.client.errors import Problem, understood
from services.client.http import Http
from services.client.memory import Head
from services.crypto import tlog
from services.crypto.canonical import b64u
from services.crypto.directories import Directory
from services.crypto.errors import FormatError, Refused
from services.crypto.notes import VerifierKey, cosignature_lines
from services.crypto.promises import WITHIN_HOURS, entry

QUORUM = tlog.QUORUM
_LAST_SECOND = 253_402_300_799  # of the year 9999
GRACE = timedelta(hours=48)
"""How long a head may go without its witnesses."""

#: A promise is kept so long after the end of its day, which may be a day of any time zone.
_PROMISED = timedelta(hours=WITHIN_HOURS) + timedelta(days=1)


class Standing(StrEnum):
    """Who vouches for a head of the log, beside the authority that signed it."""

    WITNESSED = "witnessed"
    NOT_YET = "not-yet-witnessed"
    NO_WITNESSES = "no-witnesses"


@dataclass(frozen=True)
class Included:
    """An entry was found: its index in the log of `size` entries, and who saw that head."""

    origin: str
    index: int
    size: int
    standing: Standing = Standing.NO_WITNESSES

    @property
    def witnessed(self) -> bool:
        """Whether two independent witnesses saw that head."""
        return self.standing is Standing.WITNESSED


@dataclass(frozen=True)
class Verified:
    """The whole log was rebuilt and is the signed one; `grown_from` is the size this client saw before.

    `standing` says who saw its head.
    """

    origin: str
    size: int
    root: bytes
    tiles: int
    grown_from: int | None
    standing: Standing = Standing.NO_WITNESSES


def find_leaf(
    http: Http,
    directories: Directories,
    leaf: bytes,
    origin: str | None = None,
    promised_on: date | None = None,
) -> Included | None:
    """The checked proof that a leaf is in the log, or None while it is not published.

    `promised_on` is the day of the promise; with it, an entry that no witness saw 48 hours after it was due is
    refused. Errors: CryptoError.
    """
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
        checkpoint = proof.check(entry(proof.extra, leaf), verifier(log))
        standing = _Standings(http, directories.clock(), directory, verifier(log)).of(proof.checkpoint)
    if standing is Standing.NOT_YET and too_late(promised_on, directory.valid_from, directories.clock()):
        raise Refused("no witness saw this entry in time")
    _follow(directories, checkpoint)
    return Included(log.origin, proof.index, checkpoint.size, standing)


def too_late(promised_on: date | None, witnesses_since: datetime, now: datetime) -> bool:
    """Whether an entry promised on a day must have been seen by the witnesses by now.

    `witnesses_since` is the start of the directory that names them.
    """
    if promised_on is None:
        return False
    due = datetime.combine(promised_on, time(), UTC) + timedelta(days=1) + _PROMISED
    return now > max(due, witnesses_since) + GRACE


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
        note = http.get(f"{INTAKE}/log/checkpoint").body.decode()
        checkpoint = tlog.open_checkpoint(note, verifier(log))
        reader = _Reader(http, checkpoint.size, progress)
        hashes = reader.entries()
        tiles = reader.compare_tiles(hashes)
        if tlog.root_of(hashes) != checkpoint.root:
            raise Refused("the entries do not lead to the signed root")
        known = directories.memory.head(log.origin)
        if known is not None:
            _check_head(known, checkpoint, hashes)
        standing = _Standings(http, directories.clock(), directory, verifier(log)).of(note)
    _follow(directories, checkpoint)
    grown_from = known.size if known else None
    return Verified(log.origin, checkpoint.size, checkpoint.root, tiles, grown_from, standing)


@dataclass(frozen=True)
class _Standings:
    """Judges heads of one log by the witnesses of a directory."""

    http: Http
    now: datetime
    directory: Directory
    log: VerifierKey

    def of(self, note: str) -> Standing:
        """Who saw this head of the log, whose own signature is good. Errors: CryptoError, Problem.

        Refused when it is not witnessed and nothing witnessed in the last 48 hours leads to it.
        """
        witnesses, quorum = _witnesses(self.directory)
        if not quorum:
            return Standing.NO_WITNESSES
        checkpoint = tlog.open_checkpoint(
            note, self.log, witnesses
        )  # a wrong line of a witness spoils the note
        if self._seen_at(note, witnesses) is not None:
            return Standing.WITNESSED
        if self.now > self.directory.valid_from + GRACE:
            self._check_grown(checkpoint, witnesses)
        return Standing.NOT_YET

    def _check_grown(self, checkpoint: tlog.Checkpoint, witnesses: list[VerifierKey]) -> None:
        try:
            note = self.http.get(f"{INTAKE}/log/checkpoint/witnessed").body.decode()
        except Problem as exc:
            if exc.slug != "not-published":
                raise
            raise Refused("no witness has seen the log") from None
        seen = tlog.open_checkpoint(note, self.log, witnesses, QUORUM)
        when = self._seen_at(note, witnesses)
        if when is None or self.now > when + GRACE:
            raise Refused("no witness has seen the log for 48 hours")
        proof = tlog.consistency_proof(seen.size, checkpoint.size, self._tile)
        tlog.check_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, proof)

    def _seen_at(self, note: str, witnesses: list[VerifierKey]) -> datetime | None:
        """When the quorum was reached, by the clocks of the witnesses; None if it was not."""
        times: dict[str, int] = {}
        for key, found in cosignature_lines(note, witnesses).items():
            if key.name != self.log.name:
                times[key.name] = max(found.time, times.get(key.name, 0))
        newest = sorted(times.values(), reverse=True)
        if len(newest) < QUORUM:
            return None
        return datetime.fromtimestamp(min(newest[QUORUM - 1], _LAST_SECOND), UTC)

    def _tile(self, level: int, index: int, width: int) -> bytes:
        return self.http.get(f"{INTAKE}/log/{tlog.tile_path(level, index, width)}").body


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
    """The witnesses and how many must have signed; none while the directory does not name two."""
    keys = [VerifierKey.parse(vkey) for vkey in directory.witnesses]
    return keys, QUORUM if len(keys) >= QUORUM else 0
