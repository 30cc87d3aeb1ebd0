"""A log is believed only if all of it is what was signed, and it is the log that was seen before."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from services.client.directory import INTAKE, Directories
from services.client.errors import BadAnswer, Problem
from services.client.http import Http
from services.client.log import find_leaf, verify_log
from services.client.memory import Memory
from services.crypto import tlog
from services.crypto.canonical import b64u
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused
from services.crypto.promises import entry
from tests.client.local import Asked, Reply, as_json, http_to, problem, serving
from tests.crypto.builders import NOW, ORIGIN, signer, world


@dataclass
class StaticLog:
    """A log of random entries as files, signed by the world's log key."""

    entries: list[bytes]
    files: dict[str, bytes] = field(default_factory=dict)
    origin: str = ORIGIN

    def __post_init__(self) -> None:
        self.publish()

    @property
    def hashes(self) -> list[bytes]:
        return [tlog.record_hash(one) for one in self.entries]

    def publish(self) -> None:
        nothing = lambda _level, _index, _width: b""  # noqa: E731
        self.files = {
            tile.path: data for tile, data in tlog.tiles_for_append(0, self.hashes, nothing).items()
        }
        self.files |= {
            tile.path: data for tile, data in tlog.bundles_for_append(0, self.entries, nothing).items()
        }
        self.files["checkpoint"] = self.note(len(self.entries), tlog.root_of(self.hashes)).encode()

    def note(self, size: int, root: bytes) -> str:
        return tlog.sign_checkpoint(tlog.Checkpoint(self.origin, size, root), world().log)

    def proof(self, index: int) -> str:
        read = lambda level, number, width: self.files[tlog.tile_path(level, number, width)]  # noqa: E731
        note = self.files["checkpoint"].decode()
        return tlog.make_proof(index, note, read, self.entries[index][:32]).to_text()

    def answer(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix(f"{INTAKE}/")
        if path == "key-directory":
            return as_json(world().document.to_json())
        if path.startswith("log/proofs/"):
            leaf = path.removeprefix("log/proofs/")
            found = [i for i, one in enumerate(self.entries) if b64u(one[32:]) == leaf]
            return Reply(200, self.proof(found[0]).encode()) if found else problem("not-published", 404)
        data = self.files.get(path.removeprefix("log/"))
        return problem("not-published", 404) if data is None else Reply(200, data)


def random_entries(count: int) -> list[bytes]:
    return [entry(os.urandom(32), os.urandom(32)) for _ in range(count)]


def client(url: str, memory: Memory | None = None) -> tuple[Http, Directories]:
    http = http_to(url)
    return http, Directories(http, world().root_keys, memory, lambda: NOW)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
def test_an_honest_log_verifies_at_every_shape(size: int):
    log = StaticLog(random_entries(size))
    seen: list[tuple[int, int]] = []
    with serving(log.answer) as local:
        found = verify_log(*client(local.url), lambda *pair: seen.append(pair))
    assert (found.size, found.root, found.grown_from) == (size, tlog.root_of(log.hashes), None)
    assert found.tiles == len(list(tlog.tiles_of(size)))
    assert seen[-1][0] == seen[-1][1]


def test_growth_is_followed():
    log = StaticLog(random_entries(300))
    with serving(log.answer) as local:
        http, directories = client(local.url)
        verify_log(http, directories)
        log.entries += random_entries(256)
        log.publish()
        found = verify_log(http, directories)
    assert (found.size, found.grown_from) == (556, 300)


def damaged_entry(log: StaticLog) -> None:
    data = log.files["tile/entries/000"]
    log.files["tile/entries/000"] = data[:-1] + bytes([data[-1] ^ 1])


def damaged_tile(log: StaticLog) -> None:
    data = log.files["tile/0/000"]
    log.files["tile/0/000"] = bytes([data[0] ^ 1]) + data[1:]


def damaged_upper_tile(log: StaticLog) -> None:
    data = log.files["tile/1/000.p/1"]
    log.files["tile/1/000.p/1"] = bytes([data[0] ^ 1]) + data[1:]


def short_bundle(log: StaticLog) -> None:
    log.files["tile/entries/001.p/44"] = tlog.encode_bundle(log.entries[256:299])


def other_root(log: StaticLog) -> None:
    log.files["checkpoint"] = log.note(300, bytes(32)).encode()


def other_key(log: StaticLog) -> None:
    checkpoint = tlog.Checkpoint(ORIGIN, 300, tlog.root_of(log.hashes))
    log.files["checkpoint"] = tlog.sign_checkpoint(checkpoint, signer("somebody else")).encode()


def other_origin(log: StaticLog) -> None:
    log.origin = "elsewhere.example/log"
    log.publish()


def swapped_entries(log: StaticLog) -> None:
    swapped = [log.entries[1], log.entries[0], *log.entries[2:256]]
    log.files["tile/entries/000"] = tlog.encode_bundle(swapped)


@pytest.mark.parametrize(
    "damage",
    [damaged_entry, damaged_tile, damaged_upper_tile, short_bundle, other_root, other_key, other_origin,
     swapped_entries],
)  # fmt: skip
def test_any_difference_is_refused(damage: Callable[[StaticLog], None]):
    log = StaticLog(random_entries(300))
    damage(log)
    with serving(log.answer) as local, pytest.raises(CryptoError):
        verify_log(*client(local.url))


def test_a_missing_tile_is_reported():
    log = StaticLog(random_entries(300))
    del log.files["tile/1/000.p/1"]
    with serving(log.answer) as local, pytest.raises(Problem):
        verify_log(*client(local.url))


def test_a_rewritten_or_shrunken_log_is_convicted():
    log = StaticLog(random_entries(300))
    with serving(log.answer) as local:
        http, directories = client(local.url)
        verify_log(http, directories)
        log.entries = random_entries(600)
        log.publish()
        with pytest.raises(Refused, match="rewritten"):
            verify_log(http, directories)
        log.entries = log.entries[:200]
        log.publish()
        with pytest.raises(Refused, match="shrunk"):
            verify_log(http, directories)


def test_two_heads_of_one_size_are_convicted_even_by_a_proof():
    log = StaticLog(random_entries(300))
    with serving(log.answer) as local:
        http, directories = client(local.url)
        assert find_leaf(http, directories, log.entries[0][32:]) is not None
        log.entries = random_entries(300)
        log.publish()
        with pytest.raises(Refused, match="two heads"):
            find_leaf(http, directories, log.entries[0][32:])


def test_a_leaf_is_found_with_its_place():
    log = StaticLog(random_entries(300))
    with serving(log.answer) as local:
        found = find_leaf(*client(local.url), log.entries[17][32:], ORIGIN)
    assert found is not None
    assert (found.index, found.size, found.origin, found.witnessed) == (17, 300, ORIGIN, False)


def test_a_leaf_that_is_not_published_is_none_and_an_unknown_log_is_refused():
    log = StaticLog(random_entries(2))
    with serving(log.answer) as local:
        http, directories = client(local.url)
        assert find_leaf(http, directories, os.urandom(32)) is None
        with pytest.raises(Refused):
            find_leaf(http, directories, log.entries[0][32:], "elsewhere.example/log")


@pytest.mark.parametrize("kind", ["other entry", "other key", "no random part", "no text"])
def test_a_proof_that_proves_something_else_is_refused(kind: str):
    log = StaticLog(random_entries(300))

    def answer(asked: Asked) -> Reply:
        if "/proofs/" not in asked.path:
            return log.answer(asked)
        proof = tlog.LogProof.parse(log.proof(5 if kind == "other entry" else 4))
        if kind == "other key":
            checkpoint = tlog.Checkpoint(ORIGIN, 300, tlog.root_of(log.hashes))
            note = tlog.sign_checkpoint(checkpoint, signer("somebody else"))
            proof = tlog.LogProof(proof.index, proof.hashes, note, proof.extra)
        if kind == "no random part":
            proof = tlog.LogProof(proof.index, proof.hashes, proof.checkpoint)
        return Reply(200, b"\xff" if kind == "no text" else proof.to_text().encode())

    with serving(answer) as local, pytest.raises((BadSignature, FormatError, Refused, BadAnswer)):
        find_leaf(*client(local.url), log.entries[4][32:])
