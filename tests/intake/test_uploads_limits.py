"""Caps, the disk's floor, proof of work, and the jobs that clean up."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.intake import jobs
from services.intake.door import ChallengeRefused
from services.intake.settings import Settings
from services.kit import logs
from services.kit.blobs import LocalBlobs
from services.kit.jobs import run_job
from tests.intake.builders import API, LARGE, Sql, World, attachment, plain_body, problem
from tests.intake.tus import (
    STEP,
    TUS,
    UPLOADS,
    configure,
    files_of,
    fresh_store,
    noise,
    open_draft,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(world: World, tmp_path: Path) -> World:
    return fresh_store(world, tmp_path / "blobs")


# --- caps


async def test_a_file_above_the_limit_is_refused_and_one_at_it_is_not(world: World):
    configure(world, upload_bytes=1000)
    draft = await open_draft(world)
    assert draft.answer["max_bytes"] == 1000
    assert problem(await draft.create(1001)) == (413, "too-large")
    assert (await draft.create(1000)).status_code == 201
    assert (await world.http.request("OPTIONS", UPLOADS)).headers["tus-max-size"] == "1000"


async def test_a_draft_holds_so_many_files_and_so_many_bytes(world: World, sql: Sql):
    configure(world, uploads_per_draft=3, draft_bytes=100)
    draft = await open_draft(world)
    await draft.whole(bytes(50))
    await draft.whole(bytes(50))
    assert problem(await draft.create(1)) == (413, "too-large")
    await draft.new(0)
    assert problem(await draft.create(0)) == (413, "too-large")
    assert sql("SELECT count(*) FROM intake.uploads") == [(3,)]
    assert (await (await open_draft(world)).create(100)).status_code == 201  # every draft counts for itself


async def test_announcements_whose_answer_was_lost_do_not_use_up_a_draft(world: World, sql: Sql):
    configure(world, uploads_per_draft=3)
    draft = await open_draft(world)
    kept = await draft.new(10)
    await kept.patch(0, b"begun")
    for _ in range(10):
        assert (await draft.create(10)).status_code == 201
    assert await kept.offset() == 5
    assert sql("SELECT count(*) <= 3 FROM intake.uploads") == [(True,)]
    assert len(files_of(world.app.state.context.settings.blobs_folder)) <= 3


async def test_files_that_are_not_filed_have_a_cap_for_all_drafts_together(world: World):
    configure(world, unfiled_bytes=100)
    upload = await (await open_draft(world)).whole(bytes(60))
    other = await open_draft(world)
    assert problem(await other.create(41)) == (507, "no-space")
    assert (await other.create(40)).status_code == 201
    await upload.delete()
    assert (await other.create(100)).status_code == 201


async def test_the_cap_holds_while_bytes_come_and_keeps_what_was_counted(world: World):
    draft = await open_draft(world)
    first, second = await draft.new(3 * STEP), await draft.new(3 * STEP)
    configure(world, unfiled_bytes=4 * STEP, segment_bytes=STEP)
    assert (await first.patch(0, bytes(3 * STEP))).status_code == 204
    assert problem(await second.patch(0, bytes(3 * STEP))) == (507, "no-space")
    assert await second.offset() == STEP


async def test_under_the_floor_of_the_disk_no_files_come_and_reports_still_enter(world: World, sql: Sql):
    upload = await (await open_draft(world)).new(10)
    await upload.patch(0, b"01234")
    configure(world, disk_floor_bytes=1 << 60)
    assert problem(await upload.draft.create(1)) == (507, "no-space")
    answer = await upload.patch(5, b"56789")
    assert problem(answer) == (507, "no-space")
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert await upload.offset() == 5
    large = plain_body(attachments=[attachment(noise(LARGE))])
    assert problem(await world.post(f"{API}/reports", large)) == (507, "no-space")
    assert (await world.post(f"{API}/reports", plain_body())).status_code == 201
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_a_file_that_would_break_through_the_floor_is_refused_before_it_comes(world: World):
    free = world.app.state.context.blobs.free()
    configure(world, disk_floor_bytes=free - (512 << 20))
    draft = await open_draft(world)
    assert problem(await draft.create(1 << 30)) == (507, "no-space")
    assert (await draft.create(1 << 20)).status_code == 201


@pytest.mark.parametrize(
    "bad", [{"upload_bytes": 64 << 30}, {"uploads_per_draft": 21}, {"segment_bytes": 9 << 20}]
)
async def test_settings_beyond_the_format_stop_the_start(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, bad: dict[str, int]
):
    for name, value in bad.items():
        monkeypatch.setenv(f"ADAL_INTAKE_{name.upper()}", str(value))
    with pytest.raises(ValueError, match="less than or equal"):
        Settings()


async def test_a_segment_that_padding_would_change_stops_the_start(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ADAL_INTAKE_SEGMENT_BYTES", str((1 << 20) + 1))
    with pytest.raises(ValueError, match="power of two"):
        Settings()


# --- proof of work


async def test_a_draft_costs_one_challenge_and_its_report_none(world: World, monkeypatch: pytest.MonkeyPatch):
    entered: list[str | None] = []

    async def enter(knock: Any, _conn: Any, _context: Any) -> None:
        entered.append(knock.payload)
        if knock.payload is None:
            raise ChallengeRefused()

    monkeypatch.setattr("services.intake.door.Knock.enter", enter)
    refused = await world.http.post(f"{API}/drafts", json={"mode": "plain"})
    assert problem(refused) == (403, "challenge")
    draft = await open_draft(world, "plain", **{"Adal-Challenge": "solved"})
    upload = await draft.whole(b"bytes")
    body = plain_body(attachments=[{"name": "a", "type": "a/b", "upload": upload.id}])
    answer = await world.post(f"{API}/reports", body, Authorization=draft.headers["Authorization"])
    assert answer.status_code == 201
    assert entered == [None, "solved"]
    assert problem(await world.post(f"{API}/reports", plain_body())) == (403, "challenge")


# --- jobs


def aged(blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let the store believe that its files are so old: change times cannot be set."""
    true = blobs.names
    monkeypatch.setattr(
        blobs, "names", lambda older_than=timedelta(0): true(older_than - timedelta(days=days))
    )


