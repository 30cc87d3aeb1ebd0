"""A witness of the log: it signs a head only if that head continues every head it signed before.

Its memory is its honesty: the new head is on disk before the cosignature leaves, and without a memory nothing is
signed. A log that shrank, or shows two trees, is refused and convicts itself: both signed notes are kept.
Source: C2SP tlog-witness and tlog-cosignature; intake opens no connection outwards, so the witness comes to the log.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.client.directory import INTAKE, Directories, log_of, utc_now, verifier
from services.client.errors import Problem, understood
from services.client.http import Http
from services.crypto import rules, tlog
from services.crypto.canonical import b64u, dumps, loads, members, unb64u
from services.crypto.errors import CryptoError, FormatError, Refused
from services.crypto.notes import COSIGNATURE, VerifierKey, check_name, cosign, cosignature_lines, split_note
from services.crypto.signatures import SigningKey
from services.kit.files import write_private

KEY, STATE = "witness.key", "witness.json"


@dataclass(frozen=True)
class Seen:
    """The last head that was signed: size, root, and the note as the log signed it."""

    size: int
    root: bytes
    note: str = field(repr=False)


class Misbehaviour(Refused):
    """The log signed something that it must never sign; `known` and `shown` are the two notes that convict it."""

    def __init__(self, reason: str, known: Seen, shown: str) -> None:
        super().__init__(reason)
        self.known, self.shown = known, shown


class LostState(Exception):
    """The memory of a witness is missing or damaged. It must not sign again under this key."""


def judge(known: Seen | None, note: str, checkpoint: tlog.Checkpoint, read_tile: tlog.ReadTile) -> Seen:
    """The head to remember, if the tiles show that `checkpoint` continues what is known.

    Errors: Misbehaviour for a smaller tree, another tree of the same size, or one that does not continue the old one.
    """
    if known is None:
        if tlog.root(checkpoint.size, read_tile) != checkpoint.root:
            raise Refused("the tiles do not lead to the signed root")
        return Seen(checkpoint.size, checkpoint.root, note)
    if checkpoint.size < known.size:
        raise Misbehaviour("the log was rolled back", known, note)
    if checkpoint.size == known.size and checkpoint.root != known.root:
        raise Misbehaviour("the log shows two heads of one size", known, note)
    _check_growth(known, note, checkpoint, read_tile)
    return Seen(checkpoint.size, checkpoint.root, note)


def _check_growth(known: Seen, note: str, checkpoint: tlog.Checkpoint, read_tile: tlog.ReadTile) -> None:
    proof = tlog.consistency_proof(known.size, checkpoint.size, read_tile)
    try:
        tlog.check_consistency(known.size, known.root, checkpoint.size, checkpoint.root, proof)
    except Refused:
        raise Misbehaviour("the log was rewritten", known, note) from None


@dataclass(frozen=True)
class Folder:
    """Where a witness lives: its key, its memory, the evidence it kept. All files have mode 0600."""

    path: Path

    def make(self, name: str) -> VerifierKey:
        """A new witness with an empty memory. Errors: FileExistsError, FormatError for what is no key name."""
        check_name(name)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in (KEY, STATE):
            if (self.path / file).exists():
                raise FileExistsError(17, "File exists", file)
        key = SigningKey.generate()
        write_private(self.path / KEY, json.dumps({"name": name, "seed": b64u(key.seed)}).encode())
        self.remember({})
        return VerifierKey(name, key.verify_key, COSIGNATURE)

    def key(self) -> tuple[str, SigningKey]:
        """Name and signing key. Errors: OSError, FormatError."""
        found = _json((self.path / KEY).read_bytes())
        if not isinstance(found, dict) or set(found) != {"name", "seed"}:
            raise FormatError("not the key of a witness")
        return check_name(rules.text(found["name"], 255)), SigningKey.from_seed(unb64u(found["seed"], 32))

    def vkey(self) -> VerifierKey:
        """What the key directory names. Errors as `key`."""
        name, key = self.key()
        return VerifierKey(name, key.verify_key, COSIGNATURE)

    def memory(self) -> dict[str, Seen]:
        """The last head by origin of the log. Error: LostState, also for a file that somebody changed by mistake."""
        try:
            found = loads((self.path / STATE).read_bytes())
            if not isinstance(found, dict):
                raise FormatError("not the memory of a witness")
            return {origin: _seen(origin, value) for origin, value in found.items()}
        except (CryptoError, OSError):
            raise LostState from None

    def remember(self, heads: dict[str, Seen]) -> None:
        """Replace the memory; it is on disk when this returns. Error: OSError."""
        lines = {origin: {"note": seen.note} for origin, seen in heads.items()}
        write_private(self.path / STATE, dumps(lines))

    def convict(self, found: Misbehaviour) -> Path:
        """Keep both signed notes; the file. Error: OSError."""
        content: dict[str, Any] = {
            "known": found.known.note,
            "reason": str(found),
            "seen": rules.instant_text(datetime.now(UTC)),
            "shown": found.shown,
        }
        name = sha256((found.known.note + found.shown).encode()).hexdigest()[:16]
        path = self.path / f"evidence-{name}.json"
        write_private(path, json.dumps(content, indent=1, ensure_ascii=False).encode())
        return path


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise FormatError("not JSON") from None


def _seen(origin: str, value: Any) -> Seen:
    """A remembered head. Only the note is stored, so that size and root cannot differ from it."""
    note = members(value, ("note",))["note"]
    if not isinstance(note, str):
        raise FormatError("not a note")
    checkpoint = tlog.Checkpoint.parse(split_note(note)[0])
    if checkpoint.origin != origin:
        raise FormatError("the note is of another log")
    return Seen(checkpoint.size, checkpoint.root, note)


@dataclass(frozen=True)
class Signed:
    """What one visit did: the head, and whether the log has this witness's cosignature now for the first time."""

    origin: str
    size: int
    root: bytes
    fresh: bool


