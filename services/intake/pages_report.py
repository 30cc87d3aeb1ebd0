"""File a report without script: the form, the page that shows the receipt once, and typing it back."""

import json
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request, Response

from services.crypto.receipts import ReceiptError, format_receipt, parse_receipt
from services.intake import filing, rules
from services.intake.context import Context
from services.intake.form import load_form
from services.intake.models import idempotency_keys
from services.intake.pages_door import FormToken, StaleForm, UsedForm
from services.intake.pages_files import MemoryFiles
from services.intake.pages_multipart import NoFiles, SentForm, read_form
from services.intake.pages_notes import Shown, open_note, seal_note
from services.intake.pages_shell import PageRoute, context_of, language_of, now_of, render, transaction
from services.intake.pages_values import FILES, Read, asked, read_report
from services.intake.schemas import PlainFile
from services.kit import idempotency
from services.kit.clock import day_of
from services.kit.i18n import N_
from services.kit.idempotency import IdempotencyKey
from services.kit.problems import Invalid, Problem

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "report"
_TOO_MUCH = N_("These files are too many or too large together. Leave some out; you can send them later in messages.")
_AGAIN = N_("Choose your files again: browsers forget them.")


def show_form(
    request: Request,
    values: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    notice: Problem | None = None,
    token: str | None = None,
) -> Response:
    """The form; what was typed comes back in this answer only."""
    context, now, form = context_of(request), now_of(request), load_form()
    language = language_of(request)
    return render(
        request,
        "report.html",
        422 if errors or notice else 200,
        here="/report",
        form=form,
        questions=asked(form),
        clear=[question for question in form.fields if question.clear],
        today=day_of(now),
        values=values if values is not None else {"language": language},
        errors=errors or {},
        notice=notice.message if notice else None,
        token=token or context.pages.tokens.issue(PURPOSE, now),
        limit_mib=context.settings.attachment_bytes >> 20,
    )


@router.get("/report")
async def show_report_form(request: Request) -> Response:
    """The form, empty."""
    return show_form(request)


@router.get("/report/sent")
@router.get("/report/check")
async def show_no_receipt(request: Request) -> Response:
    """Whoever loads the address of a receipt anew: it was shown once."""
    return render(request, "report_sent.html", here="/report/sent")


@router.post("/report/sent", max_body_size=filing_limit)
async def send_report(request: Request) -> Response:
    """File the report; the answer shows the receipt, once."""
    context, now = context_of(request), now_of(request)
    sent = await read_form(request, MemoryFiles(context.settings))
    try:
        token = await context.pages.token(sent.text("token"), PURPOSE, now)
    except StaleForm as stale:
        return show_form(request, sent.values, notice=stale)
    return await _file(request, context, sent, token)
