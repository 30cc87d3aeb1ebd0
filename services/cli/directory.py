"""`adal keys directory draft`: the body of the next key directory, made from the present one and lines from others.

It is made where there is a network and signed where there is none: `adal keys sign-directory`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.failures import Wrong
from services.cli.given import not_there
from services.cli.here import here_of, read_json
from services.cli.language import Command, _, new_group
from services.cli.screen import pairs
from services.client import keys
from services.crypto import rules
from services.crypto.canonical import b64u, members
from services.crypto.directories import (
    Certifier,
    Desk,
    Directory,
    Service,
    desk_from_json,
    make_directory_body,
    parse_directory,
    seat_from_json,
    service_from_json,
)
from services.crypto.shares import Seat
from services.crypto.signatures import Signed
from services.kit.files import write_private
from services.kit.i18n import N_

app = new_group(N_("Prepare the next key directory."))
FilesOption = list[Path] | None


@dataclass(frozen=True)
class Changes:
    """What the next directory has otherwise than the present one."""

    desks: Sequence[Desk] = ()
    drop_desks: Sequence[str] = ()
    seats: Sequence[Seat] = ()
    payments: Sequence[Seat] = ()
    keep_seats: int | None = None
    k: int | None = None
    certifiers: Sequence[Certifier] = ()
    drop_certifiers: Sequence[str] = ()
    witnesses: Sequence[str] | None = None
    services: Sequence[Service] = ()
    valid_from: datetime = field(default_factory=lambda: datetime.now(UTC))
    days: int = 90


@app.command("draft", cls=Command, help=N_("Write the body of the next directory into a file."))
def draft(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="BODY", help=N_("Where the body goes; never replaced."))],
    desk: Annotated[FilesOption, typer.Option(help=N_("Line of a desk's month; added or replaced."))] = None,
    drop_desk: Annotated[
        list[str] | None, typer.Option(help=N_("A desk's month to leave out, such as central/2026-01."))
    ] = None,
    seat: Annotated[
        FilesOption, typer.Option(help=N_("Line of a custodian seat; added or replaced."))
    ] = None,
    payment: Annotated[
        FilesOption, typer.Option(help=N_("Line of a payments seat; added or replaced."))
    ] = None,
    keep_seats: Annotated[
        int | None, typer.Option(min=2, help=N_("Leave out seats above this number."))
    ] = None,
    threshold: Annotated[
        int | None, typer.Option(min=2, help=N_("How many seats open an identity; otherwise as now."))
    ] = None,
    certifier: Annotated[
        list[str] | None, typer.Option(help=N_("A certifier, ID=VERIFYKEY; added or replaced."))
    ] = None,
    drop_certifier: Annotated[
        list[str] | None, typer.Option(help=N_("Id of a certifier to leave out."))
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option(help=N_("Keys of all witnesses; otherwise as now."))
    ] = None,
    service: Annotated[
        FilesOption, typer.Option(help=N_("Line of a service that is told outcomes; added or replaced."))
    ] = None,
    valid_from: Annotated[
        str | None,
        typer.Option("--from", help=N_("First instant, such as 2026-12-01T00:00:00Z; otherwise now.")),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=90, help=N_("How long it is valid."))] = 90,
    last: Annotated[
        Path | None, typer.Option(help=N_("File of the present directory; otherwise the server is asked."))
    ] = None,
) -> None:
    """Draft; the result is checked as far as it can be without signatures."""
    if last is not None:
        present = parse_directory(Signed.from_json(read_json(last)))
    else:
        with here_of(ctx).reporter() as reporter:
            present = reporter.key_directory()
    start = rules.instant(valid_from) if valid_from else datetime.now(UTC).replace(microsecond=0)
    changes = Changes(
        [desk_from_json(read_json(path)) for path in desk or []], drop_desk or [],
        [seat_from_json(read_json(path)) for path in seat or []],
        [seat_from_json(read_json(path)) for path in payment or []],
        keep_seats, threshold, [_certifier(one) for one in certifier or []], drop_certifier or [], witness,
        [service_from_json(read_json(path)) for path in service or []], start, days,
    )  # fmt: skip
    body = next_body(present, changes)
    found = parse_directory(Signed(body, ()))
    write_line(out, body)
    pairs(
        [
            (_("Sequence"), str(found.sequence)),
            (_("Custodian seats"), _("{k} of {n}", k=found.k, n=found.n)),
            (_("Desk months"), " ".join(f"{line.id}/{line.month}" for line in found.desks)),
            (_("Services told of outcomes"), " ".join(line.id for line in found.services) or "-"),
            (_("Valid from"), rules.instant_text(found.valid_from)),
            (_("Valid until"), rules.instant_text(found.valid_until)),
        ]
    )


def next_body(last: Directory, changes: Changes) -> dict[str, Any]:
    """The body of the directory after `last`, unsigned."""
    desks = {f"{line.id}/{line.month}": line for line in (*last.desks, *changes.desks)}
    certifiers = {line.id: line for line in (*last.certifiers, *changes.certifiers)}
    return make_directory_body(
        sequence=last.sequence + 1,
        previous=last.digest,
        environment=last.environment,
        valid_from=changes.valid_from,
        valid_until=changes.valid_from + timedelta(days=changes.days),
        desks=[line for name, line in sorted(desks.items()) if name not in changes.drop_desks],
        seats=_seats(last.seats, changes.seats)[: changes.keep_seats],
        payments=_seats(last.payments, changes.payments),
        k=changes.k or last.k,
        certifiers=[line for name, line in certifiers.items() if name not in changes.drop_certifiers],
        logs=last.logs,
        witnesses=last.witnesses if changes.witnesses is None else changes.witnesses,
        services=list({line.id: line for line in (*last.services, *changes.services)}.values()),
    )


def _seats(last: Iterable[Seat], changed: Iterable[Seat]) -> list[Seat]:
    found = {seat.seat: seat for seat in (*last, *changed)}
    return [found[number] for number in sorted(found)]


def _certifier(text: str) -> Certifier:
    name, _sign, key = text.partition("=")
    return Certifier(rules.code(name), rules.bytes32(key))


def certifier_json(certifier: Certifier) -> dict[str, Any]:
    """The line of a certifier."""
    return {"id": certifier.id, "verify_key": b64u(certifier.verify_key)}


def certifier_from_json(value: Any) -> Certifier:
    """Read a line of a certifier. Error: FormatError."""
    found = members(value, ("id", "verify_key"))
    return Certifier(rules.code(found["id"]), rules.bytes32(found["verify_key"]))


def write_line(path: Path, value: Any) -> None:
    """Write JSON into a new file of mode 0600. Error: Wrong if it is there."""
    not_there(path)
    write_private(path, json.dumps(value, indent=1).encode())


def month_or_wrong(month: str) -> None:
    """Return if a month was typed. Error: Wrong."""
    if not keys.is_month(month):
        raise Wrong(_("A month is written 2026-12."))
