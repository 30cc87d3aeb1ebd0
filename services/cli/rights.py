"""How protection and the rights of a reporter are told: what no text of law confirms is always marked."""

from services.cli.language import _, language
from services.cli.screen import pairs, say, shown
from services.client.cases import Protection
from services.client.protection import Rights
from services.kit.i18n import N_, date_text


def status_name(status: str) -> str:
    """What the desk makes of a protection."""
    names = {
        "asked": N_("action is asked of the desk"),
        "in_hand": N_("the desk acts"),
        "ended": N_("ended"),
    }
    return _(names[status]) if status in names else shown(status)


def print_protection(protection: Protection | None) -> None:
    """Since when protection runs, and until when as far as it is known."""
    if protection is None:
        return
    say()
    say(_("Retaliation was reported."), bold=True)
    pairs(
        [
            (_("Protected at work since"), date_text(protection.since, language())),
            (
                _("until"),
                date_text(protection.until, language()) + " " + _("(not confirmed by the text of the law)"),
            ),
            (_("State"), status_name(protection.status)),
        ]
    )


def print_rights(found: Rights) -> None:
    """What the law gives a reporter, with sources; what no source confirms says so."""
    say()
    say(_("Your rights (as of {version})", version=shown(found.version)), bold=True)
    for line in found.statements:
        say("- " + shown(line.text))
        source = shown(line.source) if line.source else _("no source found")
        say("  [" + (source if line.confirmed else _("not confirmed: {source}", source=source)) + "]")
