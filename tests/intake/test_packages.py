"""Sealed packages: stored as they came and openable, or refused without any key and with nothing stored."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from services.crypto.age import HybridIdentity, X25519Identity, encrypt, seal, stanza_types
from services.crypto.canonical import b64, b64u, unb64, unb64u
from services.crypto.grants import open_grant
from services.crypto.manifests import Manifest, PartLine
from services.crypto.packages import SealedReport, open_report, package_from_json
from services.crypto.promises import check_promise, report_record
from services.crypto.signatures import Signed, sign_document
from services.first_run import roots
from services.intake.staff_routes import add_directory
from services.kit.clock import day_of
from tests.intake.builders import (
    API,
    FIELDS,
    LARGE,
    STAFF,
    Json,
    Sql,
    World,
    altered,
    pointers,
    problem,
    quick_keys,
)

PACKAGES = f"{API}/packages"


async def test_a_package_is_stored_byte_for_byte(world: World, sql: Sql) -> None:
    report, filed = await world.file_sealed(attachments=[("a.txt", b"abc"), ("b.bin", bytes(LARGE))])

    assert filed["rid"] == b64u(report.rid)
    rows = sql("SELECT role, author, chain, n, sealed, blob, sha256 FROM intake.parts ORDER BY number")
    blobs = world.app.state.context.blobs
    assert [row[4] or blobs.read(row[5]) for row in rows] == [part.data for part in report.parts]
    assert [row[:4] for row in rows] == [
        ("narrative", "reporter", "reporter", 0),
        ("identity", "reporter", "reporter", 1),
        ("attachment", "reporter", "reporter", None),
        ("attachment", "reporter", "reporter", None),
    ]
    assert [row[6] for row in rows] == [line.sha256 for line in report.manifest.parts]
    assert sql("SELECT seat, sealed FROM intake.shares ORDER BY seat") == [
        (s.seat, s.data) for s in report.shares
    ]
    assert sql("SELECT holder, role, sealed FROM intake.grants") == [
        ("central", "desk", report.grants[0].data)
    ]


async def test_the_desk_opens_a_package_and_finds_the_reporters_signature(world: World) -> None:
    report, filed = await world.file_sealed(attachments=[("a.txt", b"abc")])
    case = await world.case(await world.case_id(filed["reference"]))
    key = open_grant(unb64(case["grant"]), world.desk()[0], Manifest.from_json(case["manifest"]))
    files = []
    for line in case["parts"]:
        path = f"{STAFF}/cases/{case['id']}/parts/{line['number']}"
        files.append((await world.http.get(path, headers=world.token("desk"))).content)
        assert (line["size"], line["sha256"]) == (len(files[-1]), b64u(sha256(files[-1]).digest()))

    opened = open_report(Manifest.from_json(case["manifest"]), unb64u(case["signature"]), files, key)

    assert opened.answers == {"what": "Sealed words.", "mode": "anonymous"}
    assert opened.reporter_verify_key == report.keys.signing.verify_key
    assert (case["mode"], case["state"], case["grant_holder"]) == ("sealed", "received", "central")


async def test_the_promise_of_a_package_is_about_its_manifest(world: World) -> None:
    report, filed = await world.file_sealed()
    assert filed["record"] == report_record(report.manifest, day_of(world.now()))
    assert "receipt" not in filed
    promise = Signed.from_json(filed["promise"])
    check_promise(promise, world.directory.logs[0].verify_key, filed["record"], unb64u(filed["salt"]))


# --- what breaks a rule


def with_part(report: SealedReport, index: int, data: bytes) -> SealedReport:
    """Another file in one place, and a manifest that says so: everything agrees but the rule it breaks."""
    parts, lines = list(report.parts), list(report.manifest.parts)
    parts[index] = replace(parts[index], data=data)
    lines[index] = PartLine(parts[index].role, len(data), sha256(data).digest())
    package = replace(report.package, parts=tuple(parts))
    return altered(replace(report, package=package), parts=tuple(lines))


def with_package(report: SealedReport, **changes: object) -> SealedReport:
    return replace(report, package=replace(report.package, **changes))  # type: ignore[arg-type]


def mixed(report: SealedReport) -> SealedReport:
    """A stanza for X25519 beside the hybrid one: a stock decryptor opens it with either key."""
    both = seal(bytes(4096), [report.manifest.report_recipient])
    classic = encrypt(bytes(4096), [X25519Identity.generate().recipient])
    head, body = both.split(b"\n--- ", 1)
    stanza = classic.split(b"\n--- ", 1)[0].removeprefix(b"age-encryption.org/v1")
    return with_part(report, 0, head + stanza + b"\n--- " + body)


def classical(report: SealedReport) -> SealedReport:
    return with_part(report, 0, encrypt(bytes(4096), [X25519Identity.generate().recipient]))


def flipped(report: SealedReport) -> SealedReport:
    """A file that is not the one the manifest names."""
    parts = list(report.parts)
    parts[0] = replace(parts[0], data=parts[0].data[:-1] + bytes([parts[0].data[-1] ^ 1]))
    return with_package(report, parts=tuple(parts))


def another_size(report: SealedReport) -> SealedReport:
    lines = list(report.manifest.parts)
    lines[0] = replace(lines[0], size=lines[0].size + 1)
    return altered(report, parts=tuple(lines))


def of_bytes(index: int, size: int) -> Callable[[SealedReport], SealedReport]:
    def change(report: SealedReport) -> SealedReport:
        return with_part(report, index, seal(bytes(size), [report.manifest.report_recipient]))

    return change


def two_readers_of_identity(report: SealedReport) -> SealedReport:
    to = [report.manifest.identity_recipient, HybridIdentity.generate().recipient]
    return with_part(report, 1, seal(bytes(4096), to))


def short_share(report: SealedReport) -> SealedReport:
    shares = list(report.shares)
    shares[0] = replace(shares[0], data=seal(bytes(100), [report.manifest.identity_recipient]))
    return with_package(report, shares=tuple(shares))


def grants(report: SealedReport, *desks: str) -> SealedReport:
    return with_package(report, grants=tuple(replace(report.grants[0], desk=desk) for desk in desks))


def classical_grant(report: SealedReport) -> SealedReport:
    data = encrypt(b"key", [X25519Identity.generate().recipient])
    return with_package(report, grants=(replace(report.grants[0], data=data),))


def without_attachment(report: SealedReport) -> SealedReport:
    return with_package(report, parts=report.parts[:-1])


def fewer_seats(report: SealedReport) -> SealedReport:
    package = replace(report.package, shares=report.shares[:2])
    return altered(replace(report, package=package), n=2, shares=report.manifest.shares[:2])


BROKEN: dict[str, Callable[[SealedReport], SealedReport]] = {
    "another-directory": lambda report: altered(report, directory=bytes(32)),
    "threshold": lambda report: altered(report, k=3),
    "fewer-seats": fewer_seats,
    "changed-file": flipped,
    "wrong-size-in-manifest": another_size,
    "mixed-stanzas": mixed,
    "classical-part": classical,
    "no-age-file": lambda report: with_part(report, 0, b"plain words" * 600),
    "empty-part": lambda report: with_part(report, 2, b"age-encryption.org/v1\n"),
    "short-narrative": of_bytes(0, 2048),
    "unpadded-narrative": of_bytes(0, 5001),
    "unpadded-attachment": of_bytes(2, 5001),
    "long-identity": of_bytes(1, 8192),
    "two-readers-of-identity": two_readers_of_identity,
    "short-share": short_share,
    "unknown-desk": lambda report: grants(report, "elsewhere"),
    "desk-twice": lambda report: grants(report, "central", "central"),
    "classical-grant": classical_grant,
    "missing-attachment": without_attachment,
    "plain-mode": lambda report: altered(report, mode="plain"),
    "another-form": lambda report: altered(report, form="2020-01"),
    "unknown-category": lambda report: altered(report, fields={**FIELDS, "category": "no-such"}),
    "code-left-out": lambda report: altered(report, fields={**FIELDS, "region": None}),
    "year-out-of-range": lambda report: altered(report, fields={**FIELDS, "year": 1950}),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_package_that_breaks_a_rule_is_refused_and_nothing_is_stored(
    world: World, sql: Sql, name: str
) -> None:
    report = world.seal(attachments=[("a.txt", b"abc")])
    broken = BROKEN[name](report)
    answer = await world.post(PACKAGES, broken.to_json())
    assert problem(answer) == (422, "invalid"), answer.text
    for table in ("reports", "parts", "idempotency_keys"):
        assert sql(f"SELECT count(*) FROM intake.{table}") == [(0,)]
    assert (await world.post(PACKAGES, report.to_json())).status_code == 201, (
        "what was broken is the only fault"
    )


async def test_the_mixed_file_is_well_formed_and_has_both_stanzas(world: World) -> None:
    """Otherwise the case above would be refused for another reason."""
    assert stanza_types(mixed(world.seal()).parts[0].data) == ["mlkem768x25519", "X25519"]


async def test_refusals_say_where(world: World) -> None:
    for name, pointer in {
        "another-form": "/manifest/form",
        "plain-mode": "/manifest/mode",
        "unknown-category": "/manifest/fields/category",
    }.items():
        answer = await world.post(PACKAGES, BROKEN[name](world.seal(attachments=[("a", b"b")])).to_json())
        assert pointers(answer) == {pointer}


def changed_json(report: SealedReport, **changes: object) -> Json:
    return {**report.to_json(), **changes}


@pytest.mark.parametrize(
    "change",
    [
        {"lookup": b64u(bytes(31))},
        {"signature": b64u(bytes(63))},
        {"lookup": b64u(bytes(32)) + "="},
        {"shares": []},
        {"grants": []},
        {"parts": []},
        {"manifest": {}},
        {"manifest": {"v": 1}},
        {"surprise": 1},
    ],
    ids=str,
)
async def test_a_package_of_another_shape_is_refused(world: World, change: Json) -> None:
    answer = await world.post(PACKAGES, changed_json(world.seal(), **change))
    assert problem(answer) == (422, "invalid")


async def test_shares_for_other_seats_than_the_manifests_are_refused(world: World) -> None:
    body = world.seal().to_json()
    body["shares"][0]["seat"], body["shares"][1]["seat"] = 2, 1
    answer = await world.post(PACKAGES, body)
    assert problem(answer) == (422, "invalid")
    assert pointers(answer) == {"/shares"}


async def test_a_manifest_whose_rid_was_chosen_is_refused(world: World) -> None:
    body = world.seal().to_json()
    body["manifest"]["rid"] = b64u(bytes(32))
    answer = await world.post(PACKAGES, body)
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/manifest"})


async def test_too_many_sealed_bytes_are_a_413(world: World) -> None:
    settings = world.app.state.context.settings
    limit = settings.attachment_bytes * 9 // 8 + (64 << 10)
    report = world.seal(attachments=[("a", bytes(limit // 2)), ("b", bytes(limit // 2))])
    answer = await world.post(PACKAGES, report.to_json())
    assert problem(answer) == (413, "too-large")


# --- the same thing twice


async def test_the_same_package_under_another_key_is_a_conflict(world: World, sql: Sql) -> None:
    report, _ = await world.file_sealed()
    assert problem(await world.post(PACKAGES, report.to_json())) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_two_reports_cannot_have_one_receipt(world: World, sql: Sql) -> None:
    keys = quick_keys()
    await world.file_sealed(keys=keys)
    second = await world.post(PACKAGES, world.seal(keys=keys).to_json())
    assert problem(second) == (409, "conflict")
    assert sql(
        "SELECT count(*) FROM intake.log_records WHERE convert_from(record, 'UTF8') LIKE '%manifest%'"
    ) == [(1,)]


async def test_a_conflict_leaves_no_file_behind(world: World) -> None:
    blobs = world.app.state.context.blobs
    report, _ = await world.file_sealed(attachments=[("a", bytes(LARGE))])
    before = set(blobs.names())
    assert (await world.post(PACKAGES, report.to_json())).status_code == 409
    assert set(blobs.names()) == before


# --- which directory


async def publish_next(world: World, **changes: object) -> Signed:
    """Put the next directory in force without changing the installation's file."""
    document = world.next_directory(**changes)
    async with world.app.state.engine.begin() as conn:
        await add_directory(conn, world.app.state.context, document.to_json(), world.now())
    return document


