"""`adal keys ceremony`: the first keys of an installation, step by step, each on its own machine with named people.

A folder travels from machine to machine with the public halves in `public/`; each secret is written to `secret/` and
taken away by its holder before the folder goes on. A step that was done is not done again, and nothing is overwritten.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.directory import certifier_from_json, certifier_json, write_line
from services.cli.failures import Wrong
from services.cli.here import read_json
from services.cli.language import Command, _
from services.cli.screen import ask_yes, pairs, say, shown
from services.cli.staff import signing_key
from services.client import keys, seats
from services.client.seats import SeatName
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64u, members, unb64u
from services.crypto.directories import (
    ENVIRONMENTS,
    LONGEST,
    SERVICES,
    Certifier,
    Directory,
    Log,
    check_directory,
    desk_from_json,
    desk_json,
    make_directory_body,
    seat_from_json,
    seat_json,
    service_from_json,
    service_json,
)
from services.crypto.notes import VerifierKey
from services.crypto.servicekeys import new_service_key
from services.crypto.signatures import Signed, SigningKey, sign_document
from services.crypto.staffkeys import GroupKey
from services.kit.files import write_private
from services.kit.i18n import N_

ROOTS = 3


@dataclass(frozen=True)
class Plan:
    """Who does what: decided first, kept in the folder, not changed by later steps."""

    environment: str
    origin: str
    desk: str
    month: str
    epoch: str
    roots: list[str]
    certifiers: list[str]
    seats: list[str]
    threshold: int
    payments: list[str]
    witnesses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One step: where it is done, who must be there, and what it leaves in `public/` and `secret/`."""

    name: str
    title: str
    machine: str
    present: str
    run: Callable[[], None]
    secret: bool = True


def add_to(app: typer.Typer) -> None:
    """Put the command into `adal keys`."""
    app.command(
        "ceremony", cls=Command, help=N_("Make the first keys of an installation, guided, step by step.")
    )(ceremony)


def ceremony(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help=N_("Folder of the ceremony; new or begun."))
    ],
    origin: Annotated[str, typer.Option(help=N_("Name of the log, such as adal.example/intake."))] = "",
    root: Annotated[list[str] | None, typer.Option(help=N_("A body that keeps a root key; three."))] = None,
    certifier: Annotated[list[str] | None, typer.Option(help=N_("Name of a certifier; two or more."))] = None,
    seat: Annotated[
        list[str] | None, typer.Option(help=N_("Name of a custodian, in the order of seats."))
    ] = None,
    threshold: Annotated[
        int, typer.Option(min=2, help=N_("How many custodians together open an identity."))
    ] = 2,
    payment: Annotated[list[str] | None, typer.Option(help=N_("Name of a payments officer."))] = None,
    witness: Annotated[list[str] | None, typer.Option(help=N_("Key of a witness, as it shows it."))] = None,
    desk: Annotated[str, typer.Option(help=N_("Id of the desk."))] = "central",
    environment: Annotated[str, typer.Option(help=N_("production or development."))] = "production",
    step: Annotated[str | None, typer.Option(help=N_("Only this step, such as root-1."))] = None,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Do not ask before each step."))] = False,
) -> None:
    """Go on where the folder stands."""
    names = (root or [], certifier or [], seat or [], payment or [])
    plan = _plan(folder, environment, origin, desk, names, threshold, witness or [])
    steps = list(_steps(folder, plan))
    if step is not None and step not in {one.name for one in steps}:
        raise Wrong(_("There is no such step. There are: {steps}", steps=" ".join(one.name for one in steps)))
    for one in steps:
        if step in (None, one.name) and not _do(folder, one, yes):
            say(_("Stopped. The same command goes on from here."))
            return
    left = [one.name for one in steps if not _done(folder, one)]
    say(_("Steps left: {steps}", steps=" ".join(left)) if left else _("All steps are done."), bold=True)


# --- the plan


