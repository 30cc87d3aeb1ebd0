"""`adal keys seat-...` and `adal keys escrow...`: new half-years, handovers, losses. Secrets stay on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.case import LoginOption, SecretsOption
from services.cli.directory import month_or_wrong, write_line
from services.cli.failures import Wrong
from services.cli.here import SignIn, here_of
from services.cli.language import Command, _
from services.cli.people import person_of
from services.cli.screen import say, shown
from services.cli.staff import read_group_key
from services.client import keys, seats
from services.client.seats import ROLES, SeatName
from services.crypto.directories import EPOCH, desk_json, seat_json
from services.kit.i18n import N_

NumberArgument = Annotated[int, typer.Argument(metavar="N", min=1, max=255, help=N_("Number of the seat."))]
KindOption = Annotated[str, typer.Option("--kind", help=N_("seat (custodians) or payments."))]
ToOption = Annotated[str, typer.Option("--to", help=N_("Id of the certified person who takes the seat."))]
LineOption = Annotated[
    Path, typer.Option("--line", help=N_("Where the line for the next directory goes; never replaced."))
]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", help=N_("A key made before, such as in the ceremony, instead of a new one.")),
]


def add_to(app: typer.Typer) -> None:
    """Put the commands into `adal keys`."""
    for name, text, function in (
        (
            "desk-month",
            N_("Make next month's key of a desk and give it to its certified members."),
            desk_month,
        ),
        (
            "desk-destroy",
            N_("Destroy the key of a past month of a desk, once no report needs it."),
            desk_destroy,
        ),
        ("seat-make", N_("Make the key of your seat for a new half-year."), seat_make),
        ("seat-split", N_("Give sub-shares of your seat's key to the other seats."), seat_split),
        ("seat-handover", N_("Hand your seat over to a certified successor."), seat_handover),
        (
            "seat-release-subshare",
            N_("Seal your sub-shares of a lost seat to its certified new holder."),
            seat_release,
        ),
        ("seat-recover", N_("Rebuild a lost seat's keys from sub-shares released to you."), seat_recover),
        ("escrow", N_("Give sub-shares of your own key to certified leads or certifiers."), escrow),
        (
            "escrow-release",
            N_("Seal your sub-shares of a person's lost key to their new one."),
            escrow_release,
        ),
        ("escrow-recover", N_("Rebuild your lost key from sub-shares released to you."), escrow_recover),
    ):
        app.command(name, cls=Command, help=text)(function)


def desk_month(
    ctx: typer.Context,
    month: Annotated[str, typer.Argument(metavar="MONTH", help=N_("Month of the key, such as 2026-12."))],
    line: LineOption,
    desk: Annotated[str, typer.Option(help=N_("Id of the desk."))] = "central",
    file: FileOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Make, wrap for each certified member, write the line for the directory."""
    month_or_wrong(month)
    key = read_group_key(file) if file else keys.new_desk_key(desk, month)[0]
    if key.id != f"{desk}/{month}":
        raise Wrong(_("The key in the file is for something else."))
    write_line(line, desk_json(keys.desk_line(key)))
    with SignIn(here_of(ctx), login, secrets).session() as session:
        given = keys.give_desk_key(session, key)
    for name in given.to:
        say(_("Given to: {name}", name=shown(name)))
    for name in given.left_out:
        say(_("Not certified for the desk, left out: {name}", name=shown(name)), error=True)
    if not given.to:
        line.unlink()
        raise Wrong(_("Nobody is certified for the desk. The key was given to nobody and is gone."))


