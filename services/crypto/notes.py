"""Signed notes: a text that any C2SP tool can check, with one line for each signature.

The text of a note counts only after `open_note`: a signature by a known key that fails spoils the note,
signatures by unknown keys are passed over, and a note without a good one is refused.
Source: C2SP signed-note (Ed25519, type 0x01) and tlog-cosignature (Ed25519 with a time, type 0x04).
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from services.crypto.canonical import b64, unb64
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.signatures import SigningKey, verify_raw

SIGNATURE = 0x01
COSIGNATURE = 0x04
MAX_NOTE = 512 * 1024
MAX_SIGNATURES = 64
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_SIZE, _KEY_ID_SIZE, _TIME_SIZE, _MAX_TIME = 32, 4, 8, 2**63 - 1


def check_name(name: str) -> str:
    """The key name itself, or FormatError: not empty, no space of any kind, no plus, no control character."""
    if not name or any(char.isspace() or char == "+" or char < " " for char in name):
        raise FormatError("not a key name")
    _utf8(name)
    return name


@dataclass(frozen=True)
class VerifierKey:
    """Who may sign: name, 32-byte Ed25519 public key, kind SIGNATURE (0x01) or COSIGNATURE (0x04)."""

    name: str
    public: bytes
    kind: int = SIGNATURE

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != _KEY_SIZE or self.kind not in (SIGNATURE, COSIGNATURE):
            raise FormatError("not an Ed25519 verifier key")

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name | newline | kind | public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._material).digest()[:_KEY_ID_SIZE]

    @property
    def _material(self) -> bytes:
        return bytes([self.kind]) + self.public

    def __str__(self) -> str:
        """The vkey: `<name>+<key id in hex>+<base64 of kind and public key>`."""
        return f"{self.name}+{self.key_id.hex()}+{b64(self._material)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a vkey. Raises FormatError, also when the key id is not that of the name and key."""
        name, *rest = text.split("+", 2)
        material = unb64(rest[1]) if len(rest) == 2 else b""
        if not material:
            raise FormatError("not a verifier key")
        key = cls(name, material[1:], material[0])
        if str(key) != text:
            raise FormatError("not a verifier key")
        return key

    def check(self, text: str, signature: bytes) -> None:
        """Check the bytes after the key id of a signature line. Raises BadSignature."""
        message = _utf8(text)
        if self.kind == COSIGNATURE:
            time, signature = int.from_bytes(signature[:_TIME_SIZE]), signature[_TIME_SIZE:]
            if time > _MAX_TIME:
                raise BadSignature("the time of a cosignature is out of range")
            message = _cosigned(text, time)
        verify_raw(self.public, message, signature)


class OpenedNote(NamedTuple):
    """Text of a note, and the names of the keys whose signatures were checked, each once, in note order."""

    text: str
    names: tuple[str, ...]


class Cosignature(NamedTuple):
    """A witness saw this text at `time` (POSIX seconds); `line` is the signature line with its newline."""

    time: int
    line: str


def sign_note(text: str, name: str, key: SigningKey) -> str:
    """The note `text` (which must end in a newline) signed by `key` under `name`.

    Raises FormatError for a name or a text that no note may have.
    """
    _check_text(text)
    # Signed as it stands, without our label, so that other people's tools can check it. A labelled message
    # ends in canonical JSON, never in a newline as every note text does: neither can pass for the other.
    return text + "\n" + _line(VerifierKey(name, key.verify_key), key.sign_raw(text.encode()))


def cosign(note: str, name: str, key: SigningKey, now: int) -> str:
    """The same note with a witness's line added: a signature over the text and `now` (POSIX seconds)."""
    text, _ = split_note(note)
    signature = now.to_bytes(_TIME_SIZE) + key.sign_raw(_cosigned(text, now))
    return note + _line(VerifierKey(name, key.verify_key, COSIGNATURE), signature)


def cosignature_lines(note: str | bytes, keys: Iterable[VerifierKey]) -> dict[VerifierKey, "Cosignature"]:
    """The good cosignatures of a note by key; wrong lines and unknown keys are passed over.

    For whoever collects cosignatures one by one; what is served as a whole is checked by `open_note`.
    Raises FormatError for a malformed note.
    """
    known = {(key.name, key.key_id): key for key in keys if key.kind == COSIGNATURE}
    text, lines = split_note(note)
    found: dict[VerifierKey, Cosignature] = {}
    for name, key_id, signature in lines:
        key = known.get((name, key_id))
        if key is None or key in found:
            continue
        try:
            key.check(text, signature)
        except BadSignature:
            continue
        found[key] = Cosignature(int.from_bytes(signature[:_TIME_SIZE]), _line(key, signature))
    return found


def open_note(note: str | bytes, keys: Iterable[VerifierKey]) -> OpenedNote:
    """Text and verified names of a note.

    Raises FormatError for a malformed note; BadSignature when no known key signed it or a known key's
    signature is wrong; Refused when two of `keys` cannot be told apart by name and key id.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise Refused("two verifier keys have one name and key id")
    text, lines = split_note(note)
    names: dict[str, None] = {}
    for name, key_id, signature in lines:
        if (name, key_id) in known:
            known[name, key_id].check(text, signature)
            names[name] = None
    if not names:
        raise BadSignature("the note is signed by no known key")
    return OpenedNote(text, tuple(names))


def split_note(note: str | bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Text and signature lines (name, key id, signature) of a note, NOT checked. Raises FormatError."""
    data = note if isinstance(note, bytes) else _utf8(note)
    if len(data) > MAX_NOTE:
        raise FormatError("the note is too long")
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        raise FormatError("the note is not UTF-8") from None
    head, blank, tail = decoded.rpartition("\n\n")
    text = head + "\n"
    if not blank or not tail.endswith("\n"):
        raise FormatError("the note has no signatures")
    _check_text(text)
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise FormatError("the note has too many signatures")
    return text, [_parse_line(line) for line in lines]


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    dash, *fields = line.split(" ")
    if dash != "—" or len(fields) != 2:
        raise FormatError("a signature line is malformed")
    data = unb64(fields[1])
    if len(data) <= _KEY_ID_SIZE:
        raise FormatError("a signature line is malformed")
    return check_name(fields[0]), data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:]


def _line(key: VerifierKey, signature: bytes) -> str:
    return f"— {key.name} {b64(key.key_id + signature)}\n"


def _check_text(text: str) -> None:
    _utf8(text)
    if not text.endswith("\n") or _CONTROL.search(text):
        raise FormatError("not the text of a note")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise FormatError("the note is not UTF-8") from None


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()
