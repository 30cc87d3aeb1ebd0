"""tus 1.0 as a client meets it: every header, every refusal, and an offset that never lies."""

import asyncio
import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from services.intake.receiving import Patch
from services.kit.appending import AppendingFile
from tests.intake.builders import API, Sql, World, problem
from tests.intake.tus import (
    STEP,
    TUS,
    UPLOADS,
    checksum,
    configure,
    noise,
    open_draft,
)

pytestmark = pytest.mark.anyio
MODES = ["sealed", "plain"]


async def test_a_sealed_draft_tells_its_secret_its_end_and_its_limits_and_nothing_else(world: World):
    draft = (await open_draft(world)).answer
    assert set(draft) == {"draft", "expires", "max_bytes", "max_uploads"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", draft["draft"])
    assert draft["expires"].endswith(":00:00Z")
    assert (draft["max_bytes"], draft["max_uploads"]) == (2 << 30, 20)


async def test_a_plain_draft_tells_to_whom_its_files_are_sealed(world: World):
    draft = (await open_draft(world, "plain")).answer
    assert draft["report_recipient"].startswith("age1pq1")
    assert len(draft["rid"]) == 43


async def test_the_database_keeps_only_the_hash_of_a_secret_and_no_time_but_a_whole_hour(
    world: World, sql: Sql
):
    draft = (await open_draft(world, "plain")).answer
    ((row, expires),) = sql("SELECT drafts::text, expires FROM intake.drafts")
    assert draft["draft"] not in row
    assert (expires.minute, expires.second, expires.microsecond) == (0, 0, 0)
    assert "AGE-SECRET" not in row


@pytest.mark.parametrize("mode", ["open", "", None, 1])
async def test_another_kind_of_draft_is_refused(world: World, mode: Any):
    answer = await world.http.post(f"{API}/drafts", json={"mode": mode})
    assert problem(answer) == (422, "invalid")


async def test_options_says_what_is_spoken_without_a_draft_or_a_version(world: World):
    answer = await world.http.request("OPTIONS", UPLOADS)
    assert answer.status_code == 204
    assert answer.headers["tus-resumable"] == answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,termination,checksum,expiration"
    assert answer.headers["tus-checksum-algorithm"] == "sha256,sha1"
    assert answer.headers["tus-max-size"] == str(2 << 30)


async def test_a_new_upload_has_an_address_an_offset_and_an_end(world: World):
    draft = await open_draft(world)
    answer = await draft.create(5)
    assert answer.status_code == 201
    assert re.fullmatch(UPLOADS + "/[0-9a-f-]{36}", answer.headers["location"])
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["upload-offset"] == "0"
    expires = parsedate_to_datetime(answer.headers["upload-expires"])
    assert timedelta(hours=24) <= expires - world.now() <= timedelta(hours=25)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "removed"),
    [
        ({"Upload-Length": ""}, None),
        ({"Upload-Length": "-1"}, None),
        ({"Upload-Length": "01"}, None),
        ({"Upload-Length": "1e3"}, None),
        ({"Upload-Length": "٣"}, None),
        ({"Upload-Length": "9" * 40}, None),
        ({}, "Upload-Length"),
        ({"Upload-Defer-Length": "1"}, None),
        ({"Upload-Concat": "partial"}, None),
        ({"Upload-Metadata": "filename c2VjcmV0"}, None),
        ({"Upload-Metadata": ""}, None),
    ],
)
async def test_a_creation_that_is_no_plain_length_is_refused(
    world: World, sql: Sql, headers: dict[str, str], removed: str | None
):
    draft = await open_draft(world)
    sent: dict[str, Any] = {**draft.headers, "Upload-Length": "5", **headers}
    sent.pop(removed or "", None)
    answer = await world.http.post(UPLOADS, headers={k: v.encode() for k, v in sent.items()})
    assert problem(answer) == (400, "malformed")
    assert "c2VjcmV0" not in answer.text
    assert sql("SELECT count(*) FROM intake.uploads") == [(0,)]


