"""Filing in plain mode: stored whole and sealed, answered after the commit, refused with a reason and nothing kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest

from services.crypto.attachments import open_attachment
from services.crypto.canonical import b64, unb64u
from services.crypto.manifests import Manifest
from services.crypto.packages import open_identity, open_report
from services.crypto.promises import check_promise, report_record
from services.crypto.receipts import derive, parse_receipt
from services.crypto.shares import combine, open_share
from services.crypto.signatures import Signed
from services.intake import jobs
from services.kit.clock import day_of
from services.kit.jobs import run_job
from tests.intake.builders import (
    API,
    FIELDS,
    LARGE,
    STAFF,
    Json,
    Sql,
    World,
    attachment,
    new_key,
    plain_body,
    pointers,
    problem,
)

REPORTS = f"{API}/reports"
IDENTITY = {"name": "Invented Person", "phone": "+7 700 000 00 00", "preferred_way": "phone"}
#: Every table that filing writes to.
WRITTEN = ("reports", "parts", "grants", "shares", "states", "log_records", "idempotency_keys")


async def parts_of(world: World, case: Json) -> list[bytes]:
    """The sealed files of a case, in order."""
    found = []
    for line in case["parts"]:
        answer = await world.http.get(
            f"{STAFF}/cases/{case['id']}/parts/{line['number']}", headers=world.token("desk")
        )
        assert answer.status_code == 200
        found.append(answer.content)
    return found


def counts(sql: Sql) -> dict[str, int]:
    return {table: sql(f"SELECT count(*) FROM intake.{table}")[0][0] for table in WRITTEN}


async def test_a_plain_report_is_stored_whole_and_the_desk_opens_it(world: World) -> None:
    small, large = b"small", bytes(range(256)) * (LARGE // 200)
    answers = {"what": "A bribe of 50 000 tenge.", "where": "Astana", "amount": 50_000}
    filed = await world.file_plain(
        answers=answers, attachments=[attachment(small, "a.jpg"), attachment(large, "b.jpg")]
    )
    case = await world.case(await world.case_id(filed["reference"]))
    files, manifest = await parts_of(world, case), Manifest.from_json(filed["manifest"])
    key = await world.report_key(case)

    opened = open_report(manifest, unb64u(case["signature"]), files, key)

    assert opened.answers == {**answers, "mode": "anonymous"}
    assert opened.fields == FIELDS
    assert opened.field_differences == {}
    assert [e.name for e in opened.envelopes] == ["a.jpg", "b.jpg"]
    assert [open_attachment(f, e, key) for f, e in zip(files[2:], opened.envelopes, strict=True)] == [
        small,
        large,
    ]
    keys = derive(filed["receipt"])
    assert (opened.reporter_verify_key, opened.reporter_recipient) == (
        keys.signing.verify_key,
        keys.identity.recipient,
    )


async def test_the_manifest_of_a_plain_report_says_plain_and_its_envelopes_keep_no_hash_of_the_words(
    world: World,
) -> None:
    filed = await world.file_plain(attachments=[attachment()])
    case = await world.case(await world.case_id(filed["reference"]))
    opened = open_report(
        Manifest.from_json(filed["manifest"]),
        unb64u(case["signature"]),
        await parts_of(world, case),
        await world.report_key(case),
    )
    assert filed["manifest"]["mode"] == case["mode"] == "plain"
    assert [envelope.sha256 for envelope in opened.envelopes] == [None]


@pytest.mark.parametrize("mode", ["confidential", "open"])
async def test_the_identity_opens_with_two_seats_and_not_with_the_desk_key(world: World, mode: str) -> None:
    filed = await world.file_plain(mode=mode, identity=IDENTITY)
    manifest = Manifest.from_json(filed["manifest"])
    case = await world.case(await world.case_id(filed["reference"]))
    async with world.app.state.engine.connect() as conn:
        rows = await conn.exec_driver_sql("SELECT seat, sealed FROM intake.shares ORDER BY seat")
        sealed = {row.seat: row.sealed for row in rows}
    files = await parts_of(world, case)

    shares = {seat: open_share(sealed[seat], world.seat(seat), seat, manifest) for seat in (1, 3)}
    identity = combine(shares, manifest)

    assert sorted(sealed) == [1, 2, 3]
    assert (
        open_identity(files[1], identity, manifest, derive(filed["receipt"]).signing.verify_key) == IDENTITY
    )
    with pytest.raises(ValueError, match="no identity opens it"):
        open_identity(files[1], await world.report_key(case), manifest, bytes(32))


async def test_an_anonymous_identity_part_looks_like_every_other(world: World, sql: Sql) -> None:
    await world.file_plain()
    await world.file_plain(mode="open", identity={"name": "N" * 200, "postal_address": "A" * 400})
    assert sql("SELECT DISTINCT size, length(sealed) FROM intake.parts WHERE role = 'identity'") == [
        (5755, 5755)
    ]


async def test_the_answer_has_a_receipt_a_promise_of_the_logs_key_and_what_recomputes_it(
    world: World,
) -> None:
    filed = await world.file_plain()
    manifest, day = Manifest.from_json(filed["manifest"]), day_of(world.now())

    assert parse_receipt(filed["receipt"]) == filed["receipt"]
    assert filed["rid"] == filed["manifest"]["rid"]
    assert filed["day"] == day.isoformat()
    assert filed["record"] == report_record(manifest, day)
    check_promise(
        Signed.from_json(filed["promise"]),
        world.directory.logs[0].verify_key,
        filed["record"],
        unb64u(filed["salt"]),
    )


async def test_large_files_go_to_the_blob_store_and_small_ones_to_the_database(
    world: World, sql: Sql
) -> None:
    await world.file_plain(attachments=[attachment(b"s"), attachment(bytes(LARGE))])
    rows = sql("SELECT role, size, sealed IS NULL, blob FROM intake.parts ORDER BY number")
    assert [(role, stored_outside) for role, _, stored_outside, _ in rows] == [
        ("narrative", False),
        ("identity", False),
        ("attachment", False),
        ("attachment", True),
    ]
    assert world.app.state.context.blobs.size(rows[-1][3]) == rows[-1][1]


async def test_references_and_ids_are_random(world: World, sql: Sql) -> None:
    references = [(await world.file_plain())["reference"] for _ in range(3)]
    assert len(set(references)) == 3
    assert all(len(reference) == 12 and set(reference) & set("01OIL") == set() for reference in references)
    assert {found.version for (found,) in sql("SELECT id FROM intake.reports")} == {4}


async def test_the_day_of_a_report_is_that_of_kazakhstan(world: World, sql: Sql) -> None:
    """At 19:30 UTC it is half past midnight there."""
    evening = (world.now() + timedelta(days=1)).replace(hour=19, minute=30)
    world.app.state.clock = lambda: evening
    filed = await world.file_plain()
    next_day = (evening + timedelta(days=1)).date()
    assert filed["day"] == filed["promise"]["body"]["day"] == next_day.isoformat()
    for table, column in (
        ("reports", "filed_on"),
        ("parts", "day"),
        ("states", "day"),
        ("log_records", "day"),
    ):
        days = {day for (day,) in sql(f"SELECT {column} FROM intake.{table} ORDER BY 1 DESC LIMIT 1")}
        assert days == {next_day}, table


# --- 201 means committed


async def test_a_commit_that_fails_is_a_500_and_nothing_is_stored(
    world: World, sql: Sql, failing_commit: Callable[[str], AbstractContextManager[None]]
) -> None:
    before = counts(sql)
    body, key = plain_body(attachments=[attachment(bytes(LARGE))]), new_key()
    with failing_commit("reports"):
        answer = await world.post(REPORTS, body, key)
        assert problem(answer) == (500, "internal")
        assert "refused at commit" not in answer.text
    assert counts(sql) == before
    again = await world.post(REPORTS, body, key)
    assert again.status_code == 201, "the same request must be possible again"
    assert "Idempotency-Replayed" not in again.headers


async def test_files_of_a_failed_commit_are_swept_and_those_of_reports_stay(
    world: World,
    sql: Sql,
    failing_commit: Callable[[str], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blobs = world.app.state.context.blobs
    sweep = next(job for job in jobs.JOBS if job.name == "intake.sweep-blobs")
    for name in list(blobs.names()):
        blobs.delete(name)
    await world.file_plain(attachments=[attachment(bytes(LARGE))])
    needed = set(blobs.names())
    with failing_commit("parts"):
        answer = await world.post(REPORTS, plain_body(attachments=[attachment(bytes(LARGE))]))
        assert answer.status_code == 500
    assert len(set(blobs.names())) == 2

    assert await run_job(world.app.state, sweep, world.now()) == 0, "a young file may still be committed"
    monkeypatch.setattr(jobs, "UNNEEDED_AFTER", timedelta(0))
    assert await run_job(world.app.state, sweep, world.now()) == 1
    assert set(blobs.names()) == needed


async def test_a_statement_that_fails_leaves_no_file_behind(world: World, sql: Sql) -> None:
    blobs = world.app.state.context.blobs
    before = set(blobs.names())
    sql("REVOKE INSERT ON intake.reports FROM adal_intake")
    try:
        answer = await world.post(REPORTS, plain_body(attachments=[attachment(bytes(LARGE))]))
    finally:
        sql("GRANT INSERT ON intake.reports TO adal_intake")
    assert problem(answer) == (500, "internal")
    assert set(blobs.names()) == before


# --- refusals

REFUSED: list[tuple[Json, str]] = [
    ({"form": "2020-01"}, "/form"),
    ({"fields": {**FIELDS, "category": "no-such-code"}}, "/fields/category"),
    ({"fields": {**FIELDS, "category": "Free text about a person"}}, "/fields/category"),
    ({"fields": {k: v for k, v in FIELDS.items() if k != "region"}}, "/fields/region"),
    ({"fields": {**FIELDS, "name": "x"}}, "/fields"),
    ({"fields": {**FIELDS, "year": 1899}}, "/fields/year"),
    ({"answers": {}}, "/answers/what"),
    ({"answers": {"what": "   "}}, "/answers/what"),
    ({"answers": {"what": "x", "unknown": "y"}}, "/answers"),
    ({"answers": {"what": "x" * 20_001}}, "/answers/what"),
    ({"answers": {"what": 5}}, "/answers/what"),
    ({"answers": {"what": "x", "amount": 1.5}}, "/answers/amount"),
    ({"mode": "secret"}, "/mode"),
    ({"mode": "open"}, "/identity"),
    ({"mode": "confidential", "identity": {}}, "/identity"),
    ({"mode": "open", "identity": {"phone": "1"}}, "/identity/name"),
    ({"identity": {"name": "Somebody"}}, "/identity"),
    ({"attachments": [attachment(name="")]}, "/attachments/0/name"),
    ({"attachments": [attachment() | {"data": "****"}]}, "/attachments/0/data"),
    ({"attachments": [attachment() | {"data": "YQ"}]}, "/attachments/0/data"),
    ({"attachments": [attachment() | {"type": "image"}]}, "/attachments/0/type"),
    ({"attachments": [attachment() | {"type": "сурет/jpeg"}]}, "/attachments/0/type"),
    ({"attachments": [attachment() | {"type": "image/" + "x" * 64}]}, "/attachments/0/type"),
    ({"attachments": [attachment()] * 21}, "/attachments"),
    ({"surprise": 1}, ""),
]


@pytest.mark.parametrize(
    ("changes", "pointer"), REFUSED, ids=[f"{i}:{p}" for i, (_, p) in enumerate(REFUSED)]
)
async def test_what_is_wrong_with_a_plain_report_is_said_and_nothing_is_stored(
    world: World, sql: Sql, changes: Json, pointer: str
) -> None:
    before = counts(sql)
    answer = await world.post(REPORTS, plain_body(**changes))
    assert problem(answer) == (422, "invalid")
    assert pointer in pointers(answer)
    assert counts(sql) == before


async def test_a_refusal_does_not_repeat_what_was_sent(world: World) -> None:
    marker = "MarkerOfAPerson Surname"
    changes: list[Json] = [
        {"answers": {"what": "x", marker: marker}},
        {"fields": {**FIELDS, "category": marker, marker: marker}},
        {"identity": {marker: marker}, "mode": "open"},
        {"mode": marker, marker: marker},
        {"attachments": [{"name": "a", "type": marker, "data": marker}]},
    ]
    for change in changes:
        answer = await world.post(REPORTS, plain_body(**change))
        assert answer.status_code == 422
        assert "Marker" not in answer.text
        assert "Surname" not in answer.text


async def test_too_many_bytes_of_attachments_are_a_413(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = world.app.state.context.settings.attachment_bytes
    half = b64(bytes(limit // 2))
    fits = plain_body(attachments=[{"name": "a", "type": "a/b", "data": half}] * 2)
    assert (await world.post(REPORTS, fits)).status_code == 201
    over = plain_body(attachments=[*fits["attachments"], attachment(b"1")])
    assert problem(await world.post(REPORTS, over)) == (413, "too-large")


async def test_a_body_over_the_limit_is_a_413_before_it_is_read(world: World) -> None:
    from services.intake.app import MAX_BODY

    answer = await world.http.post(
        REPORTS, content=b" " * (MAX_BODY + 1), headers={"Content-Type": "application/json"}
    )
    assert problem(answer) == (413, "too-large")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": NaN}', b'"\\ud800"', b"[" * 5000, b"\xff"])
async def test_what_is_not_a_json_object_is_refused(world: World, content: bytes) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": new_key()}
    answer = await world.http.post(REPORTS, content=content, headers=headers)
    assert problem(answer) == (422, "invalid")


async def test_details_come_in_the_language_that_was_asked_for(world: World) -> None:
    texts = set()
    for language in ("kk", "ru", "en"):
        answer = await world.post(REPORTS, plain_body(form="2020-01"), Accept_Language=language)
        assert answer.json()["title"] == "Invalid input"
        texts.add(answer.json()["errors"][0]["detail"])
    assert len(texts) == 3


async def test_nothing_can_be_filed_without_a_directory_in_force(world: World, sql: Sql) -> None:
    sql("DELETE FROM intake.directories")
    world.app.state.context.directories.forget()
    for path, body in ((REPORTS, plain_body()), (f"{API}/packages", world.seal().to_json())):
        assert problem(await world.post(path, body)) == (503, "unavailable")
    assert problem(await world.http.get(f"{API}/key-directory")) == (503, "unavailable")
    assert counts(sql)["reports"] == 0


async def test_the_form_and_the_directory_have_validators(world: World) -> None:
    for path in ("form", "key-directory"):
        first = await world.http.get(f"{API}/{path}")
        again = await world.http.get(f"{API}/{path}", headers={"If-None-Match": first.headers["ETag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    document: Any = (await world.http.get(f"{API}/key-directory")).json()
    assert document == world.signed_directory.to_json()
