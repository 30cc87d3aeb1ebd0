"""A witness signs only what continues what it signed, remembers before it speaks, and keeps what convicts a log."""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from services.client.directory import INTAKE, Directories
from services.client.errors import Problem
from services.client.http import Http
from services.client.log import GRACE, Standing, find_leaf, too_late, verify_log
from services.client.memory import Memory
from services.client.witness import KEY, STATE, Folder, LostState, Misbehaviour, Seen, Witness, judge
from services.crypto import tlog
from services.crypto.canonical import loads
from services.crypto.errors import BadSignature, CryptoError, FormatError, Refused
from services.crypto.notes import COSIGNATURE, VerifierKey, cosign, cosignature_lines, open_note, split_note
from services.crypto.signatures import Signed, SigningKey, sign_document
from tests.client.local import Asked, Reply, as_json, http_to, problem, serving
from tests.client.test_log import StaticLog, random_entries
from tests.crypto.builders import NOW, ORIGIN, signer, world

NAMES = ("witness.example/1", "witness.example/2")


def key_of(name: str) -> SigningKey:
    return signer(f"witness {name}")


def vkey_of(name: str) -> VerifierKey:
    return VerifierKey(name, key_of(name).verify_key, COSIGNATURE)


@cache
def directory_with_witnesses() -> Signed:
    """The world's directory, signed again with two witnesses in it."""
    body = {**world().document.body, "witnesses": [str(vkey_of(name)) for name in NAMES]}
    return sign_document("directory", body, world().roots[:2])


