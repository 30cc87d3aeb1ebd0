"""The reporter's side: file a report, sealed here or plain, come back with the receipt, check the promise.

Sealing happens in this process. What leaves it is the package of the sealing format; the receipt never does, except
in plain mode, where the service makes it.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import httpx2

from services.client.directory import INTAKE, Directories, utc_now
from services.client.door import Credential, let_in
from services.client.errors import understood
from services.client.filing import Filed, NewReport, in_memory
from services.client.http import Http, Progress, idempotency_key
from services.client.inbox import Inbox, confirm_code
from services.client.log import Included, find_leaf
from services.client.memory import Memory
from services.client.uploads import Draft, too_large_inside, upload_plain, upload_sealed
from services.crypto import rules
from services.crypto.canonical import b64, unb64u
from services.crypto.directories import Directory
from services.crypto.errors import Refused
from services.crypto.manifests import Manifest
from services.crypto.packages import NewAttachment, ReportKey, SealedFile, SealedReport, seal_report
from services.crypto.receipts import derive, parse_receipt
from services.crypto.signatures import Signed


class Reporter:
    """A client of the public API. `roots` are the pinned verify keys of the three roots.

    `credential` is set by who files for others (an operator, the desk, a system): their token is sent when a report is
    filed, and never with anything else.
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
        credential: Credential | None = None,
    ) -> None:
        self._credential = credential
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
        """Seal a report here and file it. `desk` defaults to the first of the directory, `form` is its version.

        Attachments above 8 MiB together are uploaded first, in pieces and in constant memory. `progress` may step
        back when a connection breaks. Errors besides: OSError for a file that cannot be read.
        """
        directory = self.key_directory()
        if not too_large_inside(report.attachments):
            return self.send_sealed(self.seal(report, directory, desk, form), directory, progress)
        desk, form = desk or directory.desks[0].id, form or self.form()["version"]
        with Draft(self._http, "sealed", self._credential) as draft:
            key = ReportKey.make(directory, desk)
            files = upload_sealed(draft, report.attachments, key.recipient, progress)
            sealed = _sealed(report, files, directory, desk, form, key)
            return self._send_sealed(sealed, directory, draft=draft)

    def seal(
        self, report: NewReport, directory: Directory, desk: str | None = None, form: str | None = None
    ) -> SealedReport:
        """The sealed report with all attachments inside, ready for `send_sealed`; nothing is sent."""
        files = [in_memory(item) for item in report.attachments]
        return _sealed(
            report, files, directory, desk or directory.desks[0].id, form or self.form()["version"]
        )

    def send_sealed(
        self, sealed: SealedReport, directory: Directory, progress: Progress | None = None
    ) -> Filed:
        """Send a sealed report; a broken connection is repeated with the same idempotency key."""
        return self._send_sealed(sealed, directory, progress)

    def file_plain(
        self, report: NewReport, form: str | None = None, progress: Progress | None = None
    ) -> Filed:
        """File a report in plain mode: the service sees it once, in memory, and makes the receipt.

        Attachments, `progress` and errors as in `file_sealed`.
        """
        directory, form = self.key_directory(), form or self.form()["version"]
        if not too_large_inside(report.attachments):
            items = [in_memory(item) for item in report.attachments]
            lines = [{"name": item.name, "type": item.type, "data": b64(item.data)} for item in items]
            return self._send_plain(report, lines, form, directory, progress)
        with Draft(self._http, "plain", self._credential) as draft:
            lines = upload_plain(draft, report.attachments, progress)
            return self._send_plain(report, lines, form, directory, draft=draft)

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
        return find_leaf(self._http, self._directories, filed.leaf, filed.origin, filed.day)

    def find_leaf(self, leaf: bytes, filed_on: date | None = None) -> Included | None:
        """The same for a bare leaf, as the inbox shows it with the day of filing."""
        return find_leaf(self._http, self._directories, leaf, promised_on=filed_on)

    def _send_sealed(
        self,
        sealed: SealedReport,
        directory: Directory,
        progress: Progress | None = None,
        draft: Draft | None = None,
    ) -> Filed:
        answer = self._file("packages", sealed.to_json(), progress, draft)
        with understood():
            if unb64u(answer["rid"], 32) != sealed.rid:
                raise Refused("the answer is about another report")
            return _filed(answer, sealed.receipt, sealed.manifest, directory)

    def _send_plain(
        self,
        report: NewReport,
        attachments: list[dict[str, str]],
        form: str,
        directory: Directory,
        progress: Progress | None = None,
        draft: Draft | None = None,
    ) -> Filed:
        body = {
            "form": form,
            "mode": report.mode,
            "fields": report.fields,
            "answers": report.answers,
            "identity": report.identity,
            "attachments": attachments,
        }
        answer = self._file("reports", body, progress, draft)
        with understood():
            manifest = Manifest.from_json(answer["manifest"])
            if manifest.fields != report.fields or manifest.mode != "plain":
                raise Refused("the service sealed another report")
            if len(manifest.parts) != 2 + len(attachments) or (draft and draft.rid != manifest.rid):
                raise Refused("the service sealed another report")
            return _filed(answer, parse_receipt(answer["receipt"]), manifest, directory)

    def _file(
        self, kind: str, body: dict[str, Any], progress: Progress | None, draft: Draft | None
    ) -> dict[str, Any]:
        key, path = {"Idempotency-Key": idempotency_key()}, f"{INTAKE}/{kind}"
        if draft is None:
            answer = let_in(
                self._http,
                lambda door: self._http.post(path, body, {**key, **door}, progress),
                self._credential,
            )
        else:
            # The draft was let in already, and what was uploaded is worth waiting for a server that is away.
            headers = {**key, **draft.headers}
            answer = draft.patiently(lambda: self._http.post(path, body, headers))
        with understood():
            return dict(answer.json())


def _sealed(
    report: NewReport,
    files: Sequence[NewAttachment | SealedFile],
    directory: Directory,
    desk: str,
    form: str,
    key: ReportKey | None = None,
) -> SealedReport:
    return seal_report(
        answers={**report.answers, "mode": report.mode},
        fields=report.fields,
        identity=report.identity,
        attachments=files,
        directory=directory,
        desk_id=desk,
        form=form,
        mode="sealed",
        report=key,
    )


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
        register_by=rules.day_or_none(answer.get("register_by")),
    )
    filed.check(directory)
    return filed
