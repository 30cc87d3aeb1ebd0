"""`adal case`: list cases, open them here, answer, download, assign. Keys never leave this machine."""

from pathlib import Path
from typing import Annotated, ClassVar
from uuid import UUID

import typer

from services.cli.failures import Trouble, Wrong, explain
from services.cli.form import Form
from services.cli.given import filters_of, words_of
from services.cli.here import SignIn, here_of
from services.cli.inbox import TextOption, code_doubt, print_thread, state_name
from services.cli.language import Command, Group, _, language, new_group
from services.cli.limits import print_deadlines
from services.cli.outcomes import print_outcome
from services.cli.people import person_of
from services.cli.report import AttachOption, read_attachments
from services.cli.rights import print_protection
from services.cli.scanning import ScannerOption, scanner_of
from services.cli.screen import bar, one_line, pairs, say, shown, table
from services.client.cases import CaseLine, OpenedCase
from services.client.errors import CodeInDoubt, NotHanded
from services.client.operator import code_known_to_others
from services.client.retention import confirm_read
from services.client.scanning import Infected, NotScanned
from services.client.staff import StaffSession
from services.kit.i18n import N_, date_text


class Cases(Group):
    """The commands of `adal case`, by what they are for."""

    sections: ClassVar = {
        N_("Find and read"): ("list", "open", "show", "search", "download"),
        N_("Write"): ("answer", "note", "notes"),
        N_("Steps of a case"): (
            "steps", "register", "classify", "body", "review", "forward", "return", "investigate", "close", "reopen",
        ),
        N_("Time limits"): ("deadlines", "extend", "mark", "figures"),
        N_("Who has the case"): ("assign", "reassign", "end", "release"),
        N_("Put in order"): ("labels", "link", "unlink", "bulk"),
        N_("For other bodies and a court"): ("package", "evidence", "evidence-verify"),
        N_("Protect and delete"): ("protect", "disclosure", "delete"),
    }  # fmt: skip


app = new_group(N_("Work on cases: list, open, answer, download, assign."), cls=Cases)

LoginOption = Annotated[
    str | None, typer.Option("--login", envvar="ADAL_LOGIN", help=N_("Your login; the rest is asked."))
]
SecretsOption = Annotated[
    Path | None,
    typer.Option(
        "--secrets", help=N_("JSON file, readable by you only: login, password, totp_secret, passphrase.")
    ),
]
CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help=N_("Reference or id of the case."))]
"""Names of options that every staff command has."""
AlsoOption = Annotated[
    list[str] | None,
    typer.Option(
        "--also",
        metavar="PERSON",
        help=N_("A further person whose access ends in the same step; may be repeated."),
    ),
]


@app.command("list", cls=Command, help=N_("List cases, newest first."))
def list_cases(
    ctx: typer.Context,
    login: LoginOption = None,
    secrets: SecretsOption = None,
    state: Annotated[str | None, typer.Option(help=N_("Only this state."))] = None,
    category: Annotated[str | None, typer.Option(help=N_("Only this category (code)."))] = None,
    region: Annotated[str | None, typer.Option(help=N_("Only this region (code)."))] = None,
    lane: Annotated[
        str | None, typer.Option(help=N_("main, or quarantine: filed above the budget of the pages."))
    ] = None,
    label: Annotated[str | None, typer.Option(help=N_("Only with this label (code)."))] = None,
    retaliation: Annotated[
        bool, typer.Option("--retaliation", help=N_("Only cases in which retaliation was reported."))
    ] = False,
    due: Annotated[
        str | None, typer.Option(help=N_("Only with a time limit that is soon, overdue or escalated."))
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help=N_("Only cases assigned to you."))] = False,
    limit: Annotated[int, typer.Option(min=1, help=N_("At most so many."))] = 100,
) -> None:
    """Print the coded values of cases."""
    asked = {
        "state": state,
        "category": category,
        "region": region,
        "lane": lane,
        "label": label,
        "due": due,
        "assigned": "me" if mine else None,
        "retaliation": "true" if retaliation else None,
    }
    rows = []
    with SignIn(here_of(ctx), login, secrets).session() as session:
        for line in session.cases(**filters_of(asked)):
            fields = line.fields
            rows.append(
                [line.reference, state_name(line.state), line.filed_on.isoformat(), str(fields.get("category")),
                 str(fields.get("region")), str(fields.get("urgency")), str(len(line.assignees)), lane_name(line.lane)]
            )  # fmt: skip
            if len(rows) == limit:
                break
    heads = [_("Reference"), _("State"), _("Day"), _("Category"), _("Region"), _("Urgency"), _("Assigned")]
    if all(
        row[-1] == lane_name("main") for row in rows
    ):  # a column that says nothing costs the width of the others
        table(heads, [row[:-1] for row in rows])
    else:
        table([*heads, _("Lane")], rows)


