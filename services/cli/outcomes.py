"""How the outcome of a case is told, to the reporter and to staff. The claim token is never shown."""

from collections.abc import Sequence

from services.cli.language import _, language
from services.cli.screen import one_line, pairs, say, shown
from services.client.cases import InClear
from services.client.chain import Ended
from services.crypto.outcomes import Facts
from services.kit.i18n import N_, date_text


def print_outcome(clear: InClear | None, outcomes: Sequence[Ended], differs: bool) -> None:
    """How the case ended: the kind in clear, then what was sealed, each time that it was closed."""
    if clear is not None:
        say()
        say(_("Outcome: {outcome}", outcome=kind_name(clear.kind, clear)), bold=True)
    if differs:
        say(_("What the server says in clear is not the outcome that was sealed. Call 1424."), bold=True)
    for ended in outcomes:
        facts = ended.outcome.facts
        say()
        day = date_text(ended.day, language())
        say(f"{day} - {_('Outcome: {outcome}', outcome=kind_name(facts.kind, clear))}", bold=True)
        say(shown(ended.outcome.text))
        pairs(_rows(facts))


def kind_name(kind: str, clear: InClear | None) -> str:
    """The text of a kind of outcome, as far as the server gave it."""
    text = clear.labels.get(language()) if clear is not None and clear.kind == kind else None
    return one_line(text or kind)


def gravity_name(gravity: str) -> str:
    """The gravity of an offence."""
    names = {
        "administrative": N_("administrative"),
        "minor": N_("minor gravity"),
        "medium": N_("medium gravity"),
        "grave": N_("grave"),
        "especially_grave": N_("especially grave"),
    }
    return _(names[gravity]) if gravity in names else shown(gravity)


def _rows(facts: Facts) -> list[tuple[str, str]]:
    rows = []
    if facts.act is not None:
        rows.append((_("Court or body"), one_line(facts.act.court)))
        rows.append((_("Act"), f"{one_line(facts.act.number)}, {date_text(facts.act.day, language())}"))
        if facts.act.in_force is not None:
            rows.append((_("In force since"), date_text(facts.act.in_force, language())))
    if facts.gravity is not None:
        rows.append((_("Gravity"), gravity_name(facts.gravity)))
    if facts.articles:
        rows.append((_("Articles"), one_line(", ".join(facts.articles))))
    sums = (
        (_("Bribe, tenge"), facts.bribe),
        (_("Damage, tenge"), facts.damage),
        (_("Value of benefits, tenge"), facts.value_of_benefits),
    )
    return rows + [(name, str(value)) for name, value in sums if value is not None]
