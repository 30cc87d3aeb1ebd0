"""Reports whose attachments lie elsewhere, and report keys that were made before the report."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from services.crypto.age import encrypt
from services.crypto.attachments import open_attachment, seal_attachment
from services.crypto.errors import CryptoError, FormatError, Refused
from services.crypto.grants import open_grant
from services.crypto.manifests import rid_of
from services.crypto.packages import (
    NewAttachment,
    ReportKey,
    SealedFile,
    SealedPart,
    SealedReport,
    UploadedPart,
    check_package,
    open_report,
)
from services.crypto.parts import HEAD
from tests.crypto.builders import TODAY, opened, report_key, seal, world
from tests.crypto.make_vectors import made_in_segments

DATA = bytes(i % 251 for i in range(70_001))
UPLOAD = "0b9d4a3e-1f5c-4f86-9a55-5d2b1f1c0a77"


def key() -> ReportKey:
    return ReportKey.make(world().directory, "central", TODAY)


def uploaded(file: bytes, **changes: Any) -> UploadedPart:
    """What a service knows of a file that it stored."""
    return replace(
        UploadedPart("attachment", file[:HEAD], UPLOAD, len(file), sha256(file).digest()), **changes
    )


def elsewhere(report: ReportKey, part: SealedPart | None = None) -> SealedFile:
    file = seal_attachment(DATA, report.recipient)
    return SealedFile("video.mp4", "video/mp4", len(DATA), sha256(DATA).digest(), part or uploaded(file))


def with_upload() -> tuple[SealedReport, bytes]:
    """A report that names an upload beside an attachment of its own, and the uploaded file."""
    report = key()
    file = seal_attachment(DATA, report.recipient)
    line = elsewhere(report, uploaded(file))
    return seal(report=report, attachments=[NewAttachment("a.txt", "text/plain", b"inline"), line]), file


def test_a_report_key_opens_from_its_grant_and_nowhere_else():
    made = key()
    report = seal(report=made)
    assert report.rid == rid_of(made.recipient)
    assert report_key(report).recipient == made.recipient
    assert report.grants == (made.grant,)
    assert not [name for name in vars(made) if "secret" in name or "identity" in name]


def test_two_report_keys_differ_and_name_their_desk():
    assert key().recipient != key().recipient
    with pytest.raises(CryptoError):
        ReportKey.make(world().directory, "no such desk", TODAY)


def test_a_key_of_another_desk_is_not_used():
    made = key()
    foreign = replace(made, grant=replace(made.grant, desk="another"))
    with pytest.raises(Refused):
        seal(report=foreign)


def test_an_upload_is_named_by_id_and_its_bytes_are_not_in_the_package():
    report, _ = with_upload()
    parts = report.to_json()["parts"]
    assert parts[3] == {"role": "attachment", "upload": UPLOAD}
    assert set(parts[2]) == {"role", "data"}


def test_a_report_with_an_upload_passes_every_check_and_opens():
    report, file = with_upload()
    check_package(report.package, world().directory)
    stored = [part.data for part in report.parts[:3]] + [file]
    found = open_report(report.manifest, report.signature, stored, report_key(report))
    lines = found.envelopes
    assert [line.name for line in lines] == ["a.txt", "video.mp4"]
    assert open_attachment(file, lines[1], report_key(report)) == DATA
    assert open_grant(report.grants[0].data, world().desk, report.manifest) == report_key(report)


def test_segments_travel_in_the_narrative():
    made = key()
    file, envelope, data = made_in_segments(b"in two pieces", [6])
    line = SealedFile("a", "video/mp4", len(data), None, uploaded(file), envelope.segments)
    report = seal(report=made, attachments=[line], mode="plain")
    assert opened(replace_parts(report, report.parts[:2])).envelopes[0].segments == envelope.segments


def replace_parts(report: SealedReport, parts: tuple[SealedPart, ...]) -> SealedReport:
    return replace(report, package=replace(report.package, parts=parts))


def test_wrong_segments_are_not_sealed():
    made = key()
    file, envelope, data = made_in_segments(b"in two pieces", [6])
    line = SealedFile("a", "video/mp4", len(data) + 1, None, uploaded(file), envelope.segments)
    with pytest.raises(FormatError):
        seal(report=made, attachments=[line], mode="plain")


@pytest.mark.parametrize(
    "change",
    [{"stored": 1}, {"digest": bytes(32)}, {"data": b""}, {"data": b"x" * 100}, {"role": "narrative"}],
)
def test_an_upload_that_is_not_what_the_manifest_says_is_refused(change: dict[str, Any]):
    report, _ = with_upload()
    last = report.parts[3]
    assert isinstance(last, UploadedPart)
    other = replace_parts(report, (*report.parts[:3], replace(last, **change)))
    with pytest.raises(CryptoError):
        check_package(other.package, world().directory)


def test_an_upload_that_is_not_padded_is_refused():
    made = key()
    bare = encrypt(bytes(1001), [made.recipient])
    report = seal(report=made, attachments=[elsewhere(made, uploaded(bare))])
    with pytest.raises(Refused):
        check_package(report.package, world().directory)
