"""The inbox without script: open it with the receipt, read replies, fetch their files, write, name oneself, change
the code. Each step is a POST that carries the code sealed in a note (`pages_notes.py`); no address holds a secret.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.receipts import ReceiptKeys, format_receipt
from services.intake import inbox, inbox_routes, plain
from services.intake.context import Context
from services.intake.form import load_form
from services.intake.inbox import NoSuchReceipt, Visit
from services.intake.pages_door import ENTRY_FORM, VISIT_FORM, Admitted, FormToken, StaleForm
from services.intake.pages_files import MemoryFiles
from services.intake.pages_multipart import SentForm, content_of, no_files, read_form
from services.intake.pages_notes import VisitOver, open_note, seal_note
from services.intake.pages_report import VISIT
from services.intake.pages_shell import (
    MAX_FORM,
    Language,
    PageRoute,
    context_of,
    language_of,
    now_of,
    render,
)
from services.intake.pages_typing import Slip, compare, grouped
from services.intake.pages_values import FILES, TEXT, read_identity, read_message
from services.intake.protection import load_rights
from services.intake.rules import code_known_to_others
from services.intake.schemas import PlainFileRequest, ReceiptBody
from services.intake.step_data import words
from services.kit.db import transaction
from services.kit.i18n import N_
from services.kit.problems import Conflict, Invalid, NotFound, Problem

router = APIRouter(route_class=PageRoute, include_in_schema=False)

RETALIATION = "retaliation"
NEW_CODE, TYPED = "new-code", "typed-code"
STATES = {
    "received": N_("Received"),
    "registered": N_("Registered"),
    "in_review": N_("In review"),
    "forwarded": N_("Forwarded to the body in charge"),
    "returned": N_("Returned"),
    "investigation": N_("Pre-trial investigation"),
    "closed": N_("Closed"),
}
PROTECTION = {
    "asked": N_("action is asked of the desk"),
    "in_hand": N_("the desk acts"),
    "ended": N_("ended"),
}
ROLES = {
    "message": N_("You wrote a message"),
    "retaliation": N_("You reported retaliation"),
    "identity": N_("You told who you are"),
    "reporter-keys": N_("You replaced the receipt code"),
}
_SENT = N_("Your message was sent.")
_NAMED = N_("What you told about yourself was sealed and sent.")
_REPLACED = N_("The new code is in force. The old one opens nothing any more.")
_NOT_SENT = N_(
    "This visit is over, so your message was not sent. Open the inbox again: your text is kept below."
)


#: What a visit does with its code.
Step = Callable[[str], Awaitable[Response]]


# --- entering


def show_entry(
    request: Request,
    status: int = 200,
    *,
    error: str | None = None,
    notice: str | None = None,
    typed: str = "",
    kept: str = "",
) -> Response:
    """The page that asks for the receipt; `kept` is a message that was not sent yet."""
    token = context_of(request).pages.tokens.issue(ENTRY_FORM, now_of(request))
    return render(
        request,
        "inbox_enter.html",
        status,
        here="/inbox",
        token=token,
        error=error,
        notice=notice,
        typed=typed,
        kept=kept,
    )


@router.get("/inbox")
async def show_inbox_entry(request: Request) -> Response:
    """The page that asks for the receipt."""
    return show_entry(request)


@router.get("/inbox/{step:path}")
async def leave_inbox(step: str, language: Language) -> Response:
    """An address of a visit that was typed or kept: it holds nothing."""
    return RedirectResponse(f"/{language}/inbox", 303)


@router.post("/inbox")
async def open_inbox(request: Request) -> Response:
    """Open the inbox with a typed receipt, or load it again during a visit."""
    context = context_of(request)
    sent = await read_form(request, no_files)
    if "visit" in sent.values:
        return await visit_step(request, sent, partial(show_inbox, request, context))
    typed = sent.text("receipt")
    try:
        token = await context.pages.token(sent.text("token"), ENTRY_FORM, now_of(request))
        digits = inbox.digits(typed)
        async with transaction(request) as conn:  # of its own: a wrong code must not give the token back
            await token.spend(conn)
        await context.pages.sleep(context.pages.budget.opening(now_of(request)))
        return await show_inbox(request, context, digits, text=sent.text(TEXT))
    except StaleForm as stale:
        return show_entry(request, stale.status, notice=stale.message, typed=typed, kept=sent.text(TEXT))
    except (Invalid, NoSuchReceipt) as wrong:
        error = wrong.text(language_of(request))
        return show_entry(request, wrong.status, error=error, typed=typed, kept=sent.text(TEXT))


async def visit_step(request: Request, sent: SentForm[Any], step: Step) -> Response:
    """One step of a visit with the code of its note; a visit that is over leads back to the entry."""
    try:
        digits = open_note(context_of(request), VISIT, sent.text("visit"), now_of(request))
        return await step(digits)
    except (VisitOver, NoSuchReceipt):
        kept = sent.text(TEXT)
        return show_entry(
            request, VisitOver.status, notice=_NOT_SENT if kept else VisitOver.detail, kept=kept
        )


# --- the inbox


async def show_inbox(
    request: Request,
    context: Context,
    digits: str,
    *,
    done: str | None = None,
    text: str = "",
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
    notice: Problem | None = None,
    files_lost: bool = False,
) -> Response:
    """State, replies, and the forms to write. Errors: NoSuchReceipt."""
    try:
        async with transaction(request) as conn:
            found = await inbox_routes.read_plain_inbox(
                request, conn, context, Admitted(), ReceiptBody(receipt=digits)
            )
    except Conflict:
        return _show_pending(request, context, digits)
    now = now_of(request)
    return render(
        request,
        "inbox.html",
        notice.status if notice else 422 if errors else 200,
        here="/inbox",
        inbox=found,
        known_to_others=code_known_to_others(found.manifest["fields"]["channel"], found.code_replaced_on),
        own=[
            line for line in found.parts if line.by == "reporter" and line.role in ROLES and line.number > 1
        ],
        states=STATES,
        gravities={word.code: word.labels for word in words().gravities},
        roles=ROLES,
        visit=seal_note(context, VISIT, digits, now),
        token=context.pages.tokens.issue(VISIT_FORM, now),
        questions=list(load_form().of("identity").values()),
        form=load_form(),
        rights=load_rights(),
        protection_states=PROTECTION,
        done=done,
        text=text,
        errors=errors or {},
        values=values or {},
        files_lost=files_lost,
        notice=notice.message if notice else None,
        limit=context.settings.attachment_bytes,
        limit_together=context.settings.attachment_bytes,
    )


@router.post("/inbox/file")
async def fetch_file(request: Request) -> Response:
    """A file of a reply, opened in memory; always a download."""
    context, sent = context_of(request), await read_form(request, no_files)

    async def fetch(digits: str) -> Response:
        number = sent.text("number")
        if not number.isascii() or not number.isdigit() or len(number) > 9:
            raise NotFound()
        body = PlainFileRequest(receipt=digits, number=int(number))
        async with transaction(request) as conn:
            return await inbox_routes.read_plain_file(request, conn, context, Admitted(), body)

    return await visit_step(request, sent, fetch)


# --- writing


def content_sent(sent: SentForm[Any]) -> bytes:
    files = [(file.name, file.type, sha256(file.data).hexdigest()) for file in sent.files]
    return content_of(sent.values, files)


async def _own(
    conn: AsyncConnection, context: Context, digits: str, now: datetime
) -> tuple[Visit, ReceiptKeys]:
    """The report of a code in force. Errors: NoSuchReceipt, Conflict."""
    keys = await inbox.stretched(context, digits)
    return inbox.confirmed(await inbox.find(conn, context, keys.lookup, now)), keys


async def append_part(
    request: Request, digits: str, token: FormToken, operation: str, content: bytes, seal: Any, **given: Any
) -> None:
    """Add a sealed part by the reporter, once for each form."""
    context, now = context_of(request), now_of(request)
    async with transaction(request) as conn:
        if await token.claim(conn, operation, content, now) is not None:
            return
        visit, keys = await _own(conn, context, digits, now)
        sequence = (await context.directories.current(conn, now)).directory.sequence
        to = await plain.target(conn, context, visit.report, keys)
        make: Any = partial(seal, to, keys, sequence, **given)
        await inbox.append(conn, context, visit.report.id, "reporter", now, make)
        await token.finish(conn, b"stored")


@router.post("/inbox/message", max_body_size=MAX_FORM)
async def write_message(request: Request) -> Response:
    """Write to the desk, with files."""
    context = context_of(request)
    sent = await read_form(request, MemoryFiles(context.settings.attachment_bytes))
    text, errors = read_message(sent.values)
    if sent.refused:
        errors |= {FILES: sent.refused}

    async def write(digits: str) -> Response:
        lost = bool(sent.files or sent.refused)
        again = partial(show_inbox, request, context, digits, text=sent.text(TEXT), files_lost=lost)
        if errors:
            return await again(errors=errors)
        try:
            token = await context.pages.token(sent.text("token"), VISIT_FORM, now_of(request))
            given: dict[str, Any] = {"text": text, "files": sent.files}
            seal = partial(plain.seal_words, inbox.MESSAGE)
            await append_part(request, digits, token, "pages/message", content_sent(sent), seal, **given)
        except NoSuchReceipt:
            raise
        except Problem as refusal:
            return await again(notice=refusal)
        return await show_inbox(request, context, digits, done=_SENT)

    return await visit_step(request, sent, write)


@router.post("/inbox/identity")
async def tell_identity(request: Request) -> Response:
    """Say who you are, sealed to the key that only the custodians can rebuild together."""
    context = context_of(request)
    sent: SentForm[str] = await read_form(request, no_files)
    identity, errors = read_identity(sent.values)

    async def tell(digits: str) -> Response:
        again = partial(show_inbox, request, context, digits, values=sent.values)
        if errors:
            return await again(errors=errors)
        try:
            token = await context.pages.token(sent.text("token"), VISIT_FORM, now_of(request))
            await append_part(
                request,
                digits,
                token,
                "pages/identity",
                content_sent(sent),
                plain.seal_identity,
                identity=identity,
            )
        except NoSuchReceipt:
            raise
        except Problem as refusal:
            return await again(notice=refusal)
        return await show_inbox(request, context, digits, done=_NAMED)

    return await visit_step(request, sent, tell)


# --- a new code


@router.post("/inbox/code")
async def offer_code(request: Request) -> Response:
    """Make a new code; the old one works until the new one was typed back."""
    context = context_of(request)
    sent: SentForm[str] = await read_form(request, no_files)

    async def offer(digits: str) -> Response:
        try:
            token = await context.pages.token(sent.text("token"), VISIT_FORM, now_of(request))
            async with transaction(request) as conn:
                new = await _offer(request, conn, token, digits)
        except NoSuchReceipt:
            raise
        except Problem as refusal:
            return await show_inbox(request, context, digits, notice=refusal)
        return show_new_code(request, new)

    return await visit_step(request, sent, offer)


async def _offer(request: Request, conn: AsyncConnection, token: FormToken, digits: str) -> str:
    known = await token.claim(conn, "pages/code", digits.encode(), now_of(request))
    if known is not None:
        return known.decode()
    body = ReceiptBody(receipt=digits)
    answer = await inbox_routes.offer_plain_code(request, conn, context_of(request), Admitted(), body)
    await token.finish(conn, answer.receipt.encode())
    return answer.receipt


def show_new_code(request: Request, new: str, slip: Slip | None = None, typed: str = "") -> Response:
    """The new code, once, and a form to type it back."""
    note = seal_note(context_of(request), NEW_CODE, new, now_of(request))
    return render(
        request,
        "new_code.html",
        422 if slip else 201,
        here=None,
        code=format_receipt(new),
        note=note,
        slip=slip,
        typed=grouped(typed),
    )


def _show_pending(request: Request, context: Context, digits: str) -> Response:
    """The person opened the inbox with a code that waits to be typed back, and so has just typed it back."""
    note = seal_note(context, TYPED, digits, now_of(request))
    return render(request, "pending_code.html", 409, here="/inbox", note=note)


@router.post("/inbox/code/confirm")
async def confirm_code(request: Request) -> Response:
    """Put the new code in force."""
    context, now = context_of(request), now_of(request)
    sent: SentForm[str] = await read_form(request, no_files)
    try:
        if "pending" in sent.values:
            digits = open_note(context, TYPED, sent.text("pending"), now)
        else:
            digits = open_note(context, NEW_CODE, sent.text("note"), now)
            slip = compare(sent.text("typed"), digits)
            if slip:
                return show_new_code(request, digits, slip, sent.text("typed"))
        return await _confirm(request, context, digits)
    except (VisitOver, NoSuchReceipt) as over:
        return show_entry(request, over.status, notice=VisitOver.detail)


async def _confirm(request: Request, context: Context, digits: str) -> Response:
    try:
        async with transaction(request) as conn:
            body = ReceiptBody(receipt=digits)
            await inbox_routes.confirm_plain_code(request, conn, context, Admitted(), body)
    except Conflict as refusal:
        # Sent twice, the second time finds the code in force; otherwise something came in between.
        return await show_inbox(request, context, digits, notice=refusal)
    return await show_inbox(request, context, digits, done=_REPLACED)
