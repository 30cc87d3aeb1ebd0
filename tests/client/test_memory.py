"""What a client remembers makes an old or another directory fail; what it does not is anything about reports."""

import json
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.client.directory import Directories, log_of, verifier
from services.client.errors import BadAnswer
from services.client.memory import Head, Memory
from services.crypto.errors import BadSignature, CryptoError, Refused
from services.crypto.signatures import Signed
from tests.client.local import Reply, as_json, http_to, in_turn, serving
from tests.crypto.builders import NOW, ORIGIN, directory_body, signed_directory, world


def follow_up(sequence: int, previous: bytes) -> Signed:
    return signed_directory(directory_body(sequence=sequence, previous=previous))


def directories(url: str, memory: Memory | None = None, now: datetime = NOW) -> Directories:
    return Directories(http_to(url), world().root_keys, memory, lambda: now)


def test_a_memory_outlives_the_process_in_a_private_file(tmp_path: Path):
    path = tmp_path / "client" / "memory.json"
    memory = Memory(world().root_keys, path)
    memory.saw_directory(world().document)
    memory.saw_head(ORIGIN, Head(256, bytes(32)))
    again = Memory(world().root_keys, path)
    assert again.last == world().directory
    assert again.head(ORIGIN) == Head(256, bytes(32))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_memory_of_other_roots_or_without_sense_is_empty(tmp_path: Path):
    path = tmp_path / "memory.json"
    Memory(world().root_keys, path).saw_directory(world().document)
    assert Memory(world().root_keys[:2], path).last is None
    for text in ("", "[]", "{}", '{"roots": 1}', "[" * 100_000):
        path.write_text(text)
        assert Memory(world().root_keys, path).last is None
    content = {"roots": "x", "directories": [1], "heads": {}}
    path.write_text(json.dumps(content))
    assert Memory(world().root_keys, path).directories == ()


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    memory = Memory(world().root_keys)
    memory.saw_directory(world().document)
    memory.saw_head(ORIGIN, Head(1, bytes(32)))
    assert list(tmp_path.iterdir()) == []


def test_only_a_larger_head_replaces_a_known_one():
    memory = Memory(world().root_keys)
    for size in (256, 512, 300):
        memory.saw_head(ORIGIN, Head(size, size.to_bytes(32)))
    assert memory.head(ORIGIN) == Head(512, (512).to_bytes(32))


def test_the_directory_is_checked_and_remembered():
    with serving(in_turn(as_json(world().document.to_json()))) as local:
        found = directories(local.url)
        assert found.current() == world().directory
        assert found.memory.last == world().directory
        assert found.known() == (world().directory,)


def test_an_older_directory_is_refused_after_a_newer_one():
    newer = follow_up(2, world().document.digest)
    with serving(in_turn(as_json(newer.to_json()), as_json(world().document.to_json()))) as local:
        found = directories(local.url)
        assert found.current().sequence == 2
        with pytest.raises(Refused):
            found.current()


def test_two_directories_of_one_sequence_are_refused():
    other = signed_directory(directory_body(valid_until=NOW + timedelta(days=30)))
    assert other.digest != world().document.digest
    with serving(in_turn(as_json(world().document.to_json()), as_json(other.to_json()))) as local:
        found = directories(local.url)
        found.current()
        with pytest.raises(Refused):
            found.current()


def test_former_directories_stay_known_newest_first():
    newer = follow_up(2, world().document.digest)
    with serving(in_turn(as_json(world().document.to_json()), as_json(newer.to_json()))) as local:
        found = directories(local.url)
        found.current()
        assert [one.sequence for one in found.known()] == [2, 1]


def test_a_directory_signed_by_one_root_or_expired_is_refused():
    single = signed_directory(roots=(1,))
    with serving(in_turn(as_json(single.to_json()))) as local, pytest.raises(BadSignature):
        directories(local.url).current()
    with serving(in_turn(as_json(world().document.to_json()))) as local, pytest.raises(Refused):
        directories(local.url, now=NOW + timedelta(days=400)).current()


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b'{"body": {}, "signatures": []}', b"x"])
def test_what_is_no_directory_is_refused(body: bytes):
    with serving(in_turn(Reply(200, body))) as local, pytest.raises((CryptoError, BadAnswer)):
        directories(local.url).current()


def test_the_directory_of_a_report_is_judged_at_its_own_time():
    with serving(in_turn(as_json({}))) as local:
        found = directories(local.url, now=NOW + timedelta(days=400))
        document = world().document
        assert found.of_report(document.to_json(), document.digest) == world().directory
        with pytest.raises(Refused):
            found.of_report(document.to_json(), bytes(32))
        with pytest.raises(BadSignature):
            found.of_report(signed_directory(roots=(1,)).to_json(), document.digest)


def test_logs_are_found_by_name_only():
    assert log_of(world().directory).origin == ORIGIN
    assert verifier(log_of(world().directory, ORIGIN)).name == ORIGIN
    with pytest.raises(Refused):
        log_of(world().directory, "elsewhere.example/log")
