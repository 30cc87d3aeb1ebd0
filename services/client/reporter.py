"""The reporter's side: file a report, sealed here or plain, come back with the receipt, check the promise.

Sealing happens in this process. What leaves it is the package of the sealing format; the receipt never does, except
in plain mode, where the service makes it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import httpx2

from services.client.directory import INTAKE, Directories, utc_now
from services.client.door import let_in
from services.client.errors import understood
from services.client.filing import Filed, NewReport
from services.client.http import Http, Progress, idempotency_key
from services.client.inbox import Inbox, confirm_code
from services.client.log import Included, find_leaf
from services.client.memory import Memory
from services.crypto import rules
from services.crypto.canonical import b64, unb64u
from services.crypto.directories import Directory
from services.crypto.errors import Refused
from services.crypto.manifests import Manifest
from services.crypto.packages import SealedReport, seal_report
from services.crypto.receipts import derive, parse_receipt
from services.crypto.signatures import Signed


class Reporter:
    """A client of the public API. `roots` are the pinned verify keys of the three roots.

    Errors of every method: Problem, Unreachable, BadAnswer; CryptoError when a check fails.
    """

    def __init__(
        self,
        base_url: str,
        roots: Sequence[bytes],
        transport: httpx2.BaseTransport | None = None,
        memory: Memory | None = None,
        language: str = "en",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._http = Http(base_url, language, transport)
        self._directories = Directories(self._http, roots, memory, clock)

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def http(self) -> Http:
        """The connection, for further public calls."""
        return self._http

    @property
    def directories(self) -> Directories:
        """The checked key directory and what this client remembers."""
        return self._directories

    def key_directory(self) -> Directory:
        """The key directory in force, checked against the pinned roots and the one seen last."""
        return self._directories.current()

    def form(self) -> dict[str, Any]:
        """The reporting form as the service describes it."""
        form = self._http.get(f"{INTAKE}/form").json()
        with understood():
            str(form["version"]), list(form["fields"]), dict(form["lists"])
        return dict(form)

    def file_sealed(
        self,
        report: NewReport,
        desk: str | None = None,
        form: str | None = None,
        progress: Progress | None = None,
    ) -> Filed:
        """Seal a report here and file it. `desk` defaults to the first of the directory, `form` is its version."""
        directory = self.key_directory()
        sealed = self.seal(report, directory, desk, form)
        return self.send_sealed(sealed, directory, progress)

    def seal(
        self, report: NewReport, directory: Directory, desk: str | None = None, form: str | None = None
    ) -> SealedReport:
        """The sealed report, ready for `send_sealed`; nothing is sent."""
        return seal_report(
            answers={**report.answers, "mode": report.mode},
            fields=report.fields,
            identity=report.identity,
            attachments=report.attachments,
            directory=directory,
            desk_id=desk or directory.desks[0].id,
            form=form or self.form()["version"],
            mode="sealed",
        )

    def send_sealed(
        self, sealed: SealedReport, directory: Directory, progress: Progress | None = None
    ) -> Filed:
        """Send a sealed report; a broken connection is repeated with the same idempotency key."""
        answer = self._file("packages", sealed.to_json(), progress)
        with understood():
            if unb64u(answer["rid"], 32) != sealed.rid:
                raise Refused("the answer is about another report")
            return _filed(answer, sealed.receipt, sealed.manifest, directory)

    def file_plain(
        self, report: NewReport, form: str | None = None, progress: Progress | None = None
    ) -> Filed:
        """File a report in plain mode: the service sees it once, in memory, and makes the receipt."""
        directory = self.key_directory()
        body = {
            "form": form or self.form()["version"],
            "mode": report.mode,
            "fields": report.fields,
            "answers": report.answers,
            "identity": report.identity,
            "attachments": [
                {"name": item.name, "type": item.type, "data": b64(item.data)} for item in report.attachments
            ],
        }
        answer = self._file("reports", body, progress)
        with understood():
            manifest = Manifest.from_json(answer["manifest"])
            if manifest.fields != report.fields or manifest.mode != "plain":
                raise Refused("the service sealed another report")
            if len(manifest.parts) != 2 + len(report.attachments):
                raise Refused("the service sealed another report")
            return _filed(answer, parse_receipt(answer["receipt"]), manifest, directory)

    def inbox(self, receipt: str) -> Inbox:
        """Open the inbox. Errors: ReceiptError for what is no receipt, Problem `no-such-receipt`."""
        return Inbox(self._http, self._directories, derive(receipt))

    def confirm_code(self, receipt: str) -> None:
        """Type a new code back: it is in force from here on, and the old one is dead."""
        confirm_code(self._http, receipt)

    def check_log_inclusion(self, filed: Filed) -> Included | None:
        """The checked proof that the promise was kept, or None while the log is not published.

        Errors: CryptoError also when the saved promise itself is not the log's.
        """
        filed.check(self._directories.current())
        return find_leaf(self._http, self._directories, filed.leaf, filed.origin)

    def find_leaf(self, leaf: bytes) -> Included | None:
        """The same for a bare leaf, as the inbox shows it."""
        return find_leaf(self._http, self._directories, leaf)

    def _file(self, kind: str, body: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
        key = {"Idempotency-Key": idempotency_key()}
        answer = let_in(
            self._http, lambda door: self._http.post(f"{INTAKE}/{kind}", body, {**key, **door}, progress)
        )
        with understood():
            return dict(answer.json())


def _filed(answer: dict[str, Any], receipt: str, manifest: Manifest, directory: Directory) -> Filed:
    filed = Filed(
        receipt=receipt,
        reference=rules.text(answer["reference"], 64),
        rid=manifest.rid,
        day=rules.day(answer["day"]),
        promise=Signed.from_json(answer["promise"]),
        record=dict(answer["record"]),
        salt=rules.bytes32(answer["salt"]),
        manifest=manifest,
    )
    filed.check(directory)
    return filed
