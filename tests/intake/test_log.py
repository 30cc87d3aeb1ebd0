"""The log: promised records are published in batches that tell nothing, and every promise is kept by a proof."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.crypto import tlog
from services.crypto.canonical import b64u, dumps, unb64u
from services.crypto.notes import VerifierKey
from services.crypto.promises import check_promise, leaf_hash
from services.crypto.signatures import Signed
from services.intake import jobs, log
from services.kit.jobs import Busy, due, last_runs, run_job
from tests.intake.builders import API, STAFF, Json, Sql, World, problem

LOG = f"{API}/log"
PUBLISH = next(job for job in jobs.JOBS if job.name == "intake.publish-log")


async def publish(world: World) -> int:
    return await run_job(world.app.state, PUBLISH, world.now())


async def checkpoint(world: World) -> tlog.Checkpoint:
    answer = await world.http.get(f"{LOG}/checkpoint")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    return tlog.open_checkpoint(answer.text, vkey(world))


def vkey(world: World) -> VerifierKey:
    """The log's key as the directory names it: what a reporter's client has."""
    return VerifierKey.parse(world.directory.logs[0].vkey)


async def tiles(world: World, size: int) -> dict[tlog.TileId, bytes]:
    """Every tile that a log of this size must serve."""
    found = {}
    for tile in tlog.tiles_of(size):
        answer = await world.http.get(f"{LOG}/{tile.path}")
        assert answer.status_code == 200, tile.path
        found[tile] = answer.content
    return found


async def entries(world: World, size: int) -> list[bytes]:
    found: list[bytes] = []
    for number in range(-(-size // 256)):
        width = min(256, size - 256 * number)
        answer = await world.http.get(f"{LOG}/{tlog.tile_path(tlog.ENTRIES, number, width)}")
        assert answer.status_code == 200
        found += tlog.decode_bundle(answer.content)
    return found


def reader(found: dict[tlog.TileId, bytes]) -> tlog.ReadTile:
    """Reads tiles as a client does: what a wider tile begins with is the narrower one."""

    def read(level: int, index: int, width: int) -> bytes:
        wider = (found.get(tlog.TileId(level, index, w)) for w in range(width, tlog.TILE_WIDTH + 1))
        return next(tile for tile in wider if tile is not None)[: width * tlog.HASH_SIZE]

    return read


def shown(filed: Json) -> str:
    leaf: str = filed["promise"]["body"]["leaf"]
    return leaf


async def test_before_the_first_publication_there_is_nothing(world: World) -> None:
    filed = await world.file_plain()
    for path in ("checkpoint", f"proofs/{shown(filed)}"):
        assert problem(await world.http.get(f"{LOG}/{path}")) == (404, "not-published")
    assert problem(await world.http.get(f"{LOG}/tile/0/000")) == (404, "not-found")


async def test_a_promise_is_kept_by_a_proof_that_anybody_can_check(world: World) -> None:
    filed = await world.file_plain()
    await publish(world)
    answer = await world.http.get(f"{LOG}/proofs/{shown(filed)}")
    assert answer.status_code == 200

    promise, salt = Signed.from_json(filed["promise"]), unb64u(filed["salt"])
    check_promise(promise, world.directory.logs[0].verify_key, filed["record"], salt)
    proof = tlog.LogProof.parse(answer.text)
    assert proof.extra is not None
    assert len(proof.extra) == 32
    entry = proof.extra + unb64u(promise.body["leaf"])
    assert proof.check(entry, vkey(world)) == await checkpoint(world)
    with pytest.raises(ValueError, match="does not lead"):
        proof.check(proof.extra + bytes(32), vkey(world))


async def test_the_inbox_says_when_the_promise_is_kept(world: World) -> None:
    report, _ = await world.file_sealed()
    headers = await world.open_inbox(report.keys.lookup)
    assert (await world.inbox(headers))["published"] is False
    await publish(world)
    assert (await world.inbox(headers))["published"] is True


async def test_batches_are_full_whatever_waits(world: World, sql: Sql) -> None:
    for reports, size in ((3, 256), (0, 512), (1, 768)):
        for _ in range(reports):
            await world.file_sealed()
        await publish(world)
        assert (await checkpoint(world)).size == size
    assert sql(
        "SELECT count(*) FROM intake.log_entries WHERE leaf IN (SELECT leaf FROM intake.log_records)"
    ) == [(5,)], "four reports and the directory"


@pytest.mark.parametrize(("waiting", "published"), [(0, 0), (1, 256), (255, 256), (256, 256), (257, 512)])
def test_a_batch_is_padded_to_whole_tiles(waiting: int, published: int) -> None:
    leaves = [bytes([i % 256, i // 256]) * 16 for i in range(waiting)]
    made = log.batch(leaves)
    assert len(made) == published
    assert {leaf for _, leaf in made} >= set(leaves)
    assert all(entry[32:] == leaf and len(entry) == 64 for entry, leaf in made)
    assert len({entry[:32] for entry, _ in made}) == published


def test_order_in_a_batch_is_random() -> None:
    leaves = [bytes([i]) * 32 for i in range(100)]
    orders = [[leaf for _, leaf in log.batch(leaves) if leaf in leaves] for _ in range(2)]
    assert orders[0] != orders[1] != leaves != orders[0]
    # A record is as likely in the last quarter as in the first: 25 of 100 expected, 5 standard deviations allowed.
    late = [i for i, (_, leaf) in enumerate(log.batch(leaves)) if leaf in leaves and i >= 192]
    assert 3 <= len(late) <= 47


async def test_order_of_publication_is_not_order_of_filing(world: World, sql: Sql) -> None:
    filed = [shown((await world.file_sealed())[1]) for _ in range(12)]
    await publish(world)
    positions: dict[str, int] = dict(sql("SELECT encode(leaf, 'hex'), position FROM intake.log_entries"))
    order = [positions[unb64u(leaf).hex()] for leaf in filed]
    assert order != sorted(order), "one chance in 479 million to fail by luck"


async def test_noise_and_records_look_alike(world: World) -> None:
    await world.file_sealed()
    await publish(world)
    found = await entries(world, 256)
    assert {len(entry) for entry in found} == {64}
    assert len({entry[:32] for entry in found}) == len({entry[32:] for entry in found}) == 256


async def test_the_leaf_tells_nothing_without_its_salt(world: World) -> None:
    _, filed = await world.file_sealed()
    record = dumps(filed["record"])
    assert leaf_hash(unb64u(filed["salt"]), record) == unb64u(shown(filed))
    assert leaf_hash(bytes(32), record) != unb64u(shown(filed))


async def test_tiles_and_entries_give_the_signed_root(world: World) -> None:
    await world.file_sealed()
    for _ in range(2):
        await publish(world)
    head = await checkpoint(world)
    found = await tiles(world, head.size)
    assert tlog.root(head.size, reader(found)) == head.root
    assert tlog.root_of(tlog.record_hash(entry) for entry in await entries(world, head.size)) == head.root


async def test_a_later_checkpoint_only_adds_to_an_earlier_one(world: World) -> None:
    filed = await world.file_plain()
    heads = []
    for _ in range(3):
        await publish(world)
        heads.append(await checkpoint(world))
    found = reader(await tiles(world, heads[-1].size))
    for older, newer in itertools.pairwise(heads):
        path = tlog.consistency_proof(older.size, newer.size, found)
        tlog.check_consistency(older.size, older.root, newer.size, newer.root, path)
    proof = tlog.LogProof.parse((await world.http.get(f"{LOG}/proofs/{shown(filed)}")).text)
    assert proof.extra is not None
    assert proof.check(proof.extra + unb64u(shown(filed)), vkey(world)) == heads[-1]


async def test_every_logged_act_is_published_once(world: World, sql: Sql) -> None:
    _, filed = await world.file_sealed()
    case_id = await world.case_id(filed["reference"])
    step = await world.http.post(
        f"{STAFF}/cases/{case_id}/steps", json={"step": "register"}, headers=world.token("desk")
    )
    assert step.status_code == 201
    assert await publish(world) == 3, "directory, manifest, state"
    assert await publish(world) == 0
    kinds = sql(
        "SELECT convert_from(r.record, 'UTF8')::jsonb ->> 'type', count(*) FROM intake.log_records r "
        "JOIN intake.log_entries USING (leaf) GROUP BY 1 ORDER BY 1"
    )
    assert kinds == [("directory", 1), ("manifest", 1), ("state", 1)]


async def test_published_records_name_nobody(world: World, sql: Sql) -> None:
    person = "6b0d4f0e-6b8e-4b57-9a3f-0d6a5c1b2e3f"
    _, filed = await world.file_sealed()
    case_id = await world.case_id(filed["reference"])
    headers = world.token("lead", person=person)
    await world.http.post(f"{STAFF}/cases/{case_id}/steps", json={"step": "register"}, headers=headers)
    await publish(world)
    assert person not in str(sql("SELECT convert_from(record, 'UTF8') FROM intake.log_records"))


async def test_of_two_publications_at_once_only_one_runs(world: World, sql: Sql) -> None:
    await world.file_sealed()
    results = await asyncio.gather(*(publish(world) for _ in range(3)), return_exceptions=True)
    done = [result for result in results if isinstance(result, int)]
    assert all(isinstance(result, int | Busy) for result in results)
    assert sum(done) == 2
    assert (await checkpoint(world)).size == 256 * len(done)
    assert sql("SELECT count(*) FROM intake.log_checkpoints") == [(len(done),)]


async def test_a_publication_that_fails_is_seen_and_leaves_the_log_as_it_was(world: World, sql: Sql) -> None:
    await publish(world)
    before = await checkpoint(world)
    await world.file_sealed()
    sql("REVOKE INSERT ON intake.log_checkpoints FROM adal_intake")
    try:
        with pytest.raises(Exception, match="permission denied"):
            await publish(world)
    finally:
        sql("GRANT INSERT ON intake.log_checkpoints TO adal_intake")
    runs = await last_runs(world.app.state)
    assert runs["intake.publish-log"].error == "ProgrammingError"
    assert (await checkpoint(world), await entries(world, 256)) == (before, await entries(world, before.size))
    assert await publish(world) == 1
    assert (await checkpoint(world)).size == 512


async def test_the_service_cannot_change_or_delete_what_is_logged(world: World) -> None:
    await publish(world)
    async with world.app.state.engine.connect() as conn:
        for table in ("log_records", "log_entries", "log_tiles", "log_checkpoints", "directories"):
            for statement in (f"DELETE FROM intake.{table}", f"TRUNCATE intake.{table}"):
                with pytest.raises(Exception, match="permission denied"):
                    await conn.exec_driver_sql(statement)
                await conn.rollback()


# --- what is served


async def test_tiles_never_change_and_checkpoints_are_asked_for_again(world: World) -> None:
    await publish(world)
    tile = await world.http.get(f"{LOG}/tile/0/000")
    assert "immutable" in tile.headers["Cache-Control"]
    assert tile.headers["content-type"] == "application/octet-stream"
    assert (await world.http.get(f"{LOG}/checkpoint")).headers["Cache-Control"] == "no-cache"
    await publish(world)
    assert (await world.http.get(f"{LOG}/tile/0/000")).content == tile.content
    assert (await world.http.get(f"{LOG}/tile/1/000.p/1")).status_code == 200
    assert (await world.http.get(f"{LOG}/tile/1/000.p/2")).status_code == 200


FARTHEST = "/".join(["x999"] * 5 + ["999"])
IMPOSSIBLE = [
    *(
        "0/001",
        "0/000.p/256",
        "0/000.p/0",
        "0/000.p/5",
        "64/000",
        "1/000",
        "-1/000",
        "0/0",
        "0/0000",
        "0/x001/000",
    ),
    *("entries/001", f"entries/{FARTHEST}", f"0/{FARTHEST}", f"63/{FARTHEST}"),
    *("x/000", "", "0/000/", "0/%00", "0/٠٠٠"),
]


@pytest.mark.parametrize("path", IMPOSSIBLE)
async def test_a_tile_that_is_not_there_is_a_404(world: World, path: str) -> None:
    await publish(world)
    assert problem(await world.http.get(f"{LOG}/tile/{path}")) == (404, "not-found")


NO_LEAVES = ["x", b64u(bytes(31)), b64u(bytes(32)), b64u(bytes(33)), b64u(bytes(32)) + "=", "ключ", "%00"]


@pytest.mark.parametrize("leaf", NO_LEAVES)
async def test_a_leaf_that_was_never_promised_has_no_proof(world: World, leaf: str) -> None:
    await publish(world)
    assert problem(await world.http.get(f"{LOG}/proofs/{leaf}")) == (404, "not-published")


async def test_proofs_hold_for_many_positions(world: World, sql: Sql) -> None:
    filed = [shown((await world.file_sealed())[1]) for _ in range(8)]
    for _ in range(3):
        await publish(world)
    for leaf in random.sample(filed, 4):
        proof = tlog.LogProof.parse((await world.http.get(f"{LOG}/proofs/{leaf}")).text)
        assert proof.extra is not None
        proof.check(proof.extra + unb64u(leaf), vkey(world))
    ((noise,),) = sql(
        "SELECT leaf FROM intake.log_entries WHERE leaf NOT IN (SELECT leaf FROM intake.log_records) LIMIT 1"
    )
    proof_of_noise: Any = await world.http.get(f"{LOG}/proofs/{b64u(noise)}")
    assert proof_of_noise.status_code == 200, "whoever guesses a leaf learns nothing from the answer"


def test_the_schedule_keeps_the_promise_of_48_hours() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    waits = [hours for hours in range(49) if due(PUBLISH, now, now + timedelta(hours=hours))]
    assert min(waits) <= 24
