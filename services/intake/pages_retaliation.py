"""Retaliation reported on a page without script, in an open inbox."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from services.intake import inbox, plain
from services.intake.inbox import NoSuchReceipt
from services.intake.pages_door import VISIT_FORM
from services.intake.pages_inbox import RETALIATION, append_part, content_sent, show_inbox, visit_step
from services.intake.pages_multipart import SentForm, no_files, read_form
from services.intake.pages_shell import PageRoute, context_of, now_of
from services.intake.pages_values import TEXT, read_message
from services.kit.i18n import N_
from services.kit.problems import Problem

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_PROTECTED = N_("Your report of retaliation was sent. The desk is asked to act, and protection runs.")


@router.post("/inbox/retaliation")
async def report_retaliation(request: Request) -> Response:
    """Report retaliation: sealed like a message; the case is flagged and protection runs from this day."""
    context = context_of(request)
    sent: SentForm[Any] = await read_form(request, no_files)
    told = sent.text(RETALIATION)
    _text, errors = read_message({TEXT: told})
    errors = {RETALIATION if name == TEXT else name: said for name, said in errors.items()}

    async def report(digits: str) -> Response:
        again = partial(show_inbox, request, context, digits, values={RETALIATION: told})
        if errors:
            return await again(errors=errors)
        try:
            token = await context.pages.token(sent.text("token"), VISIT_FORM, now_of(request))
            given: dict[str, Any] = {"text": told.strip(), "files": []}
            seal = partial(plain.seal_words, inbox.RETALIATION)
            await append_part(request, digits, token, "pages/retaliation", content_sent(sent), seal, **given)
        except NoSuchReceipt:
            raise
        except Problem as refusal:
            return await again(notice=refusal)
        return await show_inbox(request, context, digits, done=_PROTECTED)

    return await visit_step(request, sent, report)
