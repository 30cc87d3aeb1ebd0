"""Evidence made from an opened case and checked offline: from the document, the pinned roots and the files alone."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from services.client.cases import OpenedCase
from services.client.errors import NotUnlocked
from services.client.evidence import find_files, make_evidence, read_evidence
from services.client.filing import Filed
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto import canonical
from services.crypto.errors import BadSignature, CryptoError, Refused
from services.crypto.evidence import check_evidence
from services.crypto.packages import NewAttachment
from services.crypto.receipts import derive
from services.crypto.signatures import Signed
from tests.client.people import PASSWORD, Team
from tests.client.test_journey import publish_log
from tests.system.office import new_report

DATA = b"a contract, invented" * 5000


@pytest.fixture(scope="module")
def reporter(team: Team) -> Iterator[Reporter]:
    with team.reporter() as made:
        yield made


@pytest.fixture(scope="module")
def desk(team: Team) -> Iterator[StaffSession]:
    with closing(team.signed_in("evidence.desk", "desk")) as session:
        yield session


def filed(reporter: Reporter, mark: str) -> Filed:
    files = [NewAttachment("secret name.pdf", "application/pdf", DATA)]
    return reporter.file_sealed(replace(new_report(reporter, mark), attachments=files))


def opened(session: StaffSession, reference: str) -> OpenedCase:
    return session.case(session.find(reference).id)


@pytest.fixture(scope="module")
def published(team: Team, reporter: Reporter, desk: StaffSession) -> tuple[Filed, OpenedCase, Signed]:
    """A report in the published log, its case, and its evidence."""
    known = filed(reporter, "evidence")
    desk.answer(opened(desk, known.reference), "an invented question")
    publish_log(team)
    case = opened(desk, known.reference)
    return known, case, make_evidence(desk, case, team.roots)


def test_the_document_proves_the_filing_and_names_every_part(
    team: Team, desk: StaffSession, published: tuple[Filed, OpenedCase, Signed]
):
    _, case, document = published
    checked = check_evidence(document, team.roots)
    found = checked.evidence
    assert (checked.person, checked.roles) == (desk.me().person.id, ("desk",))
    assert checked.environment == "development"
    assert (found.reference, found.manifest.rid) == (case.line.reference, case.sealed.manifest.rid)
    assert [(one.number, one.file_sha256) for one in found.parts] == [
        (one.number, one.sha256) for one in case.sealed.parts
    ]
    assert [one.role for one in found.parts] == ["narrative", "identity", "attachment", "message"]
    (true,) = [one.true for one in found.parts if one.true]
    assert (true.sha256, true.size, true.type) == (sha256(DATA).digest(), len(DATA), "application/pdf")
    assert checked.inclusion is not None
    assert checked.inclusion.index < checked.inclusion.size
    assert (checked.inclusion.witnesses, checked.inclusion.known) == (0, 0)


def test_nothing_of_the_content_nor_a_key_of_the_reporter_stands_in_it(
    published: tuple[Filed, OpenedCase, Signed],
):
    known, case, document = published
    text = canonical.dumps(document.to_json()).decode()
    for word in ("evidence what", "evidence who", "evidence name", "secret name", "invented question"):
        assert word not in text
    keys = derive(known.receipt)
    assert str(keys.identity.recipient) not in text
    assert canonical.b64u(keys.signing.verify_key) not in text
    assert str(case.reporter) not in text


def test_files_are_found_by_their_bytes_whatever_they_are_called(
    team: Team, desk: StaffSession, published: tuple[Filed, OpenedCase, Signed], tmp_path: Path
):
    _, case, document = published
    path = tmp_path / "evidence.json"
    path.write_bytes(canonical.dumps(document.to_json()))
    evidence = read_evidence(path, team.roots).evidence
    attached = case.part_of(case.attachments[0])
    (tmp_path / "opened").write_bytes(DATA)
    (tmp_path / "sealed").write_bytes(desk.part(case, attached))
    (tmp_path / "narrative").write_bytes(desk.part(case, case.sealed.parts[0]))
    (tmp_path / "changed").write_bytes(DATA + b".")
    found = list(
        find_files(evidence, [tmp_path / name for name in ("opened", "sealed", "narrative", "changed")])
    )
    assert [(one.name, one.part and one.part.number, one.sealed) for one in found] == [
        ("opened", attached.number, False), ("sealed", attached.number, True), ("narrative", 0, True),
        ("changed", None, False),
    ]  # fmt: skip


def test_before_publication_it_says_so(team: Team, reporter: Reporter, desk: StaffSession):
    case = opened(desk, filed(reporter, "early").reference)
    assert check_evidence(make_evidence(desk, case, team.roots), team.roots).inclusion is None


def test_true_bytes_of_a_plain_report_are_hashed_by_reading_them(
    team: Team, reporter: Reporter, desk: StaffSession
):
    files = [NewAttachment("plain.txt", "text/plain", DATA)]
    known = reporter.file_plain(replace(new_report(reporter, "plain", "anonymous"), attachments=files))
    case = opened(desk, known.reference)
    assert case.attachments[0].sha256 is None
    evidence = check_evidence(make_evidence(desk, case, team.roots), team.roots).evidence
    assert [one.true.sha256 for one in evidence.parts if one.true] == [sha256(DATA).digest()]


def test_what_is_changed_afterwards_does_not_hold(
    team: Team, published: tuple[Filed, OpenedCase, Signed], tmp_path: Path
):
    _, _, document = published
    body = document.body
    parts = [dict(part) for part in body["parts"]]
    changes = (
        {"filed_on": "2020-01-01"}, {"reference": "XXXX-XXXX-XX"}, {"parts": parts[:-1]},
        {"parts": [parts[1], parts[0], *parts[2:]]}, {"parts": [{**parts[0], "file_size": 1}, *parts[1:]]},
        {"log": None}, {"log": {**body["log"], "salt": canonical.b64u(bytes(32))}}, {"day": "2020-01-01"},
    )  # fmt: skip
    for change in changes:
        with pytest.raises(CryptoError):
            check_evidence(replace(document, body={**body, **change}), team.roots)
    with pytest.raises(BadSignature):
        check_evidence(document, [bytes(32)] * 3)
    with pytest.raises(BadSignature):
        check_evidence(replace(document, signatures=()), team.roots)
    path = tmp_path / "evidence.json"
    path.write_bytes(canonical.dumps(document.to_json())[:-1])
    with pytest.raises(CryptoError):
        read_evidence(path, team.roots)
    path.write_bytes(b" " * (17 << 20))
    with pytest.raises(Refused):
        read_evidence(path, team.roots)


def test_a_server_with_another_record_is_not_believed(
    team: Team, reporter: Reporter, desk: StaffSession, published: tuple[Filed, OpenedCase, Signed]
):
    case = opened(desk, filed(reporter, "lied").reference)
    wrong = replace(case, sealed=replace(case.sealed, line=replace(case.line, id=published[1].line.id)))
    with pytest.raises(Refused):
        make_evidence(desk, wrong, team.roots)


def test_it_needs_a_certificate(team: Team, published: tuple[Filed, OpenedCase, Signed]):
    member = team.make("evidence.bare", "desk", certified=False)
    with closing(team.session()) as session:
        session.sign_in(member.login, PASSWORD)
        with pytest.raises(NotUnlocked):
            make_evidence(session, published[1], team.roots)