@dataclass(frozen=True)
class Witness:
    """A witness and the log it follows. The caller holds the folder alone (see `services.cli.witness`)."""

    folder: Folder
    http: Http
    directories: Directories
    clock: Callable[[], datetime] = utc_now

    def visit(self, origin: str | None = None) -> Signed | None:
        """Look at the newest head and cosign it; None while the log has not begun.

        Errors: LostState; Misbehaviour (evidence is the caller's to keep); CryptoError, Problem, Unreachable.
        """
        heads, (name, key) = self.folder.memory(), self.folder.key()
        log = verifier(log_of(self.directories.current(), origin))
        note = self._checkpoint()
        if note is None:
            if log.name in heads:
                raise Misbehaviour("the log was rolled back", heads[log.name], "")
            return None
        checkpoint = tlog.open_checkpoint(note, log)
        seen = judge(heads.get(log.name), note, checkpoint, self._tile)
        if self._has_mine(note):
            return Signed(log.name, seen.size, seen.root, fresh=False)
        # On disk first: a witness that signs and forgets could sign another tree tomorrow.
        self.folder.remember({**heads, log.name: seen})
        self._post(cosign(_bare(note, log), name, key, int(self.clock().timestamp())))
        return Signed(log.name, seen.size, seen.root, fresh=True)

    def _checkpoint(self) -> str | None:
        try:
            body = self.http.get(f"{INTAKE}/log/checkpoint").body
        except Problem as exc:
            if exc.slug != "not-published":
                raise
            return None
        with understood():
            return body.decode()

    def _tile(self, level: int, index: int, width: int) -> bytes:
        return self.http.get(f"{INTAKE}/log/{tlog.tile_path(level, index, width)}").body

    def _has_mine(self, note: str) -> bool:
        return bool(cosignature_lines(note, [self.folder.vkey()]))

    def _post(self, note: str) -> None:
        # Safe to repeat: the log keeps one line of each witness for each size.
        self.http.post(f"{INTAKE}/log/cosignatures", {"note": note})


def _bare(note: str, log: VerifierKey) -> str:
    """The note with the log's own line only, so that what is sent does not grow with the number of witnesses."""
    text, _lines = split_note(note)
    signatures = note[len(text) + 1 :].splitlines(keepends=True)
    return text + "\n" + "".join(line for line in signatures if line.split(" ")[1] == log.name)
