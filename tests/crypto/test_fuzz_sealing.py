"""A bounded fuzz of every parser of the sealing format: whatever comes in, only CryptoError comes out.

Inputs are good ones with some members replaced, dropped or added, and good bytes with some altered or cut.
"""

import copy
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from services.crypto import age, canonical, receipts
from services.crypto.attachments import Envelope, envelopes
from services.crypto.certificates import Certificate
from services.crypto.dialogue import read_message
from services.crypto.directories import parse_directory
from services.crypto.errors import CryptoError
from services.crypto.grants import open_grant
from services.crypto.manifests import Manifest, check_fields
from services.crypto.packages import package_from_json, reporter_from_json
from services.crypto.padding import frame, unframe
from services.crypto.payloads import Header, open_payload
from services.crypto.shares import open_share
from services.crypto.signatures import Signed
from services.crypto.staffkeys import GroupKey, unwrap_group_key, wrap_group_key
from tests.crypto import builders, forge
from tests.crypto.builders import FIELDS, opened, sealed, world

SECONDS = 0.6
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**53, 10**400, 1.5, float("nan"), float("inf"), "", "x", "\ud800", "\x00", "A" * 43,
    "A" * 5000, "١٢", [], {}, [[]], {"": None}, [None] * 300, {"v": 1}, b"", "9999-99-99", "age1pq1", "@0",
]  # fmt: skip


def paths(value: Any, prefix: tuple[Any, ...] = ()):
    yield prefix
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inner:
        yield from paths(member, (*prefix, key))


def spoiled(value: Any, rng: random.Random):
    """A copy with one to three places changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(paths(value)))
        if not path:
            return copy.deepcopy(rng.choice(ODD))
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        way = rng.randrange(4)
        if way == 0:
            del parent[path[-1]]
        elif way == 1 and isinstance(parent, dict):
            parent[rng.choice(["extra", "v", "seat"])] = copy.deepcopy(rng.choice(ODD))
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(ODD))
    return value


def altered(data: bytes, rng: random.Random):
    """A copy with some bytes changed, dropped or added."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not made:
            break
        place = rng.randrange(len(made))
        way = rng.randrange(4)
        if way == 0:
            made[place] = rng.randrange(256)
        elif way == 1:
            del made[place:]
        elif way == 2:
            made[place:place] = rng.randbytes(rng.randint(1, 5))
        else:
            del made[place : place + rng.randint(1, 50)]
    return bytes(made)


def survives(parse: Callable[[Any], object], make: Callable[[Any, random.Random], Any], good: Any):
    parse(good)
    rng = random.Random(20261124)
    end, tries, refused = time.monotonic() + SECONDS, 0, 0
    while time.monotonic() < end:
        tries += 1
        try:
            parse(make(good, rng))
        except CryptoError:
            refused += 1
    assert tries >= 5
    assert refused > tries / 4


OBJECTS = {
    "signed": (Signed.from_json, builders.certificate().to_json()),
    "manifest": (Manifest.from_json, sealed().manifest.to_json()),
    "fields": (check_fields, FIELDS),
    "package": (package_from_json, builders.other().to_json()),
    "directory": (lambda body: parse_directory(Signed(body, ())), builders.directory_body()),
    "certificate": (Certificate.from_json, builders.certificate().body),
    "envelope": (Envelope.from_json, opened(sealed()).envelopes[0].to_json()),
    "envelopes": (envelopes, [line.to_json() for line in opened(sealed()).envelopes]),
    "header": (Header.from_json, forge.header().to_json()),
    "reporter": (reporter_from_json, {"recipient": str(world().desk.recipient), "verify_key": "A" * 43}),
    "message": (read_message, forge.BODY),
}


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_objects(name: str):
    parse, good = OBJECTS[name]
    survives(parse, spoiled, good)


def message_in_a_part(document: bytes):
    open_payload(forge.to_report(document), builders.report_key(sealed()))


GROUP = wrap_group_key(
    GroupKey("a", builders.identity("desk"), builders.signer("desk")), world().desk.recipient
)
FILES = {
    "canonical": (canonical.loads, canonical.dumps(sealed().manifest.to_json())),
    "frame": (unframe, frame(b"{}" * 3000)),
    "payload file": (lambda data: open_payload(data, builders.report_key(sealed())), sealed().parts[0].data),
    "payload plaintext": (message_in_a_part, frame(canonical.dumps(forge.document()))),
    "grant": (lambda data: open_grant(data, world().desk, sealed().manifest), sealed().grants[0].data),
    "share": (lambda data: open_share(data, world().seats[0], 1, sealed().manifest), sealed().shares[0].data),
    "group key": (lambda data: unwrap_group_key(data, world().desk), GROUP),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_files(name: str):
    parse, good = FILES[name]
    survives(parse, altered, good)


def test_grant_plaintexts():
    def parse(text: Any):
        open_grant(age.seal(text, [world().desk.recipient]), world().desk, sealed().manifest)

    survives(parse, altered, age.open_part(sealed().grants[0].data, world().desk))


def test_receipts():
    survives(
        receipts.parse_receipt,
        lambda good, rng: altered(good.encode(), rng).decode("latin-1"),
        builders.RECEIPT,
    )


@pytest.mark.parametrize(
    "text", ["1" * 10_000, "-", '{"a":' * 2000, "[" * 200_000, '"' + "\\u0000" * 9, "\udcff"]
)
def test_canonical_bombs(text: Any):
    with pytest.raises(CryptoError):
        canonical.loads(text.encode("utf-8", "surrogateescape"))