@pytest.mark.parametrize("version", ["0.2.2", "1.0.1", "", None])
async def test_another_version_of_tus_is_refused_with_the_right_one(world: World, version: str | None):
    upload = await (await open_draft(world)).new(5)
    for method, url in (
        ("POST", UPLOADS),
        ("HEAD", upload.url),
        ("PATCH", upload.url),
        ("DELETE", upload.url),
    ):
        headers = {k: v for k, v in upload.draft.headers.items() if k != "Tus-Resumable"}
        sent = headers if version is None else {**headers, "Tus-Resumable": version}
        answer = await world.http.request(method, url, headers=sent)
        assert answer.status_code == 412
        assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert (await upload.head()).status_code == 200


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "Basic " + "A" * 43])
async def test_without_a_secret_nothing_is_answered(world: World, authorization: str | None):
    upload = await (await open_draft(world)).new(5)
    headers = {**TUS, **({} if authorization is None else {"Authorization": authorization})}
    for method, url in (
        ("POST", UPLOADS),
        ("HEAD", upload.url),
        ("PATCH", upload.url),
        ("DELETE", upload.url),
    ):
        more = {"Upload-Length": "1", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        answer = await world.http.request(method, url, headers={**headers, **more})
        assert answer.status_code == 401
        assert answer.headers["tus-resumable"] == "1.0.0"


async def test_an_unknown_secret_is_a_draft_that_is_gone(world: World):
    upload = await (await open_draft(world)).new(5)
    headers = {**upload.draft.headers, "Authorization": "Bearer " + "A" * 43}
    assert (await world.http.head(upload.url, headers=headers)).status_code == 410
    answer = await world.http.post(UPLOADS, headers={**headers, "Upload-Length": "1"})
    assert problem(answer) == (410, "draft-gone")


async def test_an_upload_of_another_draft_does_not_exist(world: World):
    mine, other = await open_draft(world), await open_draft(world)
    upload = await mine.new(5)
    foreign = type(upload)(other, upload.url)
    assert (await foreign.head()).status_code == 404
    assert problem(await foreign.patch(0, b"12345")) == (404, "not-found")
    assert problem(await foreign.delete()) == (404, "not-found")
    assert await upload.offset() == 0


@pytest.mark.parametrize("name", ["x", "0", "00000000-0000-0000-0000-000000000000", "%00", "1" * 400])
async def test_an_upload_that_never_was_is_not_found(world: World, name: str):
    upload = type(await (await open_draft(world)).new(5))(await open_draft(world), f"{UPLOADS}/{name}")
    assert (await upload.head()).status_code == 404
    assert (await upload.patch(0, b"x")).status_code == 404
    assert (await upload.delete()).status_code == 404


@pytest.mark.parametrize("mode", MODES)
async def test_bytes_arrive_in_several_requests_and_the_offset_follows(world: World, mode: str):
    configure(world, segment_bytes=STEP)
    data = noise(3 * STEP + 17)
    upload, at = await (await open_draft(world, mode)).new(len(data)), 0
    for size in (1, STEP - 1, STEP, 5, len(data)):
        answer = await upload.patch(at, data[at : at + size])
        at = min(at + size, len(data))
        assert answer.status_code == 204
        assert answer.headers["upload-offset"] == str(at)
        assert "upload-expires" in answer.headers
        head = await upload.head()
        assert (head.headers["upload-offset"], head.headers["upload-length"]) == (str(at), str(len(data)))
        assert head.headers["cache-control"] == "no-store"
    assert (await upload.row()).sha256 is not None


async def test_a_sealed_upload_is_stored_byte_for_byte_in_one_private_file(world: World):
    data = noise(200_000)
    upload = await (await open_draft(world)).whole(data)
    assert await upload.content() == data
    row = await upload.row()
    path = world.app.state.context.settings.blobs_folder / row.blob[:2] / row.blob
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mtime % 86_400 == path.stat().st_atime % 86_400 == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("offset", [0, 9, 11, 25, 30, 10**12])
async def test_a_wrong_offset_is_refused_and_changes_nothing(world: World, mode: str, offset: int):
    data = noise(25)
    upload = await (await open_draft(world, mode)).new(25)
    await upload.patch(0, data[:10])
    answer = await upload.patch(offset, data[:15])
    assert problem(answer) == (409, "offset")
    assert answer.headers["upload-offset"] == "10"
    assert await upload.offset() == 10
    assert (await upload.patch(10, data[10:])).status_code == 204


@pytest.mark.parametrize("offset", ["", "-1", "x", "1.0", None])
async def test_an_offset_that_is_no_number_is_refused(world: World, offset: str | None):
    upload = await (await open_draft(world)).new(5)
    headers: dict[str, str] = {**upload.draft.headers, "Content-Type": "application/offset+octet-stream"}
    if offset is not None:
        headers["Upload-Offset"] = offset
    assert problem(await world.http.patch(upload.url, content=b"x", headers=headers)) == (400, "malformed")


@pytest.mark.parametrize("media_type", ["application/octet-stream", "text/plain", ""])
async def test_another_media_type_is_refused(world: World, media_type: str):
    upload = await (await open_draft(world)).new(5)
    answer = await upload.patch(0, b"12345", **{"Content-Type": media_type})
    assert problem(answer) == (415, "media-type")
    assert await upload.offset() == 0


@pytest.mark.parametrize("mode", MODES)
async def test_more_bytes_than_announced_are_refused_before_and_while_they_come(world: World, mode: str):
    async def endless() -> Any:
        for _ in range(5):
            yield b"abc"

    upload = await (await open_draft(world, mode)).new(10)
    assert problem(await upload.patch(0, b"x" * 11)) == (413, "too-large")
    assert problem(await upload.patch(0, endless())) == (413, "too-large")
    assert await upload.offset() == 0
    assert (await upload.patch(0, b"y" * 10)).status_code == 204


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
async def test_a_right_checksum_counts_and_a_wrong_one_undoes_the_whole_request(
    world: World, mode: str, algorithm: str
):
    configure(world, segment_bytes=STEP)
    data = noise(3 * STEP)
    upload = await (await open_draft(world, mode)).new(len(data))
    assert (await upload.patch(0, data[:1000], **checksum(data[:1000], algorithm))).status_code == 204
    before = await upload.row()
    answer = await upload.patch(1000, data[1000:], **checksum(data[1001:], algorithm))
    assert problem(answer) == (460, "checksum")
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert await upload.row() == before
    assert len(await upload.content()) == before.stored
    assert (await upload.patch(1000, data[1000:], **checksum(data[1000:], algorithm))).status_code == 204
    assert await upload.offset() == len(data)


@pytest.mark.parametrize(
    "value",
    ["", "sha256", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha256 AAAA", "sha256 !!", "SHA256 " + "A" * 43 + "="],
)
async def test_a_checksum_that_cannot_be_checked_is_refused(world: World, value: str):
    upload = await (await open_draft(world)).new(5)
    assert problem(await upload.patch(0, b"12345", **{"Upload-Checksum": value})) == (400, "malformed")
    assert await upload.offset() == 0


@pytest.mark.parametrize("mode", MODES)
async def test_a_cut_request_with_a_checksum_counts_for_nothing(world: World, mode: str):
    configure(world, segment_bytes=STEP)
    data = noise(3 * STEP)
    upload = await (await open_draft(world, mode)).new(len(data))
    assert await upload.cut_after(0, data[: 2 * STEP + 5], expected=bytes(32)) == 0
    assert await upload.offset() == 0


@pytest.mark.parametrize("mode", MODES)
async def test_a_second_client_is_told_to_wait_while_the_first_one_sends(world: World, mode: str):
    upload, go_on, begun = await (await open_draft(world, mode)).new(10), asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        yield b"01234"
        begun.set()
        await go_on.wait()
        yield b"56789"

    first = asyncio.create_task(upload.patch(0, slow()))
    await begun.wait()
    assert problem(await upload.patch(0, b"abcde")) == (423, "locked")
    assert problem(await upload.delete()) == (423, "locked")
    assert (await upload.head()).status_code == 200
    go_on.set()
    assert (await first).status_code == 204
    assert await upload.offset() == 10


@pytest.mark.parametrize("mode", MODES)
async def test_two_clients_at_once_never_mix_their_bytes(world: World, mode: str):
    configure(world, segment_bytes=STEP)
    data = noise(2 * STEP)
    upload = await (await open_draft(world, mode)).new(len(data))
    answers = await asyncio.gather(*(upload.patch(0, data) for _ in range(5)))
    assert {a.status_code for a in answers} <= {204, 409, 423}
    assert [a.status_code for a in answers].count(204) == 1
    if mode == "sealed":
        assert await upload.content() == data


@pytest.mark.parametrize("mode", MODES)
async def test_bytes_of_another_request_that_ended_just_before_the_lock_was_taken_are_kept(
    world: World, mode: str, monkeypatch: pytest.MonkeyPatch
):
    upload, look, looks = await (await open_draft(world, mode)).new(10), Patch._row, 0

    async def late(patch: Patch) -> Any:
        nonlocal looks
        looks += 1
        row, first = await look(patch), looks == 1
        if first:  # between the first look at the row and the lock
            assert (await upload.patch(0, b"01234")).status_code == 204
        return row

    monkeypatch.setattr(Patch, "_row", late)
    answer = await upload.patch(0, b"abcdefghij")
    assert (problem(answer), answer.headers["upload-offset"]) == ((409, "offset"), "5")
    assert len(await upload.content()) == (await upload.row()).stored
    assert (await upload.patch(5, b"56789")).status_code == 204


async def test_a_stalled_request_is_ended_and_keeps_what_came(world: World):
    configure(world, stall_seconds=0.2)
    upload = await (await open_draft(world)).new(10)

    async def silent() -> Any:
        yield b"0123"
        await asyncio.sleep(30)

    assert problem(await upload.patch(0, silent())) == (408, "stalled")
    assert await upload.offset() == 4
    assert (await upload.patch(4, b"456789")).status_code == 204


@pytest.mark.parametrize("mode", MODES)
async def test_an_upload_that_is_complete_takes_no_more_and_says_so(world: World, mode: str):
    upload = await (await open_draft(world, mode)).whole(b"12345")
    again = await upload.patch(5, b"")
    assert (again.status_code, again.headers["upload-offset"]) == (204, "5")
    assert problem(await upload.patch(5, b"6")) == (413, "too-large")


@pytest.mark.parametrize("mode", MODES)
async def test_an_empty_file_is_complete_when_it_is_announced(world: World, mode: str):
    upload = await (await open_draft(world, mode)).new(0)
    row = await upload.row()
    assert (row.received, row.length) == (0, 0)
    assert row.segments == (None if mode == "sealed" else [[0, row.stored]])


async def test_a_deleted_upload_is_gone_with_its_bytes(world: World):
    upload = await (await open_draft(world)).whole(b"12345")
    row = await upload.row()
    answer = await upload.delete()
    assert (answer.status_code, answer.headers["tus-resumable"]) == (204, "1.0.0")
    assert (await upload.head()).status_code == 404
    assert row.blob not in list(world.app.state.context.blobs.names())
    assert (await upload.delete()).status_code == 404


async def test_what_the_disk_lost_is_not_passed_off_as_received(world: World):
    upload = await (await open_draft(world)).new(10)
    await upload.patch(0, b"01234")
    blobs, row = world.app.state.context.blobs, await upload.row()
    file: AppendingFile = blobs.grow(row.blob)
    file.cut(3)
    file.close()
    assert problem(await upload.patch(5, b"56789")) == (404, "not-found")
    blobs.delete(row.blob)
    assert problem(await upload.patch(5, b"56789")) == (404, "not-found")
