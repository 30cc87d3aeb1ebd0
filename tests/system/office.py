"""What tests of the whole system share: staff who work over HTTP, one dialogue, one search for its words."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.cli.here import Here
from services.cli.staff import NewColleague, administrator, certify, enrol_with_keys
from services.client import steps
from services.client.errors import NotHanded, Problem
from services.client.filing import NewReport
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto.canonical import b64u
from services.crypto.packages import NewAttachment
from tests.system.test_markers import files_under, spellings

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Office:
    """An installation with four of its staff; citizens and staff may reach it at different addresses."""

    home: Path
    here: Here
    staff_here: Here
    desk: NewColleague
    investigator: NewColleague
    custodian: NewColleague
    lead: NewColleague
    sessions: list[StaffSession] = field(default_factory=list)

    def signed_in(self, colleague: NewColleague) -> StaffSession:
        roots = self.staff_here.roots()
        session = StaffSession(self.staff_here.url, roots, memory=self.staff_here.memory(roots))
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
            str(self.here.var),
            "jobs",
            "run",
            name,
        ]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ADAL_")}
        done = subprocess.run(command, cwd=REPOSITORY, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def opened_office(home: Path, here: Here, staff_here: Here) -> Iterator[Office]:
    """Four colleagues, enrolled and certified over HTTP."""
    made: dict[str, NewColleague] = {}
    with administrator(staff_here, None) as session:
        for role in ("desk", "investigator", "custodian", "lead"):
            _, enrolment = session.add_staff(f"journey-{role}", "Invented Person", [role])
            made[role] = enrol_with_keys(staff_here, f"journey-{role}", enrolment)
            certify(staff_here, session, made[role], [role])
    desk, investigator, custodian, lead = made.values()
    office = Office(home, here, staff_here, desk, investigator, custodian, lead)
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


def files_of(report: NewReport) -> dict[str, bytes]:
    """The files of a report by name."""
    return {item.name: item.data for item in report.attachments if isinstance(item, NewAttachment)}


def dialogue(office: Office, reference: str, receipt: str, mark: str, files: dict[str, bytes]) -> str:
    """Triage, assignment, question, answer, a new code; the new receipt."""
    desk, investigator = office.signed_in(office.desk), office.signed_in(office.investigator)
    line = desk.find(reference)
    case = desk.case(line.id)
    assert case.narrative.answers["what"] == f"{mark} what"
    assert not case.differences
    assert {one.name for one in case.attachments} == set(files)
    steps.move(desk, line.id, "register")
    steps.move(desk, line.id, "review")
    with pytest.raises(Problem) as hidden:
        investigator.case(line.id)
    assert hidden.value.status == 404
    desk.assign(case, office.investigator.id)

    case = investigator.case(line.id)
    assert case.narrative.answers["accused"] == f"{mark} who"
    folder = office.home.parent / f"downloads-{secrets.token_hex(4)}"
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
        with pytest.raises(NotHanded):
            desk.case(line.id)
        lead = office.signed_in(office.lead)
        lead.answer(lead.case(line.id), f"{mark} thanks")
        assert reporter.inbox(new).replies[-1].text == f"{mark} thanks"
        assert reporter.inbox(new).refresh().state == "in_review"
    return new


def nothing_readable(office: Office, marks: list[str]) -> None:
    """The words are nowhere in what the server keeps: tables, indexes, write-ahead log, blobs, logs, folders."""
    kept = list(files_under(office.home))
    wanted = [spelling for mark in marks for spelling in spellings(mark)]
    assert len(kept) > 100
    for path in kept:
        data = path.read_bytes()
        assert not [spelling for spelling in wanted if spelling in data], path


def node(office: Office, command: str, given: dict[str, Any]) -> Any:
    """Run the command of `web/client`; receipts and answers travel on standard input."""
    binary = Path(sys.executable).with_name("node")
    script = REPOSITORY / "web" / "client" / "dist" / "scripts" / "report.js"
    roots = ",".join(b64u(root) for root in office.here.roots())
    done = subprocess.run(
        [str(binary), str(script), command, office.here.url, roots, "-"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