def _plan(
    folder: Path,
    environment: str,
    origin: str,
    desk: str,
    names: tuple[list[str], ...],
    k: int,
    witnesses: list[str],
) -> Plan:
    path = folder / "plan.json"
    if path.exists():
        return Plan(**members(read_json(path), Plan.__dataclass_fields__))
    if folder.exists() and any(folder.iterdir()):
        raise Wrong(_("The folder holds something else. Give a new one."))
    roots, certifiers, custodians, payments = names
    people = [*certifiers, *custodians, *payments]
    wrong = (
        environment not in ENVIRONMENTS
        or not origin
        or not len(set(roots)) == len(roots) == ROOTS
        or len(set(people)) != len(people)
        or len(certifiers) < 2
        or not 2 <= k <= len(custodians)
        or len(payments) == 1
    )
    if wrong:
        raise Wrong(
            _(
                "A ceremony needs --origin, three --root, at least two --certifier, as many --seat as the threshold"
                " or more, and no or at least two --payment, each with different names."
            )
        )
    now = datetime.now(UTC)
    epoch = f"{now.year}H{1 if now.month < 7 else 2}"
    plan = Plan(
        environment, origin, desk, f"{now:%Y-%m}", epoch, roots, certifiers, custodians, k, payments,
        [str(VerifierKey.parse(one)) for one in witnesses],
    )  # fmt: skip
    for inner in ("", "public", "secret"):
        (folder / inner).mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, json.dumps(asdict(plan), ensure_ascii=False, indent=1).encode())
    return plan


# --- the steps


def _steps(folder: Path, plan: Plan) -> Iterator[Step]:
    offline = _("A computer that never had a network, started from a clean medium.")
    for i, body in enumerate(plan.roots, 1):
        yield Step(
            f"root-{i}", _("Root key of {name}", name=body), offline,
            _("Two people of {name}. The key goes into its safe, a copy into another building.", name=body),
            _signing(folder, f"root-{i}", lambda key: {"verify_key": b64u(key.verify_key)}),
        )  # fmt: skip
    for i, name in enumerate(plan.certifiers, 1):
        yield Step(
            f"certifier-{i}", _("Certifier's key of {name}", name=name), offline,
            _("{name} alone, before a witness who does not see the screen.", name=name),
            _signing(folder, f"certifier-{i}", _certifier_line(i)),
        )  # fmt: skip
    yield Step(
        "log", _("Key of the public log"), _("The server that will run intake; the key becomes its secret file."),
        _("The operator of the server and one certifier."),
        _signing(folder, "log", lambda key: {"vkey": str(VerifierKey(plan.origin, key.verify_key))}),
    )  # fmt: skip
    for service in SERVICES:
        yield Step(
            service, _("Key of the service {name}, to which outcomes are sealed", name=service),
            _("The server that will run it; the key becomes its secret file."),
            _("The operator of the server and one certifier."), _service(folder, service),
        )  # fmt: skip
    yield from _group_steps(folder, plan, offline)
    yield Step(
        "directory", _("The first key directory, signed by two roots"), offline,
        _("Two of the three root bodies with their keys in secret/, and one certifier who reads the names aloud."),
        lambda: _sign(folder, plan), secret=False,
    )  # fmt: skip


def _group_steps(folder: Path, plan: Plan, offline: str) -> Iterator[Step]:
    yield Step(
        "desk", _("First key of the desk {name}", name=plan.desk), _("The computer of a lead of the desk."),
        _("A lead of the desk and one certifier."), _group(folder, "desk", f"{plan.desk}/{plan.month}"),
    )  # fmt: skip
    for kind, holders in (("seat", plan.seats), ("payments", plan.payments)):
        for i, name in enumerate(holders, 1):
            yield Step(
                f"{kind}-{i}", _("Key of seat {kind} {number}, held by {name}", kind=kind, number=i, name=name),
                offline, _("{name} alone. The key leaves on their own medium and is seen by nobody else.", name=name),
                _group(folder, f"{kind}-{i}", SeatName(i, kind).key_id(plan.epoch)),
            )  # fmt: skip


def _do(folder: Path, step: Step, yes: bool) -> bool:
    """Explain and run a step; False when it was put off. Error: Wrong when half of it is there."""
    if _done(folder, step):
        say(_("Done before: {name}", name=step.name))
        return True
    if _secret(folder, step.name).exists():
        raise Wrong(
            _(
                "{name}: a secret lies there without its public half. Nothing is overwritten; find out who made it,"
                " take it away and repeat.",
                name=step.name,
            )
        )
    say()
    say(f"{step.name}: {shown(step.title)}", bold=True)
    pairs([(_("Where"), step.machine), (_("Present"), shown(step.present))])
    if not yes and not ask_yes(_("Are all of them here, and is this the machine?")):
        return False
    step.run()
    if step.secret:
        say(
            _(
                "Written: secret/{name}.key. Its holder takes it away now; only public/ goes on.",
                name=step.name,
            )
        )
    return True


def _done(folder: Path, step: Step) -> bool:
    return _public(folder, step.name).exists()


def _public(folder: Path, name: str) -> Path:
    return folder / "public" / f"{name}.json"


def _secret(folder: Path, name: str) -> Path:
    return folder / "secret" / f"{name}.key"


