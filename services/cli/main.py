"""The command `adal`: global options, the groups of commands, and one place where every failure becomes a sentence."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import accounts, calls, case, identity, inbox, keys, local, log, protection, report, witness
from services.cli import deadlines as _deadlines  # noqa: F401 - its commands join those of `case`
from services.cli import deletion as _deletion  # noqa: F401 - its group joins `case`
from services.cli import evidence as _evidence  # noqa: F401 - the commands of these join those of `case`
from services.cli import folder as _folder  # noqa: F401
from services.cli import forwarding as _forwarding  # noqa: F401
from services.cli import notice as _notice  # noqa: F401 - joins the commands of `inbox`
from services.cli import searching as _searching  # noqa: F401
from services.cli import steps as _steps  # noqa: F401
from services.cli import triage as _triage  # noqa: F401
from services.cli.failures import explain
from services.cli.here import Here
from services.cli.language import Command, Group, _, new_group, set_language
from services.kit.i18n import LANGUAGES, N_

DEFAULT_URL = "http://localhost:8424"


class Root(Group):
    """The whole command; whatever goes wrong inside ends here, without a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; exit code 0, 1 for trouble, 2 for wrong input."""
        given = list(sys.argv[1:] if args is None else args)
        set_language(wanted_language(given))
        try:
            code = super().main(given, "adal", complete_var, False, windows_expand_args, **extra)
        except BaseException as exc:
            if isinstance(exc, SystemExit | GeneratorExit):
                raise
            code = explain(exc)
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


app = new_group(
    N_("Adal: report corruption safely, read answers, work on cases, check the public log."), cls=Root
)
app.add_typer(report.app, name="report")
app.add_typer(inbox.app, name="inbox")
app.add_typer(calls.app, name="call")
app.add_typer(case.app, name="case")
case.app.add_typer(protection.disclosures, name="disclosure")
app.add_typer(identity.app, name="identity")
app.add_typer(accounts.app, name="staff")
app.add_typer(keys.app, name="keys")
app.add_typer(log.app, name="log")
app.add_typer(witness.app, name="witness")
app.add_typer(local.jobs, name="jobs")
app.command(
    "doctor", cls=Command, help=N_("Look at a local installation: services, jobs, key directory, disk.")
)(local.doctor)


@app.callback()
def options(
    ctx: typer.Context,
    url: Annotated[str, typer.Option(envvar="ADAL_URL", help=N_("Address of the server."))] = DEFAULT_URL,
    var: Annotated[Path, typer.Option(help=N_("Folder of a development installation."))] = Path("var"),
    roots: Annotated[
        Path | None, typer.Option(help=N_("File of the pinned root keys; otherwise those of the folder."))
    ] = None,
    lang: Annotated[str, typer.Option(help=N_("Language: kk, ru or en."))] = "",
) -> None:
    """Keep the global options for the command that follows."""
    if lang and lang not in LANGUAGES:
        raise typer.BadParameter(_("Language: kk, ru or en."), param_hint="--lang")
    ctx.obj = Here(url, var, roots)


def wanted_language(args: list[str]) -> str:
    """The language asked for on the command line, else in ADAL_LANG, else that of the terminal.

    It is looked for before anything is parsed, so that help and mistakes are in it too.
    """
    for i, arg in enumerate(args):
        if arg == "--lang" and i + 1 < len(args):
            return args[i + 1]
        if arg.startswith("--lang="):
            return arg.removeprefix("--lang=")
    names = ("ADAL_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    return next((value[:2] for name in names if (value := os.environ.get(name))), "en")


if __name__ == "__main__":
    app()
