"""Answers of a server are taken apart without surprise: any damage ends in BadAnswer or CryptoError, nothing else."""

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.cases import CaseLine, SealedCase
from services.client.chain import Part, chain_of, end_of
from services.client.errors import BadAnswer, understood
from services.client.filing import Filed
from services.client.inbox import View
from services.client.session import Person
from services.crypto.canonical import b64u, dumps
from services.crypto.errors import CryptoError, FormatError, Refused
from services.crypto.promises import leaf_hash, make_promise, report_record
from tests.client.test_cases import Server
from tests.client.test_inbox import Player
from tests.crypto.builders import ORIGIN, RECEIPT, TODAY, sealed, seed, world

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
    st.just([]), st.just({}), st.just("A" * 43), st.lists(st.none(), max_size=2),
)  # fmt: skip


def filed() -> Filed:
    manifest, salt = sealed().manifest, seed("salt")
    record = report_record(manifest, TODAY)
    promise = make_promise(leaf_hash(salt, dumps(record)), TODAY, ORIGIN, world().log)
    return Filed(RECEIPT, "7K3F-9Q2M-XT", manifest.rid, TODAY, promise, record, salt, manifest)


@cache
def documents() -> dict[str, tuple[Any, Callable[[Any], Any]]]:
    """An honest document of each kind and what reads it."""
    server = Server(sealed(), world().desk)
    case = server.to_json()
    return {
        "view": (Player(server).view(), View.from_json),
        "case": (case, SealedCase.from_json),
        "filed": (filed().to_json(), Filed.from_json),
        "line": (case, CaseLine.from_json),
        "part": (case["parts"][0], Part.from_json),
        "person": ({"id": "x", "login": "l", "name": "n", "roles": ["desk"]}, Person.from_json),
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


@pytest.mark.parametrize("kind", ["view", "case", "filed", "line", "part", "person"])
def test_the_honest_document_is_read(kind: str):
    document, read = documents()[kind]
    assert read(document) == read(json.loads(json.dumps(document)))


@pytest.mark.parametrize("kind", ["view", "case", "filed", "line", "part", "person"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_is_refused_or_harmless(kind: str, data: st.DataObject):
    document, read = documents()[kind]
    damaged = copy.deepcopy(document)
    *path, last = data.draw(st.sampled_from(places(document)))
    inner = damaged
    for step in path:
        inner = inner[step]
    if data.draw(st.booleans()):
        inner[last] = data.draw(JUNK)
    else:
        del inner[last]
    try:
        with understood():
            read(damaged)
    except (BadAnswer, CryptoError):
        return


@pytest.mark.parametrize("kind", ["view", "case", "filed", "line", "part", "person"])
@pytest.mark.parametrize("junk", [None, 7, "x", [], {}, [[]]], ids=repr)
def test_something_else_altogether_is_refused(kind: str, junk: Any):
    _, read = documents()[kind]
    with pytest.raises((BadAnswer, CryptoError)), understood():
        read(junk)


def test_a_saved_filing_comes_back_whole_and_without_the_receipt():
    before = filed()
    after = Filed.from_json(json.loads(json.dumps(before.to_json())))
    assert after.receipt == ""
    assert (after.leaf, after.origin, after.day) == (before.leaf, ORIGIN, TODAY)
    after.check(world().directory)
    assert RECEIPT not in json.dumps(before.to_json())
    assert RECEIPT not in repr(before)


@pytest.mark.parametrize(
    ("name", "value"),
    [("salt", b64u(bytes(32))), ("day", "2026-11-25"), ("record", {"v": 1}), ("manifest", None)],
)
def test_a_promise_of_something_else_does_not_pass(name: str, value: Any):
    document = {**filed().to_json(), name: value}
    with pytest.raises((Refused, FormatError)):
        Filed.from_json(document).check(world().directory)


def part(n: int | None, by: str, number: int = 0) -> Part:
    return Part(number, "message", by, n, 1, bytes([number]) * 32, TODAY)


def test_chains_are_told_apart_and_ordered():
    parts = [part(1, "desk", 5), part(0, "reporter", 1), part(0, "staff", 4), part(None, "desk", 6)]
    assert [one.number for one in chain_of(parts, reporter=False)] == [4, 5]
    assert [one.number for one in chain_of(parts, reporter=True)] == [1]
    assert end_of(chain_of(parts, reporter=False)).prev == bytes([5]) * 32
    assert end_of([]).n == 0


@given(st.lists(st.integers(0, 6), max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_chain_with_a_gap_or_a_double_is_refused(places_taken: list[int]):
    parts = [part(n, "reporter") for n in places_taken]
    if sorted(places_taken) == list(range(len(places_taken))):
        assert len(chain_of(parts, reporter=True)) == len(parts)
    else:
        with pytest.raises(Refused):
            chain_of(parts, reporter=True)
