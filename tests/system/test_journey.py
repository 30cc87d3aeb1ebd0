"""The main job from end to end, through HTTP only, against a separately started server.

Sealed in Python, sealed by `web/client` in Node, and plain: filed with attachments, triaged, assigned, asked, answered,
code replaced, log published, promise checked against its proof, everything stored searched for the words.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.cli.here import Here
from services.cli.staff import NewColleague, administrator, certify, enrol_with_keys
from services.client.door import solve
from services.client.errors import Problem
from services.client.filing import NewReport
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto.canonical import b64u
from services.crypto.packages import NewAttachment
from services.crypto.receipts import format_receipt, parse_receipt
from tests.system.conftest import Server
from tests.system.test_markers import files_under, marker, spellings

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Office:
    """The server with three of its staff."""

    server: Server
    here: Here
    desk: NewColleague
    investigator: NewColleague
    custodian: NewColleague
    sessions: list[StaffSession] = field(default_factory=list)

    def signed_in(self, colleague: NewColleague) -> StaffSession:
        roots = self.here.roots()
        session = StaffSession(self.server.url, roots, memory=self.here.memory(roots))
        self.sessions.append(session)
        session.sign_in(colleague.login, colleague.password)
        session.unlock(colleague.passphrase)
        return session

    def job(self, name: str) -> str:
        """`adal jobs run NAME`, as an operator types it."""
        command = [
            sys.executable,
            "-m",
            "services.cli.main",
            "--var",
            str(self.server.var),
            "jobs",
            "run",
            name,
        ]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ADAL_")}
        done = subprocess.run(command, cwd=REPOSITORY, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def office(server: Server) -> Iterator[Office]:
    here = Here(server.url, server.var, None)
    made: dict[str, NewColleague] = {}
    with administrator(here, None) as session:
        for role in ("desk", "investigator", "custodian"):
            _, enrolment = session.add_staff(f"journey-{role}", "Invented Person", [role])
            made[role] = enrol_with_keys(here, f"journey-{role}", enrolment)
            certify(here, session, made[role], [role])
    office = Office(server, here, **made)
    yield office
    for session in office.sessions:
        session.close()


def new_report(reporter: Reporter, mark: str, mode: str = "confidential") -> NewReport:
    form = reporter.form()
    code = {name: found["items"][0]["code"] for name, found in form["lists"].items()}
    fields = {
        "amount_band": code["amount_bands"], "category": code["categories"], "channel": "api", "language": "kk",
        "region": code["regions"], "sector": code["sectors"], "urgency": code["urgency"], "year": 2026,
    }  # fmt: skip
    files = [
        NewAttachment(f"{mark}-small.txt", "text/plain", f"{mark} small".encode()),
        NewAttachment("large.bin", "video/mp4", mark.encode() * 20_000),
    ]
    identity = {"name": f"{mark} name"} if mode == "confidential" else None
    return NewReport(fields, {"what": f"{mark} what", "accused": f"{mark} who"}, mode, identity, files)


def dialogue(office: Office, reference: str, receipt: str, mark: str, files: dict[str, bytes]) -> str:
    """Triage, assignment, question, answer, a new code; the new receipt."""
    desk, investigator = office.signed_in(office.desk), office.signed_in(office.investigator)
    line = desk.find(reference)
    case = desk.case(line.id)
    assert case.narrative.answers["what"] == f"{mark} what"
    assert not case.differences
    assert {one.name for one in case.attachments} == set(files)
    desk.set_state(line.id, "registered")
    desk.set_state(line.id, "in_review")
    with pytest.raises(Problem) as hidden:
        investigator.case(line.id)
    assert hidden.value.status == 404
    desk.assign(case, office.investigator.id)

    case = investigator.case(line.id)
    assert case.narrative.answers["accused"] == f"{mark} who"
    folder = office.server.home / f"downloads-{secrets.token_hex(4)}"
    folder.mkdir()
    for envelope in case.attachments:
        assert investigator.download(case, envelope, folder).read_bytes() == files[envelope.name]
    investigator.answer(case, f"{mark} question", [NewAttachment("letter.txt", "text/plain", mark.encode())])

    with office.here.reporter() as reporter:
        inbox = reporter.inbox(receipt)
        assert [reply.text for reply in inbox.replies] == [f"{mark} question"]
        assert not inbox.rejected
        assert inbox.download(inbox.replies[0], 0, folder).read_bytes() == mark.encode()
        inbox.send(f"{mark} reply", [NewAttachment("more.txt", "text/plain", b"more " + mark.encode())])
        inbox.add_identity({"name": f"{mark} later"})
        new = inbox.replace_code()
        with pytest.raises(Problem):
            reporter.confirm_code(receipt)
        reporter.confirm_code(new)
        with pytest.raises(Problem) as gone:
            reporter.inbox(receipt).refresh()
        assert gone.value.status == 404

        case = investigator.case(line.id)
        assert [message.text for message in case.messages] == [f"{mark} question", f"{mark} reply"]
        desk.answer(desk.case(line.id), f"{mark} thanks")
        assert reporter.inbox(new).replies[-1].text == f"{mark} thanks"
        assert reporter.inbox(new).refresh().state == "in_review"
    return new


def nothing_readable(office: Office, marks: list[str]) -> None:
    """The words are nowhere in what the server keeps: tables, indexes, write-ahead log, blobs, logs, folders."""
    kept = [*files_under(office.server.var, office.server.temporary), office.server.output]
    wanted = [spelling for mark in marks for spelling in spellings(mark)]
    assert len(kept) > 100
    for path in kept:
        data = path.read_bytes()
        assert not [spelling for spelling in wanted if spelling in data], path


def test_sealed_report(office: Office) -> None:
    mark = marker()
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
        filed = reporter.file_sealed(report)
        files = {item.name: item.data for item in report.attachments}
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
        files = {item.name: item.data for item in report.attachments}
        new = dialogue(office, filed.reference, filed.receipt, mark, files)
        office.job("intake.publish-log")
        assert reporter.check_log_inclusion(filed) is not None
        plain = reporter.http.post(
            "/api/intake/v1/inbox/plain", {"receipt": format_receipt(new)}, solve(reporter.http)
        )
        opened = plain.json()
        assert [message["text"] for message in opened["messages"]] == [f"{mark} thanks"]
        # The question was sealed to the old code's key, which is gone with the old code.
        assert opened["refused"] == 1
    nothing_readable(office, [mark, filed.receipt, new])


def node(office: Office, command: str, given: dict[str, Any]) -> Any:
    """Run the command of `web/client`; receipts and answers travel on standard input."""
    binary = Path(sys.executable).with_name("node")
    script = REPOSITORY / "web" / "client" / "dist" / "scripts" / "report.js"
    roots = ",".join(b64u(root) for root in office.here.roots())
    done = subprocess.run(
        [str(binary), str(script), command, office.server.url, roots, "-"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_report_sealed_by_the_typescript_client(office: Office, tmp_path: Path) -> None:
    """Sealed and read in Node, worked on in Python."""
    mark = marker()
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
    paths = [tmp_path / item.name for item in report.attachments]
    for path, item in zip(paths, report.attachments, strict=True):
        path.write_bytes(item.data)
    given = {
        "answers": report.answers,
        "fields": report.fields,
        "mode": report.mode,
        "identity": report.identity,
        "attachments": [str(path) for path in paths],
    }
    filed = node(office, "file", given)
    files = {item.name: item.data for item in report.attachments}
    new = dialogue(office, filed["reference"], parse_receipt(filed["receipt"]), mark, files)
    office.job("intake.publish-log")
    visit = node(office, "inbox", {"receipt": new, "message": {"text": f"{mark} from node"}})
    assert visit["included"]
    assert [reply["text"] for reply in visit["replies"]] == [f"{mark} thanks"]
    replaced = node(office, "inbox", {"receipt": new, "replace_code": True})
    desk = office.signed_in(office.desk)
    case = desk.case(desk.find(filed["reference"]).id)
    assert case.messages[-1].text == f"{mark} from node"
    desk.answer(case, f"{mark} last")
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
        office.server.url,
        "--var",
        str(office.server.var),
    ]
    done = subprocess.run(
        [*command, "log", "verify"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