@dataclass
class WatchedLog(StaticLog):
    """A log whose directory names two witnesses, and that takes what they bring."""

    brought: list[str] = field(default_factory=list)
    served_as_witnessed: str | None = None

    def answer(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix(f"{INTAKE}/")
        if path == "key-directory":
            return as_json(directory_with_witnesses().to_json())
        if path == "log/cosignatures":
            self.brought.append(json.loads(asked.body)["note"])
            return as_json({"size": 0, "witnesses": []}, 201)
        if path == "log/checkpoint/witnessed":
            note = self.served_as_witnessed
            return problem("not-published", 404) if note is None else Reply(200, note.encode())
        return super().answer(asked)

    @property
    def head(self) -> str:
        return self.files["checkpoint"].decode()

    def cosigned(self, *names: str, at: datetime = NOW) -> str:
        note = self.head
        for name in names:
            note = cosign(note, name, key_of(name), int(at.timestamp()))
        return note

    def watch(self, *names: str, at: datetime = NOW) -> None:
        self.files["checkpoint"] = self.cosigned(*names, at=at).encode()

    def grow(self, count: int = 256) -> None:
        self.entries += random_entries(count)
        self.publish()


def made(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "w")
    folder.make("witness.example/new")
    return folder


def witness(folder: Folder, url: str) -> Witness:
    http = http_to(url)
    return Witness(folder, http, Directories(http, world().root_keys, clock=lambda: NOW), lambda: NOW)


# --- what is signed


def test_the_first_head_and_each_that_continues_it_are_signed(tmp_path: Path):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    with serving(log.answer) as local:
        one = witness(folder, local.url)
        for size in (300, 556, 812):
            found = one.visit()
            assert found is not None
            assert (found.size, found.root, found.fresh) == (size, tlog.root_of(log.hashes), True)
            opened = open_note(log.brought[-1], [folder.vkey()])
            assert opened.text == split_note(log.head)[0]
            assert folder.memory()[ORIGIN].size == size
            log.grow()


def test_a_head_that_carries_the_cosignature_is_not_signed_again(tmp_path: Path):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    with serving(log.answer) as local:
        one = witness(folder, local.url)
        one.visit()
        log.files["checkpoint"] = log.brought[0].encode()
        found = one.visit()
    assert found is not None
    assert not found.fresh
    assert len(log.brought) == 1


def test_a_cosignature_that_did_not_arrive_is_brought_again(tmp_path: Path):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    with serving(log.answer) as local:
        one = witness(folder, local.url)
        one.visit()
        one.visit()
    assert len(log.brought) == 2


def test_the_memory_is_on_disk_before_the_cosignature_leaves(tmp_path: Path):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    sizes: list[int] = []

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/cosignatures"):
            sizes.append(folder.memory()[ORIGIN].size)
            return problem("unavailable", 503)
        return log.answer(asked)

    with serving(answer) as local, pytest.raises(Problem):
        witness(folder, local.url).visit()
    assert sizes == [300]
    assert (folder.path / STATE).stat().st_mode & 0o777 == 0o600
    assert (folder.path / KEY).stat().st_mode & 0o777 == 0o600


def test_what_is_sent_carries_the_line_of_the_log_and_its_own_only(tmp_path: Path):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    log.watch(*NAMES)
    with serving(log.answer) as local:
        witness(folder, local.url).visit()
    assert [name for name, _, _ in split_note(log.brought[0])[1]] == [ORIGIN, "witness.example/new"]


def test_a_log_that_has_not_begun_is_no_news(tmp_path: Path):
    folder, log = made(tmp_path), WatchedLog(random_entries(1))
    del log.files["checkpoint"]
    with serving(log.answer) as local:
        assert witness(folder, local.url).visit() is None


# --- what is refused


def equivocate(log: WatchedLog) -> None:
    log.entries = random_entries(300)
    log.publish()


def roll_back(log: WatchedLog) -> None:
    log.entries = log.entries[:256]
    log.publish()


def rewrite(log: WatchedLog) -> None:
    log.entries = random_entries(700)
    log.publish()


def vanish(log: WatchedLog) -> None:
    log.files.pop("checkpoint")


@pytest.mark.parametrize(
    ("change", "reason"),
    [(equivocate, "two heads"), (roll_back, "rolled back"), (rewrite, "rewritten"), (vanish, "rolled back")],
)
def test_a_log_that_misbehaves_is_not_signed_and_convicts_itself(tmp_path: Path, change: Any, reason: str):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    with serving(log.answer) as local:
        one = witness(folder, local.url)
        one.visit()
        before, head = (folder.path / STATE).read_bytes(), log.head
        change(log)
        with pytest.raises(Misbehaviour, match=reason) as caught:
            one.visit()
    assert len(log.brought) == 1, "nothing was signed"
    assert (folder.path / STATE).read_bytes() == before, "the memory holds on to the true head"
    path = folder.convict(caught.value)
    assert path.stat().st_mode & 0o777 == 0o600
    kept = json.loads(path.read_text())
    assert kept["known"] == head
    assert kept["shown"] == (log.head if "checkpoint" in log.files else "")
    for note in filter(None, (kept["known"], kept["shown"])):
        tlog.open_checkpoint(note, VerifierKey.parse(world().directory.logs[0].vkey))


def test_the_same_evidence_is_kept_once(tmp_path: Path):
    folder, log = made(tmp_path), WatchedLog(random_entries(2))
    found = Misbehaviour("the log was rewritten", Seen(2, bytes(32), log.head), "other")
    assert folder.convict(found) == folder.convict(found)
    assert len(list(folder.path.glob("evidence-*"))) == 1


def other_key(log: WatchedLog) -> None:
    checkpoint = tlog.Checkpoint(ORIGIN, 300, tlog.root_of(log.hashes))
    log.files["checkpoint"] = tlog.sign_checkpoint(checkpoint, signer("somebody else")).encode()


def other_origin(log: WatchedLog) -> None:
    log.origin = "elsewhere.example/log"
    log.publish()


def tiles_of_another_tree(log: WatchedLog) -> None:
    head = log.files["checkpoint"]
    log.entries = random_entries(300)
    log.publish()
    log.files["checkpoint"] = head


@pytest.mark.parametrize("change", [other_key, other_origin, tiles_of_another_tree])
def test_a_head_that_is_not_the_logs_is_refused_from_the_start(tmp_path: Path, change: Any):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    change(log)
    with serving(log.answer) as local, pytest.raises((BadSignature, Refused)):
        witness(folder, local.url).visit()
    assert not log.brought
    assert folder.memory() == {}


def test_missing_tiles_are_trouble_and_no_signature(tmp_path: Path):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    with serving(log.answer) as local:
        one = witness(folder, local.url)
        one.visit()
        log.grow()
        log.files = {path: data for path, data in log.files.items() if not path.startswith("tile/0")}
        with pytest.raises(Problem):
            one.visit()
    assert len(log.brought) == 1
    assert folder.memory()[ORIGIN].size == 300


def test_judging_needs_nothing_but_tiles():
    log = WatchedLog(random_entries(600))
    read = lambda level, number, width: log.files[tlog.tile_path(level, number, width)]  # noqa: E731
    checkpoint = tlog.Checkpoint(ORIGIN, 600, tlog.root_of(log.hashes))
    for size in (1, 255, 256, 257, 599, 600):
        known = Seen(size, tlog.root_of(log.hashes[:size]), "old")
        assert judge(known, "new", checkpoint, read) == Seen(600, checkpoint.root, "new")
        with pytest.raises(Misbehaviour):
            judge(replace(known, root=os.urandom(32)), "new", checkpoint, read)
    with pytest.raises(Misbehaviour, match="rolled back"):
        judge(Seen(601, os.urandom(32), "old"), "new", checkpoint, read)


# --- memory and key


def _gone(path: Path) -> None:
    path.unlink()


def _no_json(path: Path) -> None:
    path.write_bytes(b"{")


def _of_another_log(path: Path) -> None:
    found = loads(path.read_bytes())
    path.write_text(json.dumps({"elsewhere.example/log": found[ORIGIN]}))


def _without_note(path: Path) -> None:
    path.write_text('{"localhost/log":{"note":7}}')


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("damage", [_gone, _no_json, _of_another_log, _without_note, _cut])
def test_without_its_memory_a_witness_signs_nothing(tmp_path: Path, damage: Any):
    folder, log = made(tmp_path), WatchedLog(random_entries(300))
    with serving(log.answer) as local:
        one = witness(folder, local.url)
        one.visit()
        damage(folder.path / STATE)
        with pytest.raises(LostState):
            one.visit()
    assert len(log.brought) == 1


def test_a_key_is_never_made_over_another(tmp_path: Path):
    folder = made(tmp_path)
    before = folder.vkey()
    with pytest.raises(FileExistsError):
        folder.make("witness.example/again")
    (folder.path / KEY).unlink()
    with pytest.raises(FileExistsError):
        folder.make("witness.example/again")
    assert VerifierKey.parse(str(before)) == before


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"name":"a"}', b'{"name":"a b","seed":""}'])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes):
    folder = made(tmp_path)
    (folder.path / KEY).write_bytes(content)
    with pytest.raises(FormatError):
        folder.vkey()