def _signing(folder: Path, name: str, line: Callable[[SigningKey], Any]) -> Callable[[], None]:
    def run() -> None:
        key = SigningKey.generate()
        write_private(_secret(folder, name), b64u(key.seed).encode() + b"\n")
        write_line(_public(folder, name), line(key))
        pairs([(_("Verify key"), b64u(key.verify_key))])

    return run


def _certifier_line(number: int) -> Callable[[SigningKey], Any]:
    return lambda key: certifier_json(Certifier(f"certifier-{number}", key.verify_key))


def _group(folder: Path, name: str, key_id: str) -> Callable[[], None]:
    def run() -> None:
        signing, identity = SigningKey.generate(), HybridIdentity.generate()
        text = f"# adal/v1/group-key\n# id: {key_id}\n# sign: {b64u(signing.seed)}\n{identity}\n"
        key = GroupKey(key_id, identity, signing)
        line = desk_json(keys.desk_line(key)) if name == "desk" else seat_json(seats.seat_line(key))
        write_private(_secret(folder, name), text.encode())
        write_line(_public(folder, name), line)
        pairs([(_("Key"), key_id), (_("Verify key"), b64u(signing.verify_key))])

    return run


def _service(folder: Path, name: str) -> Callable[[], None]:
    def run() -> None:
        content, service = new_service_key(name)
        write_private(_secret(folder, name), content)
        write_line(_public(folder, name), service_json(service))
        pairs([(_("Recipient"), str(service.recipient))])

    return run


# --- the directory


def _sign(folder: Path, plan: Plan) -> None:
    """Draft from the public halves, sign with two roots, check as every client will. Error: Wrong."""
    roots = [unb64u(read_json(_must(folder, f"root-{i}"))["verify_key"], 32) for i in range(1, ROOTS + 1)]
    found = [
        signing_key(path) for i in range(1, ROOTS + 1) if (path := _secret(folder, f"root-{i}")).exists()
    ]
    signers = [key for key in found if key.verify_key in roots][:2]
    if len(signers) < 2:
        raise Wrong(_("Two different root keys are needed, and they must be pinned ones."))
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)  # clocks of clients differ
    signed = sign_document("directory", _body(folder, plan, start), signers)
    directory = check_directory(signed, roots, start + timedelta(minutes=5))
    _show(directory, plan)
    write_line(folder / "roots.json", {"roots": [b64u(root) for root in roots]})
    write_line(_public(folder, "directory"), signed.to_json())


def _body(folder: Path, plan: Plan, start: datetime) -> dict[str, Any]:
    def lines(kind: str, count: int) -> list[Any]:
        return [read_json(_must(folder, f"{kind}-{i}")) for i in range(1, count + 1)]

    return make_directory_body(
        sequence=1,
        previous=bytes(32),
        environment=plan.environment,
        valid_from=start,
        valid_until=start + LONGEST,
        desks=[desk_from_json(read_json(_must(folder, "desk")))],
        seats=[seat_from_json(line) for line in lines("seat", len(plan.seats))],
        payments=[seat_from_json(line) for line in lines("payments", len(plan.payments))],
        k=plan.threshold,
        certifiers=[certifier_from_json(line) for line in lines("certifier", len(plan.certifiers))],
        logs=[Log(plan.origin, str(read_json(_must(folder, "log"))["vkey"]))],
        witnesses=plan.witnesses,
        services=[service_from_json(read_json(_must(folder, name))) for name in SERVICES],
    )


def _must(folder: Path, name: str) -> Path:
    path = _public(folder, name)
    if not path.exists():
        raise Wrong(_("This step comes first: {name}", name=name))
    return path


def _show(directory: Directory, plan: Plan) -> None:
    pairs(
        [
            (_("Digest"), b64u(directory.digest)),
            (_("Custodian seats"), _("{k} of {n}", k=directory.k, n=directory.n)),
            *(
                (f"{seat.seat} {seat.epoch}", shown(name))
                for seat, name in zip(directory.seats, plan.seats, strict=True)
            ),
            (_("Witnesses"), str(len(directory.witnesses))),
            (_("Valid until"), f"{directory.valid_until:%Y-%m-%d}"),
        ]
    )
    say(
        _("Compare the digest with the one on the screens of the other bodies and write it into the minutes.")
    )


def load(folder: Path) -> tuple[Signed, list[bytes]]:
    """The signed directory and the roots that a ceremony left. Errors: OSError, CryptoError."""
    roots = [unb64u(root, 32) for root in read_json(folder / "roots.json")["roots"]]
    return Signed.from_json(read_json(_public(folder, "directory"))), roots
