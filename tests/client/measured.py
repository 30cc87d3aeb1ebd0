"""Run apart by a test: file or download one large attachment, and print how much memory that took at most.

The order comes as JSON on standard input; the answer is JSON: `growth` in bytes, and `reference` or `path`.
"""

import json
import sys
from pathlib import Path

from services.client.filing import FileAttachment, NewReport
from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto.canonical import unb64u


def status(name: str) -> int:
    """A line of this process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    raise LookupError


def reset_peak() -> int:
    """Begin to measure; the memory in use now."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def upload(order: dict[str, str], roots: list[bytes]) -> dict[str, object]:
    with Reporter(order["url"], roots) as reporter:
        form = reporter.form()["version"]
        item = FileAttachment(Path(order["file"]), "large.bin", "application/octet-stream")
        report = NewReport(json.loads(order["fields"]), {"what": "A large file."}, attachments=[item])
        file = reporter.file_sealed if order["mode"] == "sealed" else reporter.file_plain
        before = reset_peak()
        filed = file(report, form=form)
        return {"growth": status("VmHWM") - before, "reference": filed.reference}


def download(order: dict[str, str], roots: list[bytes]) -> dict[str, object]:
    session = StaffSession(order["url"], roots)
    session.sign_in(order["login"], order["password"])
    session.unlock(order["passphrase"])
    case = session.case(session.find(order["reference"]).id)
    before = reset_peak()
    path = session.download(case, case.attachments[0], Path(order["folder"]))
    growth = status("VmHWM") - before
    session.close()
    return {"growth": growth, "path": str(path)}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    pinned = [unb64u(root, 32) for root in given["roots"]]
    print(json.dumps((upload if given["do"] == "upload" else download)(given, pinned)))
