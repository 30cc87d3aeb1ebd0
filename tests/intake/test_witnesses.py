"""Cosignatures come to the log: only of witnesses in force, only on its own checkpoints, once each, and served."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from services import first_run
from services.crypto import tlog
from services.crypto.canonical import b64u
from services.crypto.notes import (
    COSIGNATURE,
    VerifierKey,
    cosign,
    cosignature_lines,
    open_note,
    sign_note,
    split_note,
)
from services.crypto.receipts import format_receipt
from services.crypto.signatures import SigningKey, sign_document
from services.intake import store
from services.intake.staff_routes import add_directory
from tests.intake.builders import Sql, World, problem
from tests.intake.pages import Visitor
from tests.intake.test_log import LOG, publish, shown

NAMES = ("witness.example/1", "witness.example/2", "witness.example/3")


@dataclass(frozen=True)
class Watch:
    """Three witnesses, of whom the directory in force names the first two, or all."""

    world: World
    keys: tuple[SigningKey, ...]

    def vkey(self, i: int) -> VerifierKey:
        return VerifierKey(NAMES[i], self.keys[i].verify_key, COSIGNATURE)

    def signed(self, note: str, *who: int, ahead: timedelta = timedelta()) -> str:
        for i in who:
            note = cosign(note, NAMES[i], self.keys[i], int((self.world.now() + ahead).timestamp()))
        return note

    async def note(self, path: str = "checkpoint") -> str:
        answer = await self.world.http.get(f"{LOG}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.text

    async def bring(self, note: Any) -> httpx2.Response:
        return await self.world.http.post(f"{LOG}/cosignatures", json={"note": note})

    async def name(self, *who: int) -> None:
        """Put a directory in force that names these witnesses."""
        body = self.world.next_directory(witnesses=[str(self.vkey(i)) for i in who]).body
        state, roots = self.world.app.state, first_run.roots(self.world.folder)[:2]
        async with state.engine.begin() as conn:
            newest = (await store.last_directories(conn, 1))[0]
            body |= {"sequence": newest.sequence + 1, "previous": b64u(newest.digest)}
            document = sign_document("directory", body, roots).to_json()
            await add_directory(conn, state.context, document, self.world.now())


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ADAL_INTAKE_PAGE_MIN_SECONDS", "0")
    return environment


@pytest.fixture
async def watch(world: World) -> Watch:
    found = Watch(world, tuple(SigningKey.generate() for _ in NAMES))
    await found.name(0, 1)
    return found


async def test_a_quorum_is_served_with_the_checkpoint_and_with_proofs(watch: Watch) -> None:
    filed = await watch.world.file_plain()
    await publish(watch.world)
    bare = await watch.note()
    assert problem(await watch.world.http.get(f"{LOG}/checkpoint/witnessed")) == (404, "not-published")
    for i in (0, 1):
        answer = await watch.bring(watch.signed(bare, i))
        assert answer.status_code == 201, answer.text
        assert answer.json()["size"] == 256
        assert len(answer.json()["witnesses"]) == i + 1
    for note in (
        await watch.note(),
        await watch.note("checkpoint/witnessed"),
        tlog.LogProof.parse(await watch.note(f"proofs/{shown(filed)}")).checkpoint,
    ):
        opened = open_note(note, [watch.vkey(0), watch.vkey(1)])
        assert sorted(opened.names) == sorted(NAMES[:2])


async def test_a_proof_leads_to_a_witnessed_head_though_a_newer_one_waits(watch: Watch) -> None:
    first = await watch.world.file_plain()
    await publish(watch.world)
    await watch.bring(watch.signed(await watch.note(), 0, 1))
    later = await watch.world.file_plain()
    await publish(watch.world)

    def size_of(note: str) -> int:
        return tlog.Checkpoint.parse(split_note(note)[0]).size

    assert size_of(await watch.note()) == 512
    assert size_of(await watch.note("checkpoint/witnessed")) == 256
    assert size_of(tlog.LogProof.parse(await watch.note(f"proofs/{shown(first)}")).checkpoint) == 256
    assert size_of(tlog.LogProof.parse(await watch.note(f"proofs/{shown(later)}")).checkpoint) == 512


async def test_a_repeat_changes_nothing(watch: Watch, sql: Sql) -> None:
    await publish(watch.world)
    bare = await watch.note()
    first = watch.signed(bare, 0)
    for note in (first, first, watch.signed(bare, 0, ahead=timedelta(minutes=5)), watch.signed(first, 0, 0)):
        assert (await watch.bring(note)).json()["witnesses"] == [str(watch.vkey(0))]
    assert sql("SELECT count(*) FROM intake.log_cosignatures") == [(1,)]
    assert await watch.note() == first


async def test_an_older_checkpoint_may_still_be_cosigned(watch: Watch) -> None:
    await publish(watch.world)
    old = await watch.note()
    await publish(watch.world)
    assert (await watch.bring(watch.signed(old, 0))).status_code == 201
    assert len(split_note(await watch.note())[1]) == 1, "it stands under the old head only"


async def test_lines_of_strangers_and_wrong_lines_are_not_stored(watch: Watch, sql: Sql) -> None:
    await publish(watch.world)
    bare = await watch.note()
    stranger = watch.signed(bare, 2)
    assert problem(await watch.bring(stranger)) == (422, "invalid")
    wrong = cosign(bare, NAMES[0], SigningKey.generate(), 1)
    assert problem(await watch.bring(wrong)) == (422, "invalid")
    assert (await watch.bring(watch.signed(stranger, 0))).json()["witnesses"] == [str(watch.vkey(0))]
    assert sql("SELECT line FROM intake.log_cosignatures") != []
    assert NAMES[2] not in await watch.note()


async def test_a_witness_that_the_directory_drops_does_not_count(watch: Watch) -> None:
    await publish(watch.world)
    await watch.bring(watch.signed(await watch.note(), 0, 1))
    await watch.name(1, 2)
    assert problem(await watch.world.http.get(f"{LOG}/checkpoint/witnessed")) == (404, "not-published")
    assert (await watch.bring(watch.signed(await watch.note(), 2))).status_code == 201
    assert (await watch.world.http.get(f"{LOG}/checkpoint/witnessed")).status_code == 200


async def test_a_cosignature_for_another_text_is_refused(watch: Watch, sql: Sql) -> None:
    await publish(watch.world)
    text = split_note(await watch.note())[0]
    key = watch.world.folder.signing("intake-log")
    checkpoint = tlog.Checkpoint.parse(text)
    others = [
        tlog.sign_checkpoint(tlog.Checkpoint(checkpoint.origin, 256, bytes(32)), key),
        tlog.sign_checkpoint(tlog.Checkpoint(checkpoint.origin, 255, checkpoint.root), key),
        tlog.sign_checkpoint(tlog.Checkpoint(checkpoint.origin, 2**63 - 1, checkpoint.root), key),
        tlog.sign_checkpoint(tlog.Checkpoint(checkpoint.origin, 256, checkpoint.root, ("more",)), key),
        sign_note(text.replace(checkpoint.origin, "elsewhere.example/log"), "elsewhere.example/log", key),
        sign_note("no checkpoint\n", "someone", key),
    ]
    for note in others:
        assert problem(await watch.bring(watch.signed(note, 0, 1))) == (422, "invalid")
    # A line made for another text, under the true one.
    moved = watch.signed(others[0], 0)[len(others[0]) :]
    assert problem(await watch.bring(await watch.note() + moved)) == (422, "invalid")
    assert sql("SELECT count(*) FROM intake.log_cosignatures") == [(0,)]


async def test_a_cosignature_from_the_future_is_refused(watch: Watch) -> None:
    await publish(watch.world)
    bare = await watch.note()
    assert problem(await watch.bring(watch.signed(bare, 0, ahead=timedelta(hours=1)))) == (422, "invalid")
    assert (await watch.bring(watch.signed(bare, 0, ahead=timedelta(minutes=5)))).status_code == 201


@pytest.mark.parametrize(
    "note", [None, 7, "", "x", "\n\n", "a\x00b\n\n— a AAAA\n", "\ud800\n\n— a AAAA\n", "x" * 16_385]
)
async def test_what_is_no_note_is_refused(watch: Watch, note: Any) -> None:
    await publish(watch.world)
    answer = await watch.world.http.post(
        f"{LOG}/cosignatures",
        content=json.dumps({"note": note}),
        headers={"Content-Type": "application/json"},
    )
    assert problem(answer)[0] in (400, 422)


async def test_before_the_first_publication_nothing_can_be_cosigned(watch: Watch) -> None:
    key = watch.world.folder.signing("intake-log")
    note = tlog.sign_checkpoint(tlog.Checkpoint("localhost/adal/intake", 0, tlog.EMPTY_ROOT), key)
    assert problem(await watch.bring(watch.signed(note, 0))) == (422, "invalid")


async def test_inbox_and_pages_say_who_vouches_for_the_log(watch: Watch) -> None:
    visitor = Visitor(watch.world)
    page = await visitor.file()
    assert "Independent witnesses follow that log" in page.words
    said = {}
    for step in ("waiting", "signed", "witnessed"):
        if step == "signed":
            await publish(watch.world)
        if step == "witnessed":
            await watch.bring(watch.signed(await watch.note(), 0, 1))
        words = (await visitor.inbox(format_receipt(page.code))).words
        view = await watch.world.plain_inbox(page.code)
        said[step] = (view["published"], view["witnessed"])
        assert ("not witnessed" in words) is (step == "signed")
        assert ("and independent witnesses signed it" in words) is (step == "witnessed")
    assert said == {"waiting": (False, False), "signed": (True, False), "witnessed": (True, True)}


async def test_without_witnesses_the_receipt_page_says_so(world: World) -> None:
    assert "signed by the authority alone, not witnessed" in (await Visitor(world).file()).words


def test_good_cosignatures_are_found_among_others() -> None:
    key, log = SigningKey.generate(), SigningKey.generate()
    vkey = VerifierKey("w.example", key.verify_key, COSIGNATURE)
    note = cosign(sign_note("text\n", "log.example", log), "w.example", SigningKey.generate(), 1)
    assert cosignature_lines(note, [vkey]) == {}
    note = cosign(note, "w.example", key, 77)
    found = cosignature_lines(note, [vkey, VerifierKey("log.example", log.verify_key)])
    assert {k: one.time for k, one in found.items()} == {vkey: 77}
    assert note.endswith(found[vkey].line)
