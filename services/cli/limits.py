"""How time limits are told: what is not confirmed by the text of the law is always marked, and so is a benchmark."""

from collections.abc import Sequence
from datetime import date

from services.cli.language import _, language
from services.cli.screen import one_line, pairs, say, shown
from services.client.deadlines import Deadline
from services.kit.i18n import N_, date_text


def state_words(limit: Deadline) -> str:
    """How a limit stands, with its days."""
    due, done = _day(limit.due), _day(limit.met_on or limit.ended_on or limit.due)
    if limit.state == "met":
        return _("done on {day}", day=done)
    if limit.state == "late":
        return _("done on {day}, late: it was due by {due}", day=done, due=due)
    if limit.state == "overdue":
        return _("was due by {due}; that day has passed", due=due)
    if limit.state == "extended":
        return _("extended on {day}", day=done)
    if limit.state == "ended":
        return _("ended on {day}: {reason}", day=done, reason=reason_name(limit.reason or ""))
    return _("by {due}", due=due)


def reason_name(reason: str) -> str:
    """Why a limit ended without being met."""
    names = {
        "passed_over": N_("another step was taken first"),
        "in_hand": N_("the case is kept and considered"),
        "forwarded": N_("the case was forwarded"),
        "returned": N_("the report was returned"),
        "investigation": N_("a pre-trial investigation began"),
        "closed": N_("the case was closed"),
        "not_criminal": N_("the case is not criminal"),
    }
    return _(names[reason]) if reason in names else shown(reason)


def limit_name(limit: Deadline) -> str:
    """The name of a limit in the reader's language, with its marks."""
    name = one_line(limit.labels.get(language(), limit.kind))
    return name if limit.confirmed else name + " " + _("(not confirmed)")


def print_deadlines(limits: Sequence[Deadline]) -> None:
    """All limits, one on a line, and where they stand in the law."""
    if not limits:
        return
    say()
    say(_("Time limits"), bold=True)
    pairs([(limit_name(limit), state_words(limit)) for limit in limits])


def print_sources(limits: Sequence[Deadline]) -> None:
    """The articles, once each."""
    lines = {(limit.sources.get(language(), ""), limit.article): None for limit in limits}
    for source, article in lines:
        say("  " + _("art. {article}: {source}", article=one_line(article), source=one_line(source)))


def _day(day: date) -> str:
    return date_text(day, language())
