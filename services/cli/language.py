"""The reader's language: every sentence, help and mistake of the command in Kazakh, Russian or English.

Help texts are written as English msgids and translated when they are shown, since the language is known only then.
"""

import copy
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from services.kit.i18n import DEFAULT, LANGUAGES, N_, translator

_LANGUAGE: ContextVar[str] = ContextVar("language", default=DEFAULT)
_HELP = N_("Show this message and exit.")


def set_language(code: str) -> None:
    """Speak this language from here on; an unknown one is English."""
    _LANGUAGE.set(code if code in LANGUAGES else DEFAULT)


def language() -> str:
    """The code of the language in use."""
    return _LANGUAGE.get()


def _(message: str, **values: object) -> str:
    """The sentence in the reader's language, its `{name}` fields filled in."""
    text = str(translator(language()).gettext(message))
    return text.format(**values) if values else text


def label_of(thing: Any) -> str:
    """The text of a label of the form in the reader's language."""
    labels = thing.get("labels", {})
    return str(labels.get(language()) or labels.get(DEFAULT) or thing.get("code", ""))


class Spoken:
    """Help of a command or group in the reader's language; `sections` are heading -> commands of a large group."""

    sections: ClassVar[Mapping[str, Sequence[str]]] = {}

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """The usage line."""
        pieces = self.collect_usage_pieces(ctx)  # type: ignore[attr-defined]
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=_("Usage:") + " ")

    def format_help_text(self, _ctx: Any, formatter: Any) -> None:
        """What the command does."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(_said(self))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, options and commands."""
        for kind, title in (("argument", N_("Arguments")), ("option", N_("Options"))):
            rows = [_row(param, ctx) for param in self.get_params(ctx) if param.param_type_name == kind]  # type: ignore[attr-defined]
            _section(formatter, title, [row for row in rows if row])
        left: dict[str, Any] = dict(getattr(self, "commands", {}))
        for title, names in self.sections.items():
            _section(formatter, title, [(name, _said(left.pop(name))) for name in names if name in left])
        _section(formatter, N_("Commands"), [(name, _said(found)) for name, found in left.items()])


class Command(Spoken, TyperCommand):
    """A command with help in the reader's language."""


class Group(Spoken, TyperGroup):
    """A group of commands with help in the reader's language."""


def new_group(help: str, **settings: Any) -> typer.Typer:
    """A typer application for a group whose `help` is a msgid."""
    return typer.Typer(
        cls=settings.pop("cls", Group), help=help, no_args_is_help=True, add_completion=False,
        rich_markup_mode=None, pretty_exceptions_enable=False, **settings,
    )  # fmt: skip


def _said(command: Any) -> str:
    return _(command.help) if command.help else ""


def _row(param: Any, ctx: Any) -> tuple[str, str] | None:
    spoken = copy.copy(param)
    spoken.help = _(param.help) if param.help else ""
    record: tuple[str, str] | None = spoken.get_help_record(ctx)
    required = _("required")
    return record and (record[0], record[1].replace("[required]", f"[{required}]"))


def _section(formatter: Any, title: str, rows: list[Any]) -> None:
    if rows:
        with formatter.section(_(title)):
            formatter.write_dl(rows)
