"""Every public age vector behaves as it says, down to the last byte that may be released before an error."""

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.crypto import age
from services.crypto.errors import CryptoError, FormatError, Refused, WrongKey

FOLDER = Path(__file__).parent / "vectors" / "age"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".md" and path.name[0] != ".")
KNOWN_KEYS = {"expect", "payload", "identity", "passphrase", "armored", "compressed", "file key", "comment"}
# Kind of failure in a vector -> our exceptions, and how their text starts.
FAILURES: dict[str, tuple[tuple[type[CryptoError], ...], str]] = {
    "no match": ((WrongKey,), "age file: no identity"),
    "HMAC failure": ((FormatError,), "age header: wrong MAC"),
    "header failure": ((FormatError, Refused), "age header: "),
    "payload failure": ((FormatError,), "age payload: "),
    "armor failure": ((FormatError,), "armor: "),
}


@dataclass(frozen=True)
class Vector:
    fields: list[tuple[str, str]]
    file: bytes

    def all(self, key: str) -> list[str]:
        return [value for found, value in self.fields if found == key]

    def one(self, key: str, default: str = "") -> str:
        return next(iter(self.all(key)), default)


def load(name: str) -> Vector:
    head, _, file = (FOLDER / name).read_bytes().partition(b"\n\n")
    fields = [(key, value) for key, value in (line.split(": ", 1) for line in head.decode().splitlines())]
    vector = Vector(fields, file)
    return Vector(fields, zlib.decompress(file)) if vector.one("compressed") == "zlib" else vector


def identities(vector: Vector) -> list[age.Identity]:
    keys = [parse_identity(text) for text in vector.all("identity")]
    return [*keys, *(age.Passphrase(text) for text in vector.all("passphrase"))]


def parse_identity(text: str) -> age.Identity:
    hybrid = text.startswith("AGE-SECRET-KEY-PQ-")
    return age.HybridIdentity.parse(text) if hybrid else age.X25519Identity.parse(text)


def run(vector: Vector, piece: int) -> tuple[bytes, CryptoError | None]:
    """What was released, and the error it ended with."""
    released = b""
    try:
        file = age.dearmor(vector.file) if vector.one("armored") == "yes" else vector.file
        pieces = (file[start : start + piece] for start in range(0, len(file), piece))
        for chunk in age.decrypt_stream(pieces, identities(vector)):
            released += chunk
    except CryptoError as error:
        return released, error
    return released, None


def test_all_vectors_are_here_and_understood() -> None:
    assert len(NAMES) == 143
    assert {key for name in NAMES for key, _ in load(name).fields} <= KNOWN_KEYS


@pytest.mark.parametrize("name", NAMES)
def test_vector(name: str) -> None:
    vector = load(name)
    released, error = run(vector, piece=1 << 20)
    if vector.one("expect") == "success":
        assert error is None
    else:
        kinds, text = FAILURES[vector.one("expect")]
        assert type(error) in kinds
        assert str(error).startswith(text)
        assert ("MAC" in str(error) and "wrong" in str(error)) == (vector.one("expect") == "HMAC failure")
    expected = vector.one("payload", hashlib.sha256().hexdigest())
    assert hashlib.sha256(released).hexdigest() == expected


@pytest.mark.parametrize("name", [name for name in NAMES if "compressed" not in dict(load(name).fields)])
@pytest.mark.parametrize("piece", [1, 17])
def test_vector_gives_the_same_when_it_arrives_in_small_pieces(name: str, piece: int) -> None:
    vector = load(name)
    whole, small = run(vector, piece=1 << 20), run(vector, piece)
    assert small[0] == whole[0]
    assert str(small[1]) == str(whole[1])


@pytest.mark.parametrize("name", [name for name in NAMES if load(name).one("expect") == "success"])
def test_whole_file_opener_agrees_with_the_stream(name: str) -> None:
    vector = load(name)
    file = age.dearmor(vector.file) if vector.one("armored") == "yes" else vector.file
    assert hashlib.sha256(age.decrypt(file, identities(vector))).hexdigest() == vector.one("payload")