async def test_drafts_are_forgotten_with_their_files_when_their_time_is_over(world: World, sql: Sql):
    state, old = world.app.state, await open_draft(world)
    await old.whole(noise(1000))
    await old.new(5)
    world.at(timedelta(hours=20))
    young = await (await open_draft(world, "plain")).whole(b"young")
    world.at(timedelta(hours=26))
    assert await jobs.forget_drafts(state, world.now()) == 1
    assert sql("SELECT count(*) FROM intake.drafts") == [(1,)]
    assert [path.name for path in files_of(state.context.settings.blobs_folder)] == [(await young.row()).blob]
    assert problem(await old.create(1)) == (410, "draft-gone")
    assert await jobs.forget_drafts(state, world.now()) == 0


async def test_an_expired_draft_takes_nothing_although_no_job_ran(world: World):
    upload = await (await open_draft(world)).new(10)
    await upload.patch(0, b"01234")
    world.at(timedelta(hours=26))
    assert (await upload.head()).status_code == 410
    assert problem(await upload.patch(5, b"56789")) == (410, "draft-gone")
    assert problem(await upload.delete()) == (410, "draft-gone")


async def test_an_upload_that_is_forgotten_while_it_comes_ends_there(world: World):
    configure(world, segment_bytes=STEP)
    upload = await (await open_draft(world)).new(3 * STEP)

    async def slow() -> Any:
        yield bytes(STEP)
        await jobs.forget_drafts(world.app.state, world.now() + timedelta(days=2))
        yield bytes(2 * STEP)

    assert problem(await upload.patch(0, slow())) == (410, "draft-gone")
    assert files_of(world.app.state.context.settings.blobs_folder) == []


async def test_more_drafts_than_one_step_of_the_job_takes_are_all_forgotten(world: World, sql: Sql):
    sql(
        "INSERT INTO intake.drafts (id, secret, mode, expires) "
        "SELECT gen_random_uuid(), int4send(i), 'sealed', '2020-01-01' FROM generate_series(1, 250) i"
    )
    assert await jobs.forget_drafts(world.app.state, world.now()) == 250
    assert sql("SELECT count(*) FROM intake.drafts") == [(0,)]


async def test_the_sweep_takes_files_that_nobody_names_and_leaves_those_of_uploads_and_parts(
    world: World, monkeypatch: pytest.MonkeyPatch, sql: Sql
):
    state = world.app.state
    blobs = state.context.blobs
    upload = await (await open_draft(world)).whole(noise(100))
    await world.file_plain(attachments=[attachment(noise(LARGE))])
    orphan = blobs.start()
    orphan.write(b"left by a crash")
    orphan.close()
    sweep = next(job for job in jobs.JOBS if job.name == "intake.sweep-blobs")
    assert await run_job(state, sweep, world.now()) == 0  # too young
    aged(blobs, monkeypatch, 2)
    assert await run_job(state, sweep, world.now()) == 1
    ((filed,),) = sql("SELECT blob FROM intake.parts WHERE blob IS NOT NULL")
    assert {path.name for path in files_of(state.context.settings.blobs_folder)} == {
        filed,
        (await upload.row()).blob,
    }


async def test_cleaning_up_is_on_the_schedule(world: World):
    names = {job.name for job in jobs.JOBS}
    assert {"intake.forget-drafts", "intake.sweep-blobs"} <= names


async def test_no_secret_and_no_address_of_an_upload_reaches_a_log(
    world: World, capsys: pytest.CaptureFixture[str]
):
    logs.configure()  # to what pytest reads in this test
    draft = await open_draft(world)
    upload = await draft.new(5)
    row = await upload.row()
    world.app.state.context.blobs.delete(row.blob)
    await upload.patch(0, b"12345")
    await world.http.post(UPLOADS, headers={**TUS, "Authorization": "Bearer x", "Upload-Length": "y"})
    printed = "".join(capsys.readouterr())
    assert "upload-lost" in printed
    for secret in (draft.answer["draft"], upload.id, row.blob, str(row.id)):
        assert secret not in printed
