"""What lies on the disk: every byte that was counted, sealed in plain mode, and nothing that was not counted."""

import errno
import tempfile
import tracemalloc
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.crypto.age import HybridIdentity
from services.crypto.attachments import Envelope, open_attachment, open_attachment_stream
from services.crypto.padding import padme
from services.crypto.segments import MAX_SEGMENTS, SEGMENT
from services.intake import receiving, uploads
from services.intake.disk import InsufficientStorage
from services.intake.uploads import OpaqueWriter, PlainWriter, Progress, SealingWriter, StoredFile
from services.kit.appending import AppendingFile
from services.kit.blobs import LocalBlobs
from services.kit.problems import TooLarge
from tests.crypto.builders import identity
from tests.intake.builders import World, problem
from tests.intake.tus import STEP, Upload, configure, files_of, noise, open_draft, recipient_of

pytestmark = pytest.mark.anyio
READER = identity("report")
CHUNK = 1 << 16
BORDERS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1, 3 * CHUNK, 3 * CHUNK + 1]


def envelope(file: StoredFile) -> Envelope:
    line = Envelope(0, "a", "video/mp4", file.size, None, file.sha256, file.segments)
    return Envelope.from_json(line.to_json())


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


async def written(blobs: LocalBlobs, data: bytes, step: int, piece: int) -> StoredFile:
    writer = await PlainWriter.begin(blobs, READER.recipient, len(data), step)
    for start in range(0, len(data), piece):
        await writer.write(data[start : start + piece])
    return await writer.finish()


@pytest.mark.parametrize("size", BORDERS)
@pytest.mark.parametrize("step", [CHUNK, 2 * CHUNK, 1024])
async def test_plain_bytes_come_back_at_every_border(blobs: LocalBlobs, size: int, step: int):
    data = noise(size)
    file = await written(blobs, data, step, 50_001)
    assert file.segments is not None
    assert [plain for plain, _ in file.segments[:-1]] == [step] * (len(file.segments) - 1)
    assert (file.size, file.stored) == (size, blobs.size(file.blob))
    assert file.sha256 == sha256(blobs.read(file.blob)).digest()
    assert open_attachment(blobs.read(file.blob), envelope(file), READER) == data


@pytest.mark.parametrize("size", [SEGMENT - 1, SEGMENT, SEGMENT + 1])
async def test_the_true_segment_of_8_mib_holds_at_its_border(blobs: LocalBlobs, size: int):
    data = noise(size)
    file = await written(blobs, data, SEGMENT, 300_000)
    assert [plain for plain, _ in file.segments or ()] == [size] if size <= SEGMENT else [SEGMENT, 1]
    assert open_attachment(blobs.read(file.blob), envelope(file), READER) == data


async def test_only_the_last_segment_is_padded(blobs: LocalBlobs):
    file = await written(blobs, noise(3 * 1024 + 1001), 1024, 999)
    sizes = [stored for _, stored in file.segments or ()]
    assert sizes[0] == sizes[1] == sizes[2]
    assert sizes[3] - sizes[0] == padme(1001) - 1024


async def test_a_plain_file_above_its_limit_is_refused_and_leaves_nothing(blobs: LocalBlobs):
    writer = await PlainWriter.begin(blobs, READER.recipient, 1000)
    await writer.write(bytes(1000))
    with pytest.raises(TooLarge):
        await writer.write(b"x")
    await writer.abort()
    assert list(blobs.names()) == []
    await writer.abort()


async def test_more_segments_than_the_format_knows_are_refused(
    blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uploads, "MAX_SEGMENTS", 4)
    writer = await PlainWriter.begin(blobs, READER.recipient, 1 << 20, 1024)
    await writer.write(bytes(3 * 1024))
    with pytest.raises(TooLarge):
        await writer.write(bytes(2 * 1024))


@pytest.mark.parametrize("step", [1000, 5001, 2 * SEGMENT])
def test_a_segment_that_would_need_padding_is_no_step(blobs: LocalBlobs, step: int):
    file = blobs.start()
    with pytest.raises(ValueError, match="segment"):
        SealingWriter(file, READER.recipient, Progress(), step)
    file.close()