@app.command("open", cls=Command, help=N_("Open a case on this computer and show it."))
def open_case(
    ctx: typer.Context, case: CaseArgument, login: LoginOption = None, secrets: SecretsOption = None
) -> None:
    """Print everything of a case that was checked."""
    here = here_of(ctx)
    with SignIn(here, login, secrets).session(unlock=True) as session, here.reporter() as reporter:
        form = Form(reporter.form())
        try:
            opened = open_here(session, case)
            _print(form, opened)
            confirm_read(session, opened)
        except NotHanded:
            _print_clear(form, session.find(case))
            raise


@app.command("answer", cls=Command, help=N_("Write to the reporter."))
def answer(
    ctx: typer.Context,
    case: CaseArgument,
    text: TextOption = None,
    attach: AttachOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Seal an answer to the report and to the reporter, and send it."""
    files = read_attachments(attach or [])
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        opened = open_here(session, case)
        opened.require_code()
        warn_if_code_known(opened)
        words = words_of(text, _("Your message"))
        with bar(_("Sending")) as progress:
            session.answer(opened, words, files, progress=progress)
    say(_("The message is stored."))


@app.command(
    "download", cls=Command, help=N_("Save attachments of a case, checked and under harmless names.")
)
def download(
    ctx: typer.Context,
    case: CaseArgument,
    to: Annotated[Path, typer.Option("--to", help=N_("Folder to save in."))],
    number: Annotated[
        list[int] | None,
        typer.Option("--number", help=N_("Only these numbers of the list that `case open` shows.")),
    ] = None,
    scanner: ScannerOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Save all attachments or those asked for; what a scanner refuses is not kept."""
    scan, refused = scanner_of(scanner), 0
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        opened = open_here(session, case)
        found = opened.attachments
        wanted = number or list(range(1, len(found) + 1))
        if not all(1 <= one <= len(found) for one in wanted):
            raise Wrong(_("There is no attachment with this number."))
        for one in wanted:
            try:
                path = session.download(opened, found[one - 1], to, scan)
            except (Infected, NotScanned) as exc:
                refused += 1
                say(f"{one}: {one_line(found[one - 1].safe_name)}", error=True)
                explain(exc)
                continue
            say(_("Saved: {name}", name=shown(path.name)))
    if refused:
        raise Trouble(_("Attachments that were not kept: {count}.", count=refused))
    say(_("Open these files only on a computer you can lose: they come from a stranger."))


@app.command("assign", cls=Command, help=N_("Hand a case to a certified person."))
def assign(
    ctx: typer.Context,
    case: CaseArgument,
    person: Annotated[str, typer.Argument(metavar="PERSON", help=N_("Id or exact name of the person."))],
    role: Annotated[str, typer.Option(help=N_("investigator or lead."))] = "investigator",
    lead: Annotated[
        str | None,
        typer.Option(
            metavar="PERSON",
            help=N_(
                "The lead who keeps the key, when none has the case yet; else you, or the first one certified."
            ),
        ),
    ] = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Re-wrap the keys of the report for a person whose certificate was checked."""
    if role not in ("investigator", "lead"):
        raise Wrong(_("The role must be investigator or lead."))
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        found = person_of(session, person)
        session.assign(open_here(session, case), found, role, lead and person_of(session, lead))
    say(_("The case is assigned."))


@app.command(
    "end", cls=Command, help=N_("End a person's access to a case: it gets a new key for what follows.")
)
def end(
    ctx: typer.Context,
    case: CaseArgument,
    person: Annotated[str, typer.Argument(metavar="PERSON", help=N_("Id or exact name of the person."))],
    also: AlsoOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Delete a person's grants; what follows is sealed to a key they do not have."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        found = person_of(session, person)
        session.end_access(open_here(session, case), found, [person_of(session, one) for one in also or ()])
    say(_("The access has ended. What was read before is known; what follows is sealed to a new key."))


@app.command("release", cls=Command, help=N_("End a person's access to every case, for somebody who leaves."))
def release(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help=N_("Id or exact name of the person."))],
    also: AlsoOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="PERSON", help=N_("Becomes lead first, of every case that would be left without one.")
        ),
    ] = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Give every case of a person a new key; say where that was not possible."""
    left = 0
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        others = [person_of(session, one) for one in also or ()]
        successor = to and person_of(session, to)
        for reference, error in session.release(person_of(session, person), others, successor):
            if error is None:
                say(_("{reference}: the access has ended.", reference=shown(reference)))
            else:
                left += 1
                say(_("{reference}: not ended.", reference=shown(reference)), error=True)
                explain(error)
    if left:
        raise Trouble(_("Some cases are left. Number: {count}.", count=left))


def told_words(case: OpenedCase, text: Path | None) -> str:
    """What the reporter is told with a step; nothing while somebody else may hold the receipt code, and that is said."""
    if case.sealed.code_suspect:
        explain(CodeInDoubt())
        return ""
    return words_of(text, _("What the reporter is told"))


def warn_if_code_known(case: OpenedCase) -> None:
    """Say so when somebody besides the reporter may read the answer: the code was read out, or seen, by others."""
    if code_known_to_others(case.narrative.fields, case.sealed.code_replaced_on):
        say(
            _(
                "The receipt code is known to whoever took this report, and was not replaced yet. "
                "Ask nothing that shows who the reporter is."
            ),
            error=True,
            bold=True,
        )


def lane_name(lane: str) -> str:
    """The lane of a report in the reader's language."""
    return _("quarantine") if lane == "quarantine" else _("main")


def id_of(session: StaffSession, case: str) -> str:
    """The id of a case from its id or reference. Error: LookupError."""
    try:
        return str(UUID(case))
    except ValueError:
        return session.find(case).id


def open_here(session: StaffSession, case: str) -> OpenedCase:
    """A case, opened with the unlocked keys."""
    return session.case(id_of(session, case))


def _print_clear(form: Form, line: CaseLine) -> None:
    pairs(
        [
            (_("Reference"), shown(line.reference)),
            (_("State"), state_name(line.state)),
            (_("Day"), date_text(line.filed_on, language())),
            (_("Desk"), shown(line.desk)),
            (_("Lane"), lane_name(line.lane)),
        ]
    )
    say()
    pairs(
        [
            form.text_of("fields", code, shown(value))
            for code, value in line.fields.items()
            if value is not None
        ]
    )


def _print(form: Form, case: OpenedCase) -> None:
    _print_clear(form, case.line)
    for name, (clear, sealed) in case.differences.items():
        say(
            _("Differs: {field} is {clear} in clear, but {sealed} in what the reporter sealed.",
              field=shown(name), clear=one_line(clear), sealed=one_line(sealed)),
            bold=True,
        )  # fmt: skip
    _print_sealed(form, case)


def _print_sealed(form: Form, case: OpenedCase) -> None:
    for code, value in case.narrative.answers.items():
        part = "mode" if code == "mode" else "answers"
        question, text = form.text_of(part, code, value)
        say()
        say(shown(question), bold=True)
        say(shown(text))
    print_protection(case.sealed.protection)
    print_deadlines(case.sealed.deadlines)
    say()
    if case.sealed.code_replaced_on is not None:
        say(_("Receipt code replaced on {day}.", day=date_text(case.sealed.code_replaced_on, language())))
    if case.sealed.code_suspect_on is not None:
        say(code_doubt(case.sealed.code_suspect_on, case.sealed.code_suspect), bold=True)
    warn_if_code_known(case)
    say(_("Who the reporter is lies in a part that only custodians together can open: adal identity ask"))
    for number, envelope in enumerate(case.attachments, 1):
        say(f"  {number:3} {one_line(envelope.safe_name)} ({one_line(envelope.type)}, {envelope.size})")
    print_thread(case.messages, case.rejected)
    print_outcome(case.sealed.outcome, case.outcomes, case.outcome_differs)