@pytest.mark.parametrize("name", ["", "a b", "a+b"])
def test_a_name_that_no_note_may_carry_makes_no_witness(tmp_path: Path, name: str):
    with pytest.raises(FormatError):
        Folder(tmp_path / "w").make(name)
    assert not (tmp_path / "w").exists()


# --- what clients make of it


def client(url: str, at: datetime = NOW, memory: Memory | None = None) -> tuple[Http, Directories]:
    http = http_to(url)
    return http, Directories(http, world().root_keys, memory, lambda: at)


START = world().directory.valid_from
LATE = max(NOW, START) + GRACE + timedelta(hours=1)


def test_with_a_quorum_a_leaf_and_a_log_are_witnessed():
    log = WatchedLog(random_entries(300))
    log.watch(*NAMES)
    with serving(log.answer) as local:
        found = find_leaf(*client(local.url), log.entries[17][32:])
        assert found is not None
        assert found.witnessed
        assert verify_log(*client(local.url)).standing is Standing.WITNESSED


def test_one_witness_twice_is_no_quorum():
    log = WatchedLog(random_entries(300))
    log.watch(NAMES[0], NAMES[0])
    with serving(log.answer) as local:
        assert verify_log(*client(local.url, START)).standing is Standing.NOT_YET


def test_a_wrong_line_of_a_witness_spoils_the_head():
    log, other = WatchedLog(random_entries(300)), WatchedLog(random_entries(300))
    stolen = other.cosigned(*NAMES)[len(other.head) :]
    log.files["checkpoint"] += stolen.encode()
    with serving(log.answer) as local, pytest.raises(BadSignature):
        verify_log(*client(local.url))
    assert cosignature_lines(log.head, [vkey_of(name) for name in NAMES]) == {}


