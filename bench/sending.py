"""The reporter's side of `bench.uploads`, in a process of its own: file a report with one large file.

The order comes as JSON on standard input (`url`, `roots`, `file`, `mode`, `fields`); the answer is JSON: see `Sent`.
"""

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import memory
from services.client.filing import FileAttachment, NewReport
from services.client.reporter import Reporter
from services.crypto.canonical import unb64u


@dataclass(frozen=True)
class Sent:
    """Seconds until the first bytes of the file went (sealing), until the last did, until the report was filed.

    `cpu` are CPU seconds of this process, `growth` the bytes of memory above what it held before.
    """

    before: float
    sending: float
    filing: float
    cpu: float
    growth: int

    @property
    def seconds(self) -> float:
        """All of it: from the file on the reporter's disk to the promise."""
        return self.before + self.sending + self.filing


def send(order: dict[str, Any]) -> Sent:
    """File the report. Errors: as `Reporter.file_sealed`."""
    moments: list[float] = []
    me = os.getpid()
    with Reporter(order["url"], [unb64u(root, 32) for root in order["roots"]]) as reporter:
        form = reporter.form()["version"]
        item = FileAttachment(Path(order["file"]), "large.bin", "application/octet-stream")
        report = NewReport(order["fields"], {"what": "A large file."}, attachments=[item])
        file = reporter.file_sealed if order["mode"] == "sealed" else reporter.file_plain
        memory.forget_peak(me)
        held, used, begun = memory.resident(me), time.process_time(), time.perf_counter()
        file(report, form=form, progress=lambda _done, _of: moments.append(time.perf_counter()))
        ended = time.perf_counter()
    return Sent(
        before=moments[0] - begun,
        sending=moments[-1] - moments[0],
        filing=ended - moments[-1],
        cpu=time.process_time() - used,
        growth=memory.peak(me) - held,
    )


if __name__ == "__main__":
    print(json.dumps(asdict(send(json.load(sys.stdin)))))
