"""`adal case delete`: what may be deleted, a proposal, an approval by another person, holds, and what was deleted."""

from collections.abc import Mapping
from typing import Annotated

import typer

from services.cli import case
from services.cli.case import CaseArgument, LoginOption, SecretsOption, id_of
from services.cli.failures import Wrong
from services.cli.here import SignIn, here_of
from services.cli.inbox import state_name
from services.cli.language import Command, _, language, new_group
from services.cli.screen import pairs, say, shown, table
from services.client import retention
from services.client.errors import Problem
from services.client.retention import Proposal
from services.client.staff import StaffSession
from services.kit.i18n import N_, date_text

deletions = new_group(N_("Delete cases whose time is over: one person proposes, another one approves."))


@deletions.command("due", cls=Command, help=N_("List the cases whose time of keeping is over."))
def due(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Nothing is deleted by itself."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        rows = [[one.reference, state_name(one.state), one.due.isoformat()] for one in retention.due(session)]
    table([_("Reference"), _("State"), _("Since")], rows)


@deletions.command("waiting", cls=Command, help=N_("List proposals that wait for a second person."))
def waiting(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Print reference, ground, day and who proposed."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        names = retention.words(session, language()).grounds
        rows = [
            [reference, names.get(one.ground, one.ground), one.day.isoformat(), one.by]
            for reference, one in retention.waiting(session)
        ]
    table([_("Reference"), _("Ground"), _("Day"), _("Proposed by")], rows)


@deletions.command("done", cls=Command, help=N_("List what stays of deleted reports (lead, auditor)."))
def done(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Print day, ground, both people, and when the last backup has expired."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        names = retention.words(session, language()).grounds
        rows = [
            [one.day.isoformat(), names.get(one.ground, one.ground), one.proposed_by, one.approved_by,
             one.complete_on.isoformat()]
            for one in retention.done(session)
        ]  # fmt: skip
    table([_("Day"), _("Ground"), _("Proposed by"), _("Approved by"), _("Complete on")], rows)


@deletions.command("show", cls=Command, help=N_("Say whether a case may be deleted, and if not, why."))
def show(
    ctx: typer.Context, case_id: CaseArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """Print every reason against it."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        words = retention.words(session, language())
        found = retention.state(session, id_of(session, case_id))
    rows = [
        (_("Kept until"), date_text(found.due, language()) if found.due else "-"),
        (_("Legal hold"), _("yes") if found.held_by else _("no")),
    ]
    if found.proposal:
        rows.append((_("Proposed by"), f"{found.proposal.by}, {found.proposal.day.isoformat()}"))
        rows.append((_("Ground"), words.grounds.get(found.proposal.ground, found.proposal.ground)))
    pairs(rows)
    if found.months is not None and not found.confirmed:
        say(_("{months} months: not confirmed by the text of a law.", months=found.months))
    _reasons(found.reasons, words.reasons)


def _reasons(found: tuple[str, ...], names: Mapping[str, str]) -> None:
    if not found:
        say(_("Nothing forbids to delete it on a ground other than its time."))
    for reason in found:
        say(f"  - {shown(names.get(reason, reason))}")


@deletions.command("propose", cls=Command, help=N_("Propose to delete a case; another person must approve."))
def propose(
    ctx: typer.Context,
    case_id: CaseArgument,
    ground: Annotated[str, typer.Option(help=N_("retention, erasure_request or court_order."))] = "retention",
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """The first of two people."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        words, found = retention.words(session, language()), id_of(session, case_id)
        if ground not in words.grounds:
            raise Wrong(_("The ground must be one of: {codes}.", codes=", ".join(sorted(words.grounds))))
        try:
            retention.propose(session, found, ground)
        except Problem as exc:
            if exc.slug == "conflict":
                _reasons(retention.state(session, found).reasons, words.reasons)
            raise
    say(_("Proposed. A lead who is not you must approve it."))


@deletions.command(
    "approve", cls=Command, help=N_("Delete a case that somebody else proposed to delete (lead).")
)
def approve(
    ctx: typer.Context,
    case_id: CaseArgument,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Do not ask again."))] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """The second of two people: it cannot be undone."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = id_of(session, case_id)
        proposal = _proposal(session, found)
        ground = retention.words(session, language()).grounds.get(proposal.ground, proposal.ground)
        say(_("Ground: {ground}. Proposed on {day}.", ground=shown(ground), day=proposal.day.isoformat()))
        if not yes and not typer.confirm(_("Delete this case for good?")):
            raise Wrong(_("Nothing was deleted."))
        gone = retention.approve(session, found, proposal.id)
    say(_("The case is deleted."))
    say(_("Backups may hold it until {day}.", day=date_text(gone.complete_on, language())))


@deletions.command("refuse", cls=Command, help=N_("Refuse a proposal, or take back your own."))
def refuse(
    ctx: typer.Context, case_id: CaseArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """The case stays."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = id_of(session, case_id)
        retention.refuse(session, found, _proposal(session, found).id)
    say(_("The case stays."))


@deletions.command("hold", cls=Command, help=N_("Forbid to delete a case, or allow it again (lead)."))
def hold(
    ctx: typer.Context,
    case_id: CaseArgument,
    release: Annotated[bool, typer.Option("--release", help=N_("End the hold."))] = False,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Place or release a legal hold."""
    with SignIn(here_of(ctx), login, secrets).session() as session:
        found = id_of(session, case_id)
        (retention.release_hold if release else retention.place_hold)(session, found)
    say(_("The hold has ended.") if release else _("Nothing of this case is deleted until the hold ends."))


def _proposal(session: StaffSession, case_id: str) -> Proposal:
    found = retention.state(session, case_id).proposal
    if found is None:
        raise Wrong(_("Nobody proposed to delete this case."))
    return found


case.app.add_typer(deletions, name="delete")