def test_in_the_first_two_days_of_a_directory_nothing_witnessed_is_asked_for():
    log = WatchedLog(random_entries(300))
    with serving(log.answer) as local:
        assert verify_log(*client(local.url, START + GRACE)).standing is Standing.NOT_YET
        assert not [path for path in local.paths if "witnessed" in path]


def test_later_a_log_that_no_witness_has_seen_is_refused():
    log = WatchedLog(random_entries(300))
    with serving(log.answer) as local, pytest.raises(Refused, match="no witness"):
        verify_log(*client(local.url, LATE))


@pytest.mark.parametrize(("age", "good"), [(timedelta(hours=47), True), (timedelta(hours=49), False)])
def test_a_head_that_grew_from_one_witnessed_lately_is_not_yet_witnessed(age: timedelta, good: bool):
    log = WatchedLog(random_entries(256))
    log.served_as_witnessed = log.cosigned(*NAMES, at=LATE - age)
    log.grow()
    with serving(log.answer) as local:
        if good:
            found = find_leaf(*client(local.url, LATE), log.entries[300][32:])
            assert found is not None
            assert found.standing is Standing.NOT_YET
        else:
            with pytest.raises(Refused, match="48 hours"):
                find_leaf(*client(local.url, LATE), log.entries[300][32:])


def test_the_slower_of_two_witnesses_decides_how_old_a_head_is():
    log = WatchedLog(random_entries(256))
    old = log.cosigned(NAMES[0], at=LATE - timedelta(hours=60))
    log.served_as_witnessed = cosign(old, NAMES[1], key_of(NAMES[1]), int(LATE.timestamp()))
    log.grow()
    with serving(log.answer) as local, pytest.raises(Refused, match="48 hours"):
        verify_log(*client(local.url, LATE))


def test_a_fork_beside_the_witnessed_head_is_refused():
    log = WatchedLog(random_entries(256))
    witnessed = log.cosigned(*NAMES, at=LATE)
    log.entries = random_entries(512)
    log.publish()
    log.served_as_witnessed = witnessed
    with serving(log.answer) as local, pytest.raises(Refused, match="consistent"):
        find_leaf(*client(local.url, LATE), log.entries[300][32:])


def test_a_leaf_that_no_witness_saw_two_days_after_it_was_due_is_refused():
    log = WatchedLog(random_entries(256))
    log.served_as_witnessed = log.cosigned(*NAMES, at=LATE)
    log.grow()
    with serving(log.answer) as local:
        (http, directories), leaf = client(local.url, LATE), log.entries[300][32:]
        assert find_leaf(http, directories, leaf, ORIGIN, LATE.date()) is not None
        with pytest.raises(Refused, match="in time"):
            find_leaf(http, directories, leaf, ORIGIN, LATE.date() - timedelta(days=7))


def test_an_equivocating_log_is_refused_by_a_client_that_remembers():
    log, memory = WatchedLog(random_entries(300)), Memory(world().root_keys)
    log.watch(*NAMES)
    with serving(log.answer) as local:
        verify_log(*client(local.url, memory=memory))
        for change in (equivocate, roll_back):
            change(log)
            log.watch(*NAMES)
            with pytest.raises(CryptoError):
                verify_log(*client(local.url, memory=memory))


@pytest.mark.parametrize(
    ("days", "late"), [(None, False), (0, False), (5, False), (6, True), (7, True), (30, True)]
)
def test_when_an_entry_must_have_been_seen(days: int | None, late: bool):
    now = datetime(2026, 3, 31, 12, tzinfo=NOW.tzinfo)
    since = now - timedelta(days=60)
    day = None if days is None else (now - timedelta(days=days)).date()
    assert too_late(day, since, now) is late
    assert not too_late(day, now - timedelta(hours=47), now), "the witnesses are new"
    assert too_late(date(2020, 2, 29), since, now)
