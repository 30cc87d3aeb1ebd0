"""Hostile bytes end in a CryptoError, never in another exception and never in plaintext nobody sealed.

Each target runs for a moment (ADAL_FUZZ_SECONDS) on a fresh seed; a failure names it, ADAL_FUZZ_SEED repeats.
"""

import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.crypto import age, bech32
from services.crypto.errors import CryptoError

SECONDS = float(os.environ.get("ADAL_FUZZ_SECONDS", "0.15"))
SEED = int(os.environ.get("ADAL_FUZZ_SEED", secrets.randbits(48)))
VECTORS = Path(__file__).parent / "vectors" / "age"
HYBRID = age.HybridIdentity.generate()
CLASSICAL = age.X25519Identity.generate()
# Small limits: a mutated work factor must not make the fuzzer wait.
PHRASE = age.Passphrase("invented", log_n=2, max_log_n=6)
TEXTS = [b"", b"invented text", bytes(70_000)]
FILES = [
    age.encrypt(text, [who]) for text in TEXTS for who in (HYBRID.recipient, CLASSICAL.recipient, PHRASE)
]
ARMORED = [age.armor(file).encode() for file in FILES[:6]]
KEYS = [str(key).encode() for key in (HYBRID, CLASSICAL, HYBRID.recipient, CLASSICAL.recipient)]
SAMPLES = [
    path.read_bytes().partition(b"\n\n")[2]
    for path in sorted(VECTORS.glob("*_*"))
    if path.stat().st_size < 9000
]
TOKENS = [
    b"\n",
    b"\r\n",
    b" ",
    b"-> ",
    b"--- ",
    b"=",
    b"A" * 64,
    b"\0",
    b"1",
    b"scrypt",
    b"X25519",
    b"mlkem768x25519",
]


def mutate(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place, length = rng.randint(0, len(out)), rng.choice((0, 0, 1, 1, 2, 16, 200))
        out[place : place + length] = rng.choice(
            (b"", rng.randbytes(1), rng.randbytes(length), rng.choice(TOKENS), bytes(out[place : place + 99]))
        )
    return bytes(out[: rng.randint(0, len(out))] if rng.random() < 0.1 else out)


def hostile(rng: random.Random, seeds: list[bytes]) -> Iterator[bytes]:
    """Mutated valid input and, now and then, noise; for SECONDS, but at least 50 of them."""
    end, count = time.monotonic() + SECONDS, 0
    while count < 50 or time.monotonic() < end:
        count += 1
        yield rng.randbytes(rng.randint(0, 300)) if rng.random() < 0.1 else mutate(rng, rng.choice(seeds))


def attack(target: Callable[[bytes], object], seeds: list[bytes]) -> int:
    """Runs the target; returns how many inputs were refused."""
    rng, refused = random.Random(SEED), 0
    for data in hostile(rng, seeds):
        try:
            target(data)
        except CryptoError:
            refused += 1
        except Exception as error:
            pytest.fail(f"{type(error).__name__} escaped with ADAL_FUZZ_SEED={SEED}: {data[:400]!r}")
    return refused


def released_is_genuine(data: bytes) -> None:
    """Whatever the stream gives out before its error is the start of something that was sealed."""
    out = b""
    try:
        for chunk in age.decrypt_stream([data[:100], data[100:]], [HYBRID, CLASSICAL, PHRASE]):
            out += chunk
    finally:
        assert any(text.startswith(out) for text in TEXTS)


def test_decrypting() -> None:
    assert attack(released_is_genuine, FILES) > 0


def test_decrypting_mutated_vectors() -> None:
    assert attack(lambda data: age.decrypt(data, [HYBRID, CLASSICAL, PHRASE]), SAMPLES) > 0


def test_the_part_rule() -> None:
    assert attack(age.check_part, FILES + SAMPLES) > 0
    assert attack(lambda data: age.open_part(data, HYBRID), FILES) > 0


def test_listing_stanzas() -> None:
    assert attack(age.stanza_types, FILES + SAMPLES) > 0


def test_armor() -> None:
    assert attack(age.dearmor, ARMORED + SAMPLES) > 0


@pytest.mark.parametrize(
    "parse",
    [
        bech32.decode,
        age.HybridIdentity.parse,
        age.X25519Identity.parse,
        age.HybridRecipient.parse,
        age.X25519Recipient.parse,
    ],
)
def test_keys(parse: Callable[[str], object]) -> None:
    assert attack(lambda data: parse(data.decode("utf-8", "replace")), KEYS) > 0
    assert attack(lambda data: parse(data.decode("latin-1")), KEYS) > 0
