"""File a report without script: the form, the page that shows the receipt once, and typing it back."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.receipts import format_receipt
from services.intake import filing
from services.intake.context import Context
from services.intake.form import load_form
from services.intake.pages_door import FormToken
from services.intake.pages_files import MemoryFiles
from services.intake.pages_multipart import SentForm, content_of, no_files, read_form
from services.intake.pages_notes import Shown, open_note, seal_note
from services.intake.pages_shell import (
    MAX_FORM,
    PageRoute,
    context_of,
    language_of,
    now_of,
    render,
    transaction,
)
from services.intake.pages_typing import Slip, compare
from services.intake.pages_values import FILES, asked, read_report
from services.intake.schemas import PlainFile, PlainReport
from services.kit.clock import day_of
from services.kit.i18n import N_
from services.kit.problems import Problem

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE, RECEIPT, VISIT = "report", "receipt", "visit"
TOO_MUCH = N_(
    "These files are too many or too large together. Leave some out: you can send more in messages later."
)


def in_order(errors: dict[str, str], codes: list[str]) -> dict[str, str]:
    """The messages in the order of the page; what is no question comes last."""
    return {code: errors[code] for code in sorted(errors, key=[*codes, *errors].index)}


def show_form(
    request: Request,
    sent: SentForm[PlainFile] | None = None,
    errors: dict[str, str] | None = None,
    notice: Problem | None = None,
    token: str | None = None,
) -> Response:
    """The form; what was typed comes back in this answer only."""
    context, now, form = context_of(request), now_of(request), load_form()
    return render(
        request,
        "report.html",
        notice.status if notice else 422 if errors else 200,
        here="/report",
        form=form,
        questions=asked(form),
        clear=[question for question in form.fields if question.clear],
        today=day_of(now),
        values=sent.values if sent else {"language": language_of(request)},
        files_lost=bool(sent and (sent.files or sent.too_much)),
        errors=in_order(errors or {}, [question.code for question in form.fields]),
        notice=notice.message if notice else None,
        token=token or context.pages.tokens.issue(PURPOSE, now),
        limit=context.settings.attachment_bytes,
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
    context = context_of(request)
    sent = await read_form(request, MemoryFiles(context.settings.attachment_bytes))
    try:
        token = await context.pages.token(sent.text("token"), PURPOSE, now_of(request))
        now = now_of(request)
        read = read_report(sent.values, day_of(now))
        errors = read.errors | ({FILES: TOO_MUCH} if sent.too_much else {})
        if errors:
            return show_form(request, sent, errors, token=token.text)
        async with transaction(request) as conn:
            shown = await _file(conn, context, sent, read.report(sent.files), token, now)
    except Problem as refusal:
        return show_form(request, sent, notice=refusal)
    return show_receipt(request, shown)


async def _file(
    conn: AsyncConnection,
    context: Context,
    sent: SentForm[PlainFile],
    report: PlainReport,
    token: FormToken,
    now: datetime,
) -> Shown:
    """What the reporter gets to see of the report: filed now, or when the same form was sent before."""
    known = await token.claim(conn, "pages/report", content_of(sent), now)
    if known is not None:
        return Shown.from_json(known)
    in_force = await context.directories.current(conn, now)
    sealed = await filing.seal_plain(context, in_force, report)
    filed = await filing.accept(conn, context, sealed.package, now, context.pages.budget.lane(now))
    shown = Shown(sealed.receipt, filed.reference, filed.day, filed.promise["body"]["leaf"])
    await token.finish(conn, shown.to_json().encode())
    return shown


def show_receipt(request: Request, shown: Shown, slip: Slip | None = None, typed: str = "") -> Response:
    """The code, what proves the filing, and a form to type the code back."""
    note = seal_note(context_of(request), RECEIPT, shown.to_json(), now_of(request))
    return render(
        request,
        "receipt.html",
        422 if slip else 201,
        here="/report/sent",
        shown=shown,
        code=format_receipt(shown.receipt),
        note=note,
        slip=slip,
        typed=typed,
    )


@router.post("/report/check")
async def check_receipt(request: Request) -> Response:
    """Whether the code was written down right; if not, it is shown once more with the place of the slip."""
    context, now = context_of(request), now_of(request)
    sent = await read_form(request, no_files)
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