async def test_a_package_for_the_directory_before_passes_within_the_overlap_only(world: World) -> None:
    old = world.seal()
    late = world.seal()
    await publish_next(world, valid_from=f"{world.now():%Y-%m-%dT%H:%M:%SZ}")

    assert (await world.post(PACKAGES, old.to_json())).status_code == 201

    hours = world.app.state.context.settings.directory_overlap_hours
    world.at(timedelta(hours=hours, minutes=1))
    answer = await world.post(PACKAGES, late.to_json())
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/manifest/dir_seq"})


async def test_a_package_two_directories_old_is_refused_at_once(world: World) -> None:
    old = world.seal()
    first = world.directory
    second = await publish_next(world)
    body = {**second.body, "sequence": first.sequence + 2, "previous": b64u(second.digest)}
    third = sign_document("directory", body, roots(world.folder)[1:])
    async with world.app.state.engine.begin() as conn:
        await add_directory(conn, world.app.state.context, third.to_json(), world.now())
    answer = await world.post(PACKAGES, old.to_json())
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/manifest/dir_seq"})


async def test_a_directory_from_the_future_cannot_be_used_yet(world: World) -> None:
    from services.crypto.directories import parse_directory

    soon = world.now() + timedelta(hours=1)
    document = await publish_next(world, valid_from=f"{soon:%Y-%m-%dT%H:%M:%SZ}")
    report = world.seal(directory=parse_directory(document))
    assert pointers(await world.post(PACKAGES, report.to_json())) == {"/manifest/dir_seq"}
    served = (await world.http.get(f"{API}/key-directory")).json()
    assert served == world.signed_directory.to_json()

    world.at(timedelta(hours=1, minutes=1))
    assert (await world.post(PACKAGES, report.to_json())).status_code == 201
    assert (await world.http.get(f"{API}/key-directory")).json() == document.to_json()


async def test_an_expired_directory_stops_filing(world: World) -> None:
    report = world.seal()
    world.at(timedelta(days=91))
    assert problem(await world.post(PACKAGES, report.to_json())) == (503, "unavailable")


async def test_a_package_reads_back_as_the_format_says(world: World) -> None:
    """The document of the format and what the service takes are one and the same."""
    report = world.seal()
    assert package_from_json(report.to_json()) == report.package
    assert report.to_json()["parts"][0]["data"] == b64(report.parts[0].data)
