"""`adal witness`: follow the log from outside, and sign only heads that continue what was signed before.

A log that misbehaves ends the command with exit code 1; the notes that convict it stay in the folder.
"""

import fcntl
import importlib
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from services.cli.failures import Trouble, Wrong, explain
from services.cli.here import Here, dev_file, here_of
from services.cli.language import Command, _, language, new_group
from services.cli.screen import pairs, say
from services.client.directory import Directories, utc_now
from services.client.errors import BadAnswer, Problem, Unreachable
from services.client.http import Http
from services.client.memory import Memory
from services.client.witness import Folder, LostState, Misbehaviour, Seen, Signed, Witness
from services.crypto.canonical import b64u
from services.crypto.errors import CryptoError
from services.crypto.notes import VerifierKey
from services.kit.files import write_private
from services.kit.i18n import N_

app = new_group(N_("Witness the public log: sign only heads that continue what was signed before."))

FolderOption = Annotated[
    Path, typer.Option("--folder", help=N_("Folder of the key and memory of the witness."))
]
OriginOption = Annotated[
    str | None,
    typer.Option("--origin", help=N_("Name of the log; otherwise the first of the key directory.")),
]


@app.command("key", cls=Command, help=N_("Make the key of a new witness and show what the directory names."))
def make_key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=N_("Name of the witness, as example.org/witness."))
    ],
    folder: FolderOption,
) -> None:
    """Key and empty memory, both of mode 0600; never over an old one."""
    try:
        vkey = Folder(folder).make(name)
    except FileExistsError:
        raise Wrong(_("A witness lives in this folder already.")) from None
    pairs([(_("Key for the directory"), str(vkey))])


@app.command("show", cls=Command, help=N_("Show the key and the last head that was signed."))
def show(folder: FolderOption) -> None:
    """Key and memory."""
    found = Folder(folder)
    rows = [(_("Key for the directory"), str(found.vkey()))]
    for origin, seen in _memory(found).items():
        rows += [(_("Log"), origin), (_("Entries"), str(seen.size)), (_("Root"), b64u(seen.root))]
    pairs(rows)


@app.command("once", cls=Command, help=N_("Look at the log once and sign its head."))
def once(ctx: typer.Context, folder: FolderOption, origin: OriginOption = None) -> None:
    """Exit code 1 when the log misbehaves or cannot be reached."""
    with _witness(here_of(ctx), folder) as witness:
        _tell(_visit(witness, origin))


@app.command(
    "run", cls=Command, help=N_("Look at the log again and again and sign its heads, until stopped.")
)
def run(
    ctx: typer.Context,
    folder: FolderOption,
    every: Annotated[float, typer.Option(min=0.1, help=N_("Seconds between two looks."))] = 600,
    origin: OriginOption = None,
) -> None:
    """Exit code 0 after SIGINT or SIGTERM; 1 as soon as the log misbehaves. A broken connection is only told."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with _witness(here_of(ctx), folder) as witness:
        say(_("The witness follows the log. Stop with Ctrl-C."))
        while not stop.is_set():
            try:
                _tell(_visit(witness, origin))
            except (Problem, Unreachable, BadAnswer, CryptoError) as exc:
                explain(exc)
            stop.wait(every)
    say(_("Stopped."))


@app.command(
    "enrol-development",
    cls=Command,
    help=N_("Name a witness in the key directory of a development installation."),
)
def enrol_development(ctx: typer.Context, folder: FolderOption) -> None:
    """Sign the next development directory, with one witness more, and publish it."""
    from services.cli.staff import administrator

    here = here_of(ctx)
    dev_file(here, "roots.json")
    vkey, path = str(Folder(folder).vkey()), here.dev / "witnesses.json"
    named = [str(VerifierKey.parse(one)) for one in json.loads(path.read_text())] if path.exists() else []
    if vkey in named:
        raise Wrong(_("The key directory names this witness already."))
    write_private(path, json.dumps([*named, vkey], indent=1).encode())
    first_run = importlib.import_module("services.first_run")
    document = first_run.directory(first_run.Folder(here.var.absolute()), utc_now())
    with administrator(here, None) as session:
        sequence = session.publish_directory(document)
    say(_("Key directory {sequence} names the witness.", sequence=sequence))


@contextmanager
def _witness(here: Here, path: Path) -> Iterator[Witness]:
    """The witness of a folder that nobody else uses. Errors: Trouble, OSError, CryptoError."""
    folder, roots = Folder(path), here.roots()
    folder.key()
    with (path / "witness.lock").open("w") as lock:
        try:
            # Two processes with one memory could sign two trees.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Trouble(_("A witness runs in this folder already.")) from None
        http = Http(here.url, language())
        try:
            yield Witness(folder, http, Directories(http, roots, Memory(roots, path / "directories.json")))
        finally:
            http.close()


def _visit(witness: Witness, origin: str | None) -> Signed | None:
    try:
        return witness.visit(origin)
    except LostState:
        raise _lost() from None
    except Misbehaviour as exc:
        kept = witness.folder.convict(exc)
        raise Trouble(_("The log misbehaves, nothing was signed: {reason}. Kept: {name}",
                        reason=_(_REASONS[str(exc)]), name=kept.name)) from None  # fmt: skip


_REASONS = {
    "the log was rolled back": N_("it was rolled back to fewer entries"),
    "the log shows two heads of one size": N_("it shows two heads of one size"),
    "the log was rewritten": N_("it does not continue the head that was signed before"),
}


def _memory(folder: Folder) -> dict[str, Seen]:
    try:
        return folder.memory()
    except LostState:
        raise _lost() from None


def _lost() -> Trouble:
    return Trouble(
        _(
            "The memory of the witness is lost or damaged. It must not sign again: retire this key and make a new one."
        )
    )


def _tell(found: Signed | None) -> None:
    if found is None:
        say(_("The log has not begun yet."))
    elif found.fresh:
        say(_("Signed: {size} entries, root {root}", size=found.size, root=b64u(found.root)))
