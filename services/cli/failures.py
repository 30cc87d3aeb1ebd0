"""Every failure as one clear sentence in the reader's language: exit 2 for wrong input, 1 for everything else.

There is no traceback: it could show what was typed.
"""

from typing import Any

from typer._click import exceptions as click
from typer.exceptions import Abort

from services.cli.language import _
from services.cli.screen import say, shown
from services.client.errors import (
    BadAddress,
    BadAnswer,
    CodeInDoubt,
    NoLead,
    NotHanded,
    NotLogged,
    NotUnlocked,
    Problem,
    Unproven,
    Unreachable,
)
from services.client.scanning import Infected, NotScanned
from services.crypto.errors import BadSignature, CryptoError, FormatError, WrongKey
from services.crypto.receipts import ReceiptError

WRONG_INPUT, TROUBLE, INTERRUPTED = 2, 1, 130
_INPUT = frozenset({400, 401, 403, 404, 409, 413, 422})


class Wrong(Exception):
    """What was given is not usable. The text is in the reader's language already."""

    code = WRONG_INPUT


class Trouble(Wrong):
    """Something else than the input prevents it."""

    code = TROUBLE


def explain(error: BaseException) -> int:
    """Say what went wrong on the error output; the exit code."""
    if isinstance(error, Abort | KeyboardInterrupt):
        say(_("Stopped."), error=True)
        return INTERRUPTED
    code, text = _understood(error)
    say(text, error=True)
    for pointer, detail in error.errors if isinstance(error, Problem) else ():
        say(f"  {shown(pointer)}: {shown(detail)}", error=True)
    return code


def _understood(error: BaseException) -> tuple[int, str]:
    match error:
        case Wrong():
            return error.code, str(error)
        case Problem():
            return _problem(error)
        case click.UsageError():
            return WRONG_INPUT, _usage(error)
        case CryptoError():
            return _crypto(error)
        case LookupError():
            return WRONG_INPUT, _("There is no such case or person.")
        case OSError():
            return WRONG_INPUT, _("A file cannot be read or written: {reason}", reason=error.strerror or "")
        case UnicodeDecodeError():
            return WRONG_INPUT, _("The text is not UTF-8.")
    return TROUBLE, _client(error)


def _problem(problem: Problem) -> tuple[int, str]:
    code = WRONG_INPUT if problem.status in _INPUT else TROUBLE
    text = shown(problem.detail or problem.title)
    if problem.retry_after is not None:
        text += " " + _("Try again in {seconds} seconds.", seconds=problem.retry_after)
    return code, text


def _client(error: BaseException) -> str:
    if isinstance(error, Unreachable):
        return _("The server cannot be reached. Nothing says whether it got the request.")
    if isinstance(error, BadAnswer):
        return _("The server answers something that Adal does not answer. Check the address.")
    if isinstance(error, BadAddress):
        return _("This is no usable address: it must begin with https:// (http:// for localhost or .onion).")
    if isinstance(error, NotUnlocked):
        return _("You do not hold the key for this.")
    if isinstance(error, NotHanded):
        return _(
            "You see only the coded fields of this case: it was handed on, and the desk's key of it was deleted."
        )
    if isinstance(error, CodeInDoubt):
        return _(
            "Somebody else may have the receipt code, as 1424 was told. Nothing is sealed to it until it is replaced."
        )
    if isinstance(error, NoLead):
        return _("An investigator needs a lead on the case, and nobody is certified as one.")
    if isinstance(error, Infected):
        return _("The scanner refused this file. Nothing of it was kept.")
    if isinstance(error, NotScanned):
        return _("The scanner did not run or failed, so the file was not scanned. Nothing of it was kept.")
    if isinstance(error, NotLogged):
        return _(
            "The request does not stand in the witnessed log yet. Nothing was released; try again later."
        )
    if isinstance(error, Unproven):
        return _(
            "The receipt code was replaced, and no answer yet proves that the report key is the right one."
        )
    return _("Something unexpected went wrong ({kind}).", kind=type(error).__name__)


def _crypto(error: CryptoError) -> tuple[int, str]:
    if isinstance(error, ReceiptError):
        return WRONG_INPUT, receipt_text(error)
    if isinstance(error, WrongKey):
        return WRONG_INPUT, _("These keys or this passphrase do not open it.")
    if isinstance(error, BadSignature):
        text = _("A signature is missing or wrong. Nothing of it was used.")
    elif isinstance(error, FormatError):
        text = _("Something is malformed. Nothing of it was used.")
    else:
        text = _("A check failed. Nothing of it was used.")
    return TROUBLE, f"{text} ({error})"


def receipt_text(error: ReceiptError) -> str:
    """What is wrong with a typed receipt."""
    if error.reason == "length":
        return _("A receipt code has 24 digits. Look at it again.")
    return _("A digit of the receipt code is wrong or two are swapped. Look at it again.")


def _usage(error: Any) -> str:
    if isinstance(error, click.NoArgsIsHelpError):
        return str(error.format_message())
    param = getattr(error, "param", None)
    hint = getattr(error, "param_hint", None) or (param.get_error_hint() if param else "")
    if isinstance(error, click.MissingParameter):
        return _("Missing: {name}", name=hint)
    if isinstance(error, click.NoSuchOption):
        return _("There is no option {name}.", name=shown(error.option_name))
    if isinstance(error, click.BadParameter):
        return _("The value of {name} is not usable.", name=hint)
    path = error.ctx.command_path if error.ctx else "adal"
    return _("This command is not understood. {help} shows what there is.", help=f"{path} --help")
