"""`adal case protect` and `adal case disclosure`: the desk acts on retaliation, a lead records who disclosed what."""

from collections.abc import Mapping
from typing import Annotated

import typer

from services.cli import case
from services.cli.case import CaseArgument, LoginOption, SecretsOption
from services.cli.failures import Wrong
from services.cli.given import words_of
from services.cli.here import SignIn, here_of
from services.cli.inbox import TextOption
from services.cli.language import Command, _, language, new_group
from services.cli.rights import status_name
from services.cli.screen import ask, pairs, say, shown, table
from services.client.protection import (
    Incident,
    add_incident,
    articles,
    end_incident,
    incidents,
    results,
    set_protection,
)
from services.kit.i18n import N_, date_text

disclosures = new_group(N_("Incidents: somebody disclosed who reported."))
IncidentArgument = Annotated[
    str, typer.Argument(metavar="INCIDENT", help=N_("Id of the incident, as `list` shows it."))
]


@case.app.command("protect", cls=Command, help=N_("Say that the desk acts on reported retaliation."))
def protect(
    ctx: typer.Context,
    case_id: CaseArgument,
    status: Annotated[str, typer.Argument(metavar="STATUS", help=N_("in_hand or ended."))],
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Change what the desk makes of a protection."""
    if status not in ("in_hand", "ended"):
        raise Wrong(_("The status must be in_hand or ended."))
    with SignIn(here_of(ctx), login, secrets).session() as session:
        reached = set_protection(session, case.id_of(session, case_id), status)
    say(_("The protection is now: {status}", status=status_name(reached)))


@disclosures.command("add", cls=Command, help=N_("Record an incident; who and what are sealed to the leads."))
def add(
    ctx: typer.Context,
    case_id: CaseArgument,
    article: Annotated[str, typer.Option(help=N_("Article: cc-424 or cc-423."))],
    who: Annotated[str | None, typer.Option(help=N_("Who disclosed; otherwise asked."))] = None,
    text: TextOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Ask who and what, seal, send."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        opened = case.open_here(session, case_id)
        name = who or ask(_("Who disclosed"))
        if not name:
            raise Wrong(_("There is no text."))
        what = words_of(text, _("What was disclosed"))
        made = add_incident(session, opened.line.id, opened.sealed.manifest.rid, article, name, what)
    pairs([(_("Incident"), made)])


@disclosures.command("list", cls=Command, help=N_("List the incidents of a case."))
def list_incidents(
    ctx: typer.Context, case_id: CaseArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """Days and articles; nothing is opened, so an auditor may ask too (by the id of the case)."""
    here = here_of(ctx)
    with SignIn(here, login, secrets).session() as session, here.reporter() as reporter:
        names, ends = articles(reporter.http, language()), results(reporter.http, language())
        rows = [
            [one.id, one.day.isoformat(), names[one.article].text if one.article in names else one.article,
             _state(one, ends)]
            for one in incidents(session, case.id_of(session, case_id), None)
        ]  # fmt: skip
    table([_("Id"), _("Day"), _("Article"), _("State")], rows)


@disclosures.command("end", cls=Command, help=N_("Say how an incident ended that another lead recorded."))
def end(
    ctx: typer.Context,
    case_id: CaseArgument,
    incident: IncidentArgument,
    result: Annotated[str, typer.Option(help=N_("confirmed, not_confirmed or passed_to_prosecutor."))],
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """The second pair of eyes: the lead who recorded it is refused."""
    here = here_of(ctx)
    with SignIn(here, login, secrets).session() as session, here.reporter() as reporter:
        names = results(reporter.http, language())
        if result not in names:
            raise Wrong(_("The result must be one of: {codes}.", codes=", ".join(sorted(names))))
        ended = end_incident(session, case.id_of(session, case_id), incident, result)
    say(_("The incident has ended: {result}", result=names[ended.result]))


def _state(incident: Incident, ends: Mapping[str, str]) -> str:
    if incident.end is None:
        return _("recorded")
    return f"{incident.end.day.isoformat()} {ends.get(incident.end.result, incident.end.result)}"


@disclosures.command("show", cls=Command, help=N_("Open an incident on this computer and show it."))
def show(
    ctx: typer.Context,
    case_id: CaseArgument,
    incident: IncidentArgument,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Who and what, if this lead may read it and the signature holds."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        opened = case.open_here(session, case_id)
        found = incidents(session, opened.line.id, opened.sealed.manifest.rid)
    _print(next((one for one in found if one.id == incident), None))


def _print(incident: Incident | None) -> None:
    if incident is None:
        raise LookupError
    pairs([(_("Day"), date_text(incident.day, language())), (_("Article"), shown(incident.article))])
    if incident.opened is None:
        raise Wrong(_("It is not sealed to you, or it does not hold. Nothing of it is shown."))
    say()
    say(shown(incident.opened.disclosure.who), bold=True)
    say(shown(incident.opened.disclosure.what))
