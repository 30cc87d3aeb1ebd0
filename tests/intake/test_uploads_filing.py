"""Reports that take over what was uploaded: whole, once, and by nobody else."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.crypto.age import HybridRecipient, X25519Identity, encrypt
from services.crypto.age import seal as seal_part
from services.crypto.attachments import open_attachment
from services.crypto.canonical import unb64u
from services.crypto.manifests import Manifest, PartLine
from services.crypto.packages import ReportKey, UploadedPart, open_report
from services.crypto.padding import padme
from services.first_run import DESK
from tests.intake.builders import (
    API,
    STAFF,
    Sql,
    World,
    altered,
    attachment,
    new_key,
    plain_body,
    pointers,
    problem,
)
from tests.intake.tus import (
    STEP,
    Draft,
    SealedUpload,
    configure,
    fresh_store,
    noise,
    open_draft,
    report_key,
    seal,
    sealed_draft,
)

pytestmark = pytest.mark.anyio
VIDEO = noise(3 * STEP + 1234)


@pytest.fixture
def world(world: World, tmp_path: Path) -> World:
    return fresh_store(world, tmp_path / "blobs")


async def file(world: World, draft: Draft, body: Any, path: str = "packages", key: str | None = None) -> Any:
    return await world.post(f"{API}/{path}", body, key, Authorization=draft.headers["Authorization"])


def uploaded(name: str, upload: str) -> dict[str, str]:
    return {"name": name, "type": "video/mp4", "upload": upload}


async def part(world: World, case: dict[str, Any], number: int) -> bytes:
    answer = await world.http.get(f"{STAFF}/cases/{case['id']}/parts/{number}", headers=world.token("desk"))
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.content


async def opened(world: World, reference: str) -> tuple[Any, list[bytes]]:
    """What the desk reads: the narrative, and the true bytes of every attachment."""
    case = await world.case(await world.case_id(reference))
    key, manifest = await report_key(world, reference), Manifest.from_json(case["manifest"])
    files = [await part(world, case, line["number"]) for line in case["parts"]]
    report = open_report(manifest, unb64u(case["signature"], 64), files, key)
    return report, [open_attachment(f, e, key) for f, e in zip(files[2:], report.envelopes, strict=True)]


async def nothing_left(world: World, sql: Sql) -> None:
    assert sql("SELECT (SELECT count(*) FROM intake.drafts), (SELECT count(*) FROM intake.uploads)") == [
        (0, 0)
    ]
    named = {blob for (blob,) in sql("SELECT blob FROM intake.parts WHERE blob IS NOT NULL")}
    assert set(world.app.state.context.blobs.names()) == named


async def test_a_sealed_report_takes_over_its_uploads(world: World, sql: Sql):
    draft, report = await sealed_draft(world, ("video.mp4", VIDEO), ("empty.bin", b""))
    answer = await file(world, draft, report.to_json())
    assert answer.status_code == 201, answer.text
    found, data = await opened(world, answer.json()["reference"])
    assert data == [VIDEO, b""]
    assert [line.segments for line in found.envelopes] == [None, None]
    await nothing_left(world, sql)


async def test_a_plain_report_takes_over_its_uploads_beside_those_it_carries(world: World, sql: Sql):
    configure(world, segment_bytes=STEP)
    draft = await open_draft(world, "plain")
    video, empty = await draft.whole(VIDEO), await draft.new(0)
    body = plain_body(
        attachments=[
            uploaded("видео.mp4", video.id),
            attachment(b"inline", "a.txt"),
            uploaded("empty", empty.id),
        ]
    )
    answer = await file(world, draft, body, "reports")
    assert answer.status_code == 201, answer.text
    assert answer.json()["rid"] == draft.answer["rid"]
    assert answer.json()["manifest"]["report_recipient"] == draft.answer["report_recipient"]
    found, data = await opened(world, answer.json()["reference"])
    assert data == [VIDEO, b"inline", b""]
    lines = found.envelopes
    assert [line.name for line in lines] == ["видео.mp4", "a.txt", "empty"]
    assert [line.sha256 for line in lines] == [None] * 3
    assert [sum(plain for plain, _ in lines[i].segments or ()) for i in (0, 2)] == [len(VIDEO), 0]
    assert (len(lines[0].segments or ()), lines[1].segments) == (4, None)
    await nothing_left(world, sql)


async def test_names_of_uploads_are_sealed_and_nowhere_else(world: World, sql: Sql):
    draft = await open_draft(world, "plain")
    video = await draft.whole(b"bytes")
    answer = await file(world, draft, plain_body(attachments=[uploaded("MARKER.mp4", video.id)]), "reports")
    assert "MARKER" not in answer.text
    for (table,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'intake'"):
        assert sql(f"SELECT count(*) FROM intake.{table} t WHERE t::text LIKE '%%MARKER%%'") == [(0,)]


async def test_the_same_filing_again_gets_the_same_answer_although_the_draft_is_gone(world: World):
    draft, report = await sealed_draft(world, ("a", b"bytes"))
    key = new_key()
    first = await file(world, draft, report.to_json(), key=key)
    again = await file(world, draft, report.to_json(), key=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_draft_is_filed_once(world: World):
    draft, report = await sealed_draft(world, ("a", b"bytes"))
    assert (await file(world, draft, report.to_json())).status_code == 201
    assert problem(await file(world, draft, report.to_json())) == (410, "draft-gone")
    assert problem(await draft.create(5)) == (410, "draft-gone")


@pytest.mark.parametrize("mode", ["sealed", "plain"])
async def test_of_two_filings_at_once_one_gets_the_files(world: World, sql: Sql, mode: str):
    bodies: list[Any] = []
    if mode == "sealed":
        draft, key = await open_draft(world), ReportKey.make(world.directory, DESK)
        made = SealedUpload.make(key, "a", VIDEO)
        line = made.line((await draft.whole(made.file)).id)
        bodies = [seal(world, key, [line]).to_json() for _ in range(2)]
    else:
        draft = await open_draft(world, "plain")
        upload = (await draft.whole(VIDEO)).id
        bodies = [plain_body(attachments=[uploaded(name, upload)]) for name in "ab"]
    path = "packages" if mode == "sealed" else "reports"
    answers = await asyncio.gather(*(file(world, draft, body, path) for body in bodies))
    assert sorted(a.status_code for a in answers) == [201, 410]
    (good,) = (a for a in answers if a.status_code == 201)
    assert (await opened(world, good.json()["reference"]))[1] == [VIDEO]
    await nothing_left(world, sql)


async def test_uploads_that_the_report_does_not_name_are_deleted(world: World, sql: Sql):
    draft = await open_draft(world, "plain")
    kept, _, unfinished = await draft.whole(VIDEO), await draft.whole(noise(99)), await draft.new(1000)
    await unfinished.patch(0, b"some")
    answer = await file(world, draft, plain_body(attachments=[uploaded("a", kept.id)]), "reports")
    assert answer.status_code == 201
    await nothing_left(world, sql)


async def test_a_draft_without_files_can_be_filed_too(world: World, sql: Sql):
    draft = await open_draft(world, "plain")
    answer = await file(world, draft, plain_body(), "reports")
    assert (answer.status_code, answer.json()["rid"]) == (201, draft.answer["rid"])
    await nothing_left(world, sql)


async def refused_and_unchanged(
    world: World, draft: Draft, body: Any, path: str, sql: Sql, uploads: int
) -> Any:
    answer = await file(world, draft, body, path)
    assert answer.status_code in {401, 404, 410, 422}, answer.text
    assert sql("SELECT count(*) FROM intake.reports") == [(0,)]
    assert sql("SELECT count(*) FROM intake.uploads") == [(uploads,)]
    return answer


async def test_an_upload_that_is_not_whole_is_not_filed(world: World, sql: Sql):
    draft = await open_draft(world, "plain")
    upload = await draft.new(10)
    await upload.patch(0, b"012345678")
    body = plain_body(attachments=[attachment(), uploaded("a", upload.id)])
    answer = await refused_and_unchanged(world, draft, body, "reports", sql, 1)
    assert pointers(answer) == {"/attachments/1/upload"}
    assert (await upload.patch(9, b"9")).status_code == 204
    assert (await file(world, draft, body, "reports")).status_code == 201


async def test_an_upload_is_named_once(world: World, sql: Sql):
    draft = await open_draft(world, "plain")
    upload = await draft.whole(b"x")
    body = plain_body(attachments=[uploaded("a", upload.id), uploaded("b", upload.id)])
    answer = await refused_and_unchanged(world, draft, body, "reports", sql, 1)
    assert pointers(answer) == {"/attachments/0/upload", "/attachments/1/upload"}


async def test_an_upload_of_another_draft_is_not_filed(world: World, sql: Sql):
    mine, other = await open_draft(world, "plain"), await open_draft(world, "plain")
    upload = await other.whole(b"of somebody else")
    body = plain_body(attachments=[uploaded("a", upload.id)])
    answer = await refused_and_unchanged(world, mine, body, "reports", sql, 1)
    assert pointers(answer) == {"/attachments/0/upload"}
    assert problem(await world.post(f"{API}/reports", body)) == (422, "invalid")
    assert await upload.offset() == 16


async def test_a_draft_of_one_kind_files_no_report_of_the_other(world: World, sql: Sql):
    plain, (sealed, report) = await open_draft(world, "plain"), await sealed_draft(world, ("a", b"x"))
    await refused_and_unchanged(world, plain, report.to_json(), "packages", sql, 1)
    await refused_and_unchanged(world, sealed, plain_body(), "reports", sql, 1)


@pytest.mark.parametrize("change", [{"upload": "x"}, {"data": "AAAA"}, {"upload": None}, {"upload": 1}])
async def test_an_attachment_is_in_one_place(world: World, change: dict[str, Any]):
    draft = await open_draft(world, "plain")
    body = plain_body(attachments=[{**uploaded("a", (await draft.whole(b"x")).id), **change}])
    assert problem(await file(world, draft, body, "reports")) == (422, "invalid")


@pytest.mark.parametrize("number", [0, 1])
async def test_narrative_and_identity_are_never_uploads(world: World, number: int):
    draft, report = await sealed_draft(world, ("a", b"x"))
    body = report.to_json()
    body["parts"][number] = {"role": body["parts"][number]["role"], "upload": body["parts"][2]["upload"]}
    answer = await file(world, draft, body)
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {f"/parts/{number}"})


def dishonest(report: Any, size: int | None = None, digest: bytes | None = None) -> Any:
    """The report with another line for its upload in the manifest."""
    old = report.manifest.parts[2]
    line = PartLine("attachment", size or old.size, digest or old.sha256)
    return altered(report, parts=(*report.manifest.parts[:2], line))


@pytest.mark.parametrize("change", [{"size": 1}, {"digest": bytes(32)}])
async def test_a_manifest_that_lies_about_an_upload_is_refused(world: World, sql: Sql, change: Any):
    draft, report = await sealed_draft(world, ("a", b"bytes"))
    await refused_and_unchanged(world, draft, dishonest(report, **change).to_json(), "packages", sql, 1)
    assert (await file(world, draft, report.to_json())).status_code == 201


def not_padded(key: ReportKey) -> bytes:
    return seal_part(bytes(1001), [key.recipient])


def classical(_: ReportKey) -> bytes:
    return encrypt(bytes(1024), [X25519Identity.generate().recipient])


def long_header(key: ReportKey) -> bytes:
    """A header that does not end within the part of the file that is looked at."""
    stanzas: list[HybridRecipient] = [key.recipient] * 60
    return encrypt(bytes(1024), stanzas)


@pytest.mark.parametrize(
    "make", [not_padded, classical, long_header, lambda _: b"", lambda _: b"plain words"]
)
async def test_an_upload_that_is_no_sealed_and_padded_part_is_refused(world: World, sql: Sql, make: Any):
    assert padme(1001) != 1001
    draft, key = await open_draft(world), ReportKey.make(world.directory, DESK)
    content = make(key)
    upload = await draft.whole(content) if content else await draft.new(0)
    line = SealedUpload("a", b"x", content).line(upload.id)
    report = seal(world, key, [line]) if content else None
    if report is None:  # no manifest can name an empty file; this one lies about its size
        line = replace(line, part=UploadedPart("attachment", b"", upload.id, 1, hashlib.sha256().digest()))
        report = seal(world, key, [line])
    await refused_and_unchanged(world, draft, report.to_json(), "packages", sql, 1)


async def test_a_failed_filing_leaves_the_draft_as_it_was(world: World, sql: Sql, failing_commit: Any):
    draft, report = await sealed_draft(world, ("a", VIDEO))
    with failing_commit("reports"):
        assert (await file(world, draft, report.to_json())).status_code == 500
    assert sql("SELECT count(*) FROM intake.reports") == [(0,)]
    assert (await file(world, draft, report.to_json())).status_code == 201


async def test_an_expired_draft_is_not_filed(world: World, sql: Sql):
    draft, report = await sealed_draft(world, ("a", b"x"))
    world.at(timedelta(hours=26))
    await refused_and_unchanged(world, draft, report.to_json(), "packages", sql, 1)


async def test_files_of_a_draft_need_its_secret_at_the_filing(world: World, sql: Sql):
    draft, report = await sealed_draft(world, ("a", b"x"))
    assert problem(await world.post(f"{API}/packages", report.to_json())) == (422, "invalid")
    wrong = await world.post(f"{API}/packages", report.to_json(), Authorization="Bearer nothing")
    assert problem(wrong) == (401, "unauthorised")
    assert (await file(world, draft, report.to_json())).status_code == 201


async def test_a_draft_made_under_a_directory_that_is_too_old_is_gone(world: World):
    draft = await open_draft(world, "plain")
    context = world.app.state.context
    world.app.state.context = replace(context, directories=_Newer(context.directories))
    assert problem(await file(world, draft, plain_body(), "reports")) == (410, "draft-gone")


class _Newer:
    """Directories of which none is the draft's any more."""

    def __init__(self, true: Any) -> None:
        self.current = true.current

    async def for_package(self, *_: Any) -> None:
        return None