@pytest.mark.parametrize("kind", ["opaque", "sealing"])
async def test_writers_forget_what_came_after_the_last_settled_byte(blobs: LocalBlobs, kind: str):
    file = blobs.start()
    writer: Any = OpaqueWriter(file, Progress())
    if kind == "sealing":
        writer = SealingWriter(file, READER.recipient, Progress())
    await writer.put(b"kept")
    kept = await writer.settle(last=False)
    await writer.put(b"lost" * 50_000)
    await writer.rewind(kept)
    assert (writer.progress, writer.fresh, blobs.size(file.name)) == (kept, 0, kept.stored)
    await writer.put(b" for good")
    done = await writer.settle(last=True)
    file.close()
    if kind == "opaque":
        assert blobs.read(file.name) == b"kept for good"
    else:
        whole = StoredFile(file.name, done.received, done.stored, blobs.digest(file.name), done.segments)
        assert open_attachment(blobs.read(file.name), envelope(whole), READER) == b"kept for good"


async def test_memory_does_not_grow_with_a_plain_file(blobs: LocalBlobs):
    block, size = noise(1 << 18), 48 << 20
    writer = await PlainWriter.begin(blobs, READER.recipient, size)
    await writer.write(block)  # everything is loaded
    tracemalloc.start()
    for _ in range(size // len(block) - 1):
        await writer.write(block)
    file = await writer.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert file.size == size
    assert peak < 4 << 20
    opened = sha256()
    for chunk in open_attachment_stream(blobs.open_stream(file.blob), envelope(file), READER):
        opened.update(chunk)
    assert opened.digest() == sha256(block * (size // len(block))).digest()


# --- through the service


async def opened(world: World, upload: Upload, identity: HybridIdentity | None = None) -> bytes:
    """The true bytes of a complete plain upload whose draft was sealed to `READER`."""
    row = await upload.row()
    segments = tuple((plain, stored) for plain, stored in row.segments)
    file = StoredFile(row.blob, row.length, row.stored, row.sha256, segments)
    data = world.app.state.context.blobs.read(row.blob)
    assert len(data) == row.stored
    return open_attachment(data, envelope(file), identity or READER)


async def plain_upload(world: World, size: int, sql: Any) -> Upload:
    """A plain upload whose key the test has, in place of the one that the service forgot."""
    draft = await open_draft(world, "plain")
    sql("UPDATE intake.drafts SET report_recipient = %s", str(READER.recipient))
    return await draft.new(size)


@pytest.mark.parametrize("mode", ["sealed", "plain"])
@pytest.mark.parametrize("seed", range(3))
async def test_cuts_at_random_bytes_lose_nothing_that_was_counted(
    world: World, sql: Any, mode: str, seed: int
):
    configure(world, segment_bytes=STEP)
    random = Random(seed)
    data = noise(5 * STEP + random.randrange(STEP), seed)
    upload = (
        await plain_upload(world, len(data), sql)
        if mode == "plain"
        else await (await open_draft(world)).new(len(data))
    )
    at = 0
    while at < len(data):
        end = random.randint(at, min(len(data), at + 2 * STEP))
        reached = await upload.cut_after(at, data[at:end], piece=random.randint(1, 40_000))
        assert reached == await upload.offset() == end  # what came before the cut counts
        at = reached
    row = await upload.row()
    assert row.sha256 == sha256(await upload.content()).digest()
    assert (await upload.content() if mode == "sealed" else await opened(world, upload)) == data


@pytest.mark.parametrize("mode", ["sealed", "plain"])
async def test_bytes_that_were_written_but_not_counted_are_cut_off(world: World, sql: Any, mode: str):
    """A crash between the disk and the database leaves such bytes; so does one in the middle of a segment."""
    data = noise(30_000)
    upload = (
        await plain_upload(world, len(data), sql)
        if mode == "plain"
        else await (await open_draft(world)).new(len(data))
    )
    await upload.patch(0, data[:10_000])
    row = await upload.row()
    file: AppendingFile = world.app.state.context.blobs.grow(row.blob)
    file.cut(row.stored)
    file.write(noise(77_777, 9))
    file.flush()
    file.close()
    assert await upload.offset() == 10_000
    assert (await upload.patch(10_000, data[10_000:])).status_code == 204
    assert (await upload.content() if mode == "sealed" else await opened(world, upload)) == data


async def test_many_small_cuts_never_use_up_the_segments(
    world: World, sql: Any, monkeypatch: pytest.MonkeyPatch
):
    """A cut that would leave too few segments for the rest falls back to the last complete one."""
    monkeypatch.setattr(receiving, "MAX_SEGMENTS", 6)
    configure(world, segment_bytes=STEP)
    data = noise(4 * STEP)
    upload, at = await plain_upload(world, len(data), sql), 0
    for _ in range(8):
        at = await upload.cut_after(at, data[at : at + 100])
    assert at == 200  # two short segments, and four are needed for the rest
    answer = await upload.patch(at, data[at:])
    assert (answer.status_code, await upload.offset()) == (204, len(data))
    assert len((await upload.row()).segments) == 6
    assert await opened(world, upload) == data


async def test_plaintext_never_touches_the_disk(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    marker = b"MARKER-" + noise(16).hex().encode()
    data = (marker + noise(900)) * 300
    upload, folder = (
        await (await open_draft(world, "plain")).new(len(data)),
        world.app.state.context.settings.blobs_folder,
    )
    seen: list[int] = []

    async def watched() -> Any:
        for start in range(0, len(data), 30_000):
            yield data[start : start + 30_000]
            found = [path.read_bytes() for path in files_of(folder)]
            seen.append(sum(map(len, found)))
            assert not any(marker in content for content in found)

    assert (await upload.patch(0, watched())).status_code == 204
    assert seen[-1] > seen[1] > 0  # it did grow on the disk while it came
    assert marker not in await upload.content()
    assert list(tmp_path.iterdir()) == []


async def test_a_plain_draft_seals_to_the_recipient_it_showed(world: World):
    draft = await open_draft(world, "plain")
    upload = await draft.whole(b"twelve bytes")
    (segment,) = (await upload.row()).segments
    assert segment[0] == 12
    with pytest.raises(ValueError, match="identity"):
        await opened(world, upload, identity("stranger"))
    assert str(recipient_of(draft)) == draft.answer["report_recipient"]


@pytest.mark.parametrize("mode", ["sealed", "plain"])
async def test_a_full_disk_refuses_politely_and_what_was_counted_stays(
    world: World, mode: str, monkeypatch: pytest.MonkeyPatch
):
    upload = await (await open_draft(world, mode)).new(20)
    await upload.patch(0, b"0123456789")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(AppendingFile, "write", full)
        answer = await upload.patch(10, b"0123456789")
    assert problem(answer) == (507, "no-space")
    assert await upload.offset() == 10
    assert (await upload.patch(10, b"0123456789")).status_code == 204


async def test_a_disk_that_fails_otherwise_is_an_error_of_ours(
    blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch
):
    writer = await PlainWriter.begin(blobs, READER.recipient, 100)

    def broken(*_: Any) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(AppendingFile, "write", broken)
    with pytest.raises(OSError, match="broken") as caught:
        await writer.write(b"x")
    assert not isinstance(caught.value, InsufficientStorage)
    await writer.abort()


async def test_a_crash_before_the_hash_is_made_good_by_the_next_request(world: World, sql: Any):
    upload = await (await open_draft(world)).whole(b"12345")
    sql("UPDATE intake.uploads SET sha256 = NULL")
    assert (await upload.patch(5, b"")).status_code == 204
    assert (await upload.row()).sha256 == sha256(b"12345").digest()


async def test_the_limits_of_settings_and_format_agree(world: World):
    settings = world.app.state.context.settings
    assert settings.segment_bytes == SEGMENT
    assert settings.upload_bytes <= MAX_SEGMENTS * SEGMENT
