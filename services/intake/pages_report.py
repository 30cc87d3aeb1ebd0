"""File a report without script: the form, the page that shows the receipt once, and typing it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import anyio
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.receipts import format_receipt
from services.intake import drafts, filing
from services.intake.context import Context
from services.intake.form import load_form
from services.intake.pages_door import REPORT_FORM, FormToken
from services.intake.pages_files import DraftFiles, KeptFile, open_kept, seal_kept
from services.intake.pages_multipart import SentForm, content_of, no_files, read_form
from services.intake.pages_notes import Shown, open_note, seal_note
from services.intake.pages_shell import (
    MAX_FORM,
    PageRoute,
    context_of,
    language_of,
    now_of,
    render,
)
from services.intake.pages_typing import Slip, compare, grouped
from services.intake.pages_values import FILES, Read, asked, read_report
from services.intake.schemas import ReportFile
from services.kit.clock import day_of
from services.kit.db import transaction
from services.kit.problems import Problem

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_OPERATION = "pages/report"

RECEIPT, VISIT = "receipt", "visit"


@dataclass(frozen=True)
class Sending:
    """A form that was sent: its texts, its files of now and of earlier answers, and where they lie."""

    form: SentForm[KeptFile]
    files: Sequence[KeptFile] = ()
    draft: str = ""

    @property
    def content(self) -> bytes:
        return content_of(self.form.values, [(file.name, file.type, file.digest) for file in self.files])


def in_order(errors: dict[str, str], codes: list[str]) -> dict[str, str]:
    """The messages in the order of the page; what is no question comes last."""
    return {code: errors[code] for code in sorted(errors, key=[*codes, *errors].index)}


def show_form(
    request: Request,
    sending: Sending | None = None,
    errors: dict[str, str] | None = None,
    notice: Problem | None = None,
    token: str | None = None,
) -> Response:
    """The form; what was typed comes back in this answer only, and files that were taken need not be sent again."""
    context, now, form = context_of(request), now_of(request), load_form()
    kept = list(sending.files) if sending and not isinstance(notice, drafts.DraftGone) else []
    return render(
        request,
        "report.html",
        notice.status if notice else 422 if errors else 200,
        here="/report",
        form=form,
        questions=asked(form),
        clear=[question for question in form.fields if question.clear],
        today=day_of(now),
        values=sending.form.values if sending else {"language": language_of(request)},
        errors=in_order(errors or {}, [question.code for question in form.fields]),
        notice=notice.message if notice else None,
        token=token or context.pages.tokens.issue(REPORT_FORM, now),
        kept=kept,
        kept_note=seal_kept(context, kept, now) if kept else "",
        draft=sending.draft if sending and kept else "",
        limit=context.settings.upload_bytes,
        limit_together=context.settings.draft_bytes,
    )


@router.get("/report")
async def show_report_form(request: Request) -> Response:
    """The form, empty."""
    return show_form(request)


@router.get("/report/sent")
@router.get("/report/check")
async def show_no_receipt(request: Request) -> Response:
    """For whoever loads the address of a receipt anew: it was shown once."""
    return render(request, "receipt_gone.html", here="/report/sent")


@router.post("/report/sent", max_body_size=MAX_FORM)
async def send_report(request: Request) -> Response:
    """File the report; the answer shows the receipt, once."""
    files = DraftFiles(request)
    try:
        form = await read_form(request, files)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await files.discard()
        raise
    kept = open_kept(context_of(request), form, now_of(request))
    secret = files.draft.secret if files.draft else form.text("draft")
    return await _send(request, Sending(form, [*kept, *form.files], secret), files)


async def _send(request: Request, sending: Sending, files: DraftFiles) -> Response:
    context, form = context_of(request), sending.form
    try:
        token = await context.pages.token(form.text("token"), REPORT_FORM, now_of(request))
        now = now_of(request)
        read = read_report(form.values, day_of(now))
        errors = read.errors | ({FILES: form.refused} if form.refused else {})
        if errors:
            return show_form(request, sending, errors, token=token.text)
        async with transaction(request) as conn:
            shown, unused = await _file(conn, context, sending, read, token, now)
    except Problem as refusal:
        return show_form(request, sending, notice=refusal)
    for blob in unused:
        await context.blobs.delete_async(blob)
    await files.discard()  # when the same form came twice
    return show_receipt(request, shown)


async def _file(
    conn: AsyncConnection, context: Context, sending: Sending, read: Read, token: FormToken, now: datetime
) -> tuple[Shown, list[str]]:
    """What the reporter gets to see of the report: filed now, or when the same form was sent before.

    Also the blobs that nobody needs once this is committed.
    """
    known = await token.claim(conn, _OPERATION, sending.content, now)
    if known is not None:
        return Shown.from_json(known), []
    wanted = [UUID(file.upload) for file in sending.files]
    files = [
        ReportFile(name=f.name, type=f.type, upload=id_) for f, id_ in zip(sending.files, wanted, strict=True)
    ]
    authorization = f"Bearer {sending.draft}" if wanted else None
    taken = await drafts.take(conn, context, authorization, drafts.PLAIN, now)
    taken.check(wanted, f"/{FILES}")
    in_force = await taken.directory(conn, context, now)
    sealed = await filing.seal_plain(context, in_force, read.report(files), taken.key, taken.files)
    lane = context.pages.budget.lane(now)
    ready = filing.ready(context, sealed.package, now, lane, taken.files)
    filed = ready.filed
    leaf = filed.promise["body"]["leaf"]
    shown = Shown(sealed.receipt, filed.reference, filed.day, leaf, filed.register_by)
    kept = token.keep(_OPERATION, sending.content, shown.to_json().encode(), now)
    await filing.accept(conn, context, ready, now, kept)
    return shown, taken.unused(wanted)


def show_receipt(request: Request, shown: Shown, slip: Slip | None = None, typed: str = "") -> Response:
    """The code, what proves the filing, and a form to type the code back."""
    note = seal_note(context_of(request), RECEIPT, shown.to_json(), now_of(request))
    return render(
        request,
        "receipt.html",
        422 if slip else 201,
        here=None,
        shown=shown,
        code=format_receipt(shown.receipt),
        watched=context_of(request).directories.watched,
        note=note,
        slip=slip,
        typed=grouped(typed),
    )


@router.post("/report/check")
async def check_receipt(request: Request) -> Response:
    """Whether the code was written down right; if not, it is shown once more with the place of the slip."""
    context, now = context_of(request), now_of(request)
    sent: SentForm[str] = await read_form(request, no_files)
    try:
        shown = Shown.from_json(open_note(context, RECEIPT, sent.text("note"), now))
    except Problem:
        return render(request, "receipt_gone.html", 422, here="/report/sent")
    typed = sent.text("typed")
    slip = compare(typed, shown.receipt)
    if slip:
        return show_receipt(request, shown, slip, typed)
    visit = seal_note(context, VISIT, shown.receipt, now)
    return render(request, "receipt_kept.html", here="/report/sent", reference=shown.reference, visit=visit)