def desk_destroy(
    ctx: typer.Context,
    month: Annotated[str, typer.Argument(metavar="MONTH", help=N_("Month of the key, such as 2026-12."))],
    desk: Annotated[str, typer.Option(help=N_("Id of the desk."))] = "central",
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Ask which reports still need it, then delete every wrap."""
    month_or_wrong(month)
    with SignIn(here_of(ctx), login, secrets).session() as session:
        left = keys.grants_of_month(session, desk, month)
        if left:
            raise Wrong(_("Reports that still need this key: {count}. Assign them first.", count=left))
        keys.destroy_month(session, desk, month)
    say(_("Destroyed. Backups forget the key when the last one that holds it expires."))


def seat_make(
    ctx: typer.Context,
    number: NumberArgument,
    epoch: Annotated[str, typer.Option(help=N_("Half-year, such as 2027H1."))],
    line: LineOption,
    kind: KindOption = "seat",
    file: FileOption = None,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Make a key, keep it wrapped for oneself, write the line for the directory."""
    seat = _seat(number, kind)
    if not EPOCH.fullmatch(epoch):
        raise Wrong(_("A half-year is written 2027H1 or 2027H2."))
    key = read_group_key(file) if file else seats.new_seat_key(seat, epoch)[0]
    if key.id != seat.key_id(epoch):
        raise Wrong(_("The key in the file is for something else."))
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        write_line(line, seat_json(seats.seat_line(key)))
        seats.keep(session, key)
    say(_("The key is kept, wrapped for you. When its directory is in force: adal keys seat-split N"))


def seat_split(
    ctx: typer.Context,
    number: NumberArgument,
    kind: KindOption = "seat",
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Split the key of the directory in force among the other seats."""
    seat = _seat(number, kind)
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        count = seats.split_seat(session, seat)
    say(_("Sub-shares given to the other seats: {count}", count=count))


def seat_handover(
    ctx: typer.Context,
    number: NumberArgument,
    to: ToOption,
    kind: KindOption = "seat",
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Re-wrap every key of the seat for the successor and give them up."""
    seat = _seat(number, kind)
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        _list(seats.hand_over(session, seat, person_of(session, to)))
    say(_("Handed over. A new half-year's key of the successor belongs in the next directory."))


def seat_release(
    ctx: typer.Context,
    number: NumberArgument,
    to: ToOption,
    kind: KindOption = "seat",
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Check the successor's certificate, then release."""
    seat = _seat(number, kind)
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        done = seats.release_seat(session, seat, person_of(session, to))
    _list(done)
    if not done:
        raise Wrong(_("You keep no sub-share of this."))
    say(_("Released. As many others as it takes must do the same."))


def seat_recover(
    ctx: typer.Context,
    number: NumberArgument,
    kind: KindOption = "seat",
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Combine, compare with the directory, keep."""
    seat = _seat(number, kind)
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        _list(seats.recover_seat(session, seat))
    say(_("Rebuilt and kept, wrapped for you. A new half-year's key belongs in the next directory."))


def escrow(
    ctx: typer.Context,
    keeper: Annotated[list[str], typer.Option("--keeper", help=N_("Id of a certified lead or certifier."))],
    threshold: Annotated[
        int, typer.Option(min=2, max=255, help=N_("How many keepers together rebuild it."))
    ] = 2,
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Split one's own key among keepers."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        count = seats.escrow(session, [person_of(session, one) for one in keeper], threshold)
    say(_("Sub-shares given: {count}", count=count))


def escrow_release(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help=N_("Id or exact name of the person."))],
    login: LoginOption = None,
    secrets: SecretsOption = None,
) -> None:
    """Release sub-shares of a lost key to the person's new, certified key."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        done = seats.release_escrow(session, person_of(session, person))
    if not done:
        raise Wrong(_("You keep no sub-share of this."))
    say(_("Released. As many others as it takes must do the same."))


def escrow_recover(ctx: typer.Context, login: LoginOption = None, secrets: SecretsOption = None) -> None:
    """Rebuild one's lost keys and keep them beside the present one."""
    with SignIn(here_of(ctx), login, secrets).session(unlock=True) as session:
        count = len(seats.recover_escrow(session))
    say(_("Keys rebuilt and kept beside your present one: {count}", count=count))


def _seat(number: int, kind: str) -> SeatName:
    if kind not in ROLES:
        raise Wrong(_("Unknown kind. There are: {kinds}", kinds=", ".join(ROLES)))
    return SeatName(number, kind)


def _list(ids: list[str]) -> None:
    for one in ids:
        say(shown(one))
