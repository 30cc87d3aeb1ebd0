"""The main job from end to end, through HTTP only, against a separately started server.

Sealed in Python, sealed by `web/client` in Node, and plain: filed with attachments, triaged, assigned, asked, answered,
code replaced, log published, promise checked against its proof, everything stored searched for the words.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.here import Here
from services.client.door import solve
from services.client.errors import Problem
from services.crypto.receipts import format_receipt, parse_receipt
from tests.system.conftest import Server
from tests.system.office import (
    REPOSITORY,
    Office,
    dialogue,
    files_of,
    new_report,
    node,
    nothing_readable,
    opened_office,
)
from tests.system.test_markers import marker


@pytest.fixture(scope="module")
def office(server: Server) -> Iterator[Office]:
    here = Here(server.url, server.var, None)
    with opened_office(server.home, here, here) as made:
        yield made


def test_sealed_report(office: Office) -> None:
    mark = marker()
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
        filed = reporter.file_sealed(report)
        files = files_of(report)
        new = dialogue(office, filed.reference, filed.receipt, mark, files)
        assert reporter.check_log_inclusion(filed) is None
        office.job("intake.publish-log")
        included = reporter.check_log_inclusion(filed)
        assert included is not None
        assert included.size % 256 == 0
    nothing_readable(office, [mark, filed.receipt, new])


def test_plain_report(office: Office) -> None:
    mark = marker()
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
        filed = reporter.file_plain(report)
        files = files_of(report)
        new = dialogue(office, filed.reference, filed.receipt, mark, files)
        office.job("intake.publish-log")
        assert reporter.check_log_inclusion(filed) is not None
        plain = reporter.http.post(
            "/api/intake/v1/inbox/plain", {"receipt": format_receipt(new)}, solve(reporter.http)
        )
        opened = plain.json()
        assert [message["text"] for message in opened["messages"]] == [f"{mark} thanks"]
        # The question was sealed to the old code's key: gone with it, and no forgery.
        assert opened["refused"] == 0
    nothing_readable(office, [mark, filed.receipt, new])


def test_report_sealed_by_the_typescript_client(office: Office, tmp_path: Path) -> None:
    """Sealed and read in Node, worked on in Python."""
    mark = marker()
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
    paths = [tmp_path / name for name in files_of(report)]
    for path, data in zip(paths, files_of(report).values(), strict=True):
        path.write_bytes(data)
    given = {
        "answers": report.answers,
        "fields": report.fields,
        "mode": report.mode,
        "identity": report.identity,
        "attachments": [str(path) for path in paths],
    }
    filed = node(office, "file", given)
    files = files_of(report)
    new = dialogue(office, filed["reference"], parse_receipt(filed["receipt"]), mark, files)
    office.job("intake.publish-log")
    visit = node(office, "inbox", {"receipt": new, "message": {"text": f"{mark} from node"}})
    assert visit["included"]
    assert [reply["text"] for reply in visit["replies"]] == [f"{mark} thanks"]
    replaced = node(office, "inbox", {"receipt": new, "replace_code": True})
    lead = office.signed_in(office.lead)
    case = lead.case(lead.find(filed["reference"]).id)
    assert case.messages[-1].text == f"{mark} from node"
    lead.answer(case, f"{mark} last")
    last = node(office, "inbox", {"receipt": replaced["sent"]["receipt"]})
    assert [reply["text"] for reply in last["replies"]] == [f"{mark} last"]
    nothing_readable(office, [mark, parse_receipt(filed["receipt"]), new])


def test_custodian_and_outsiders_read_no_case(office: Office) -> None:
    session = office.signed_in(office.custodian)
    with pytest.raises(Problem) as refused:
        list(session.cases())
    assert refused.value.status == 403


def test_log_verifies_as_a_whole(office: Office) -> None:
    command = [
        sys.executable,
        "-m",
        "services.cli.main",
        "--url",
        office.here.url,
        "--var",
        str(office.here.var),
    ]
    done = subprocess.run(
        [*command, "log", "verify"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
