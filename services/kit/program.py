"""A program beside the services: one at a time on its file, and it ends with a sentence when it cannot begin."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from services.kit import logs
from services.kit.locks import take_lock
from services.kit.settings import SettingsError


class WithState(Protocol):
    """Settings that name the file on which only one such program may work."""

    @property
    def state_file(self) -> Path: ...


S = TypeVar("S", bound=WithState)


def run(name: str, settings: Callable[[], S], work: Callable[[S], Coroutine[Any, Any, None]]) -> None:
    """Read the settings, take the file, work to the end. Errors: SystemExit; it repeats no value of a setting."""
    logs.configure()
    try:
        found = settings()
        if not _locked(found.state_file):
            sys.exit(f"A {name} runs on this file already.")
        asyncio.run(work(found))
    except (SettingsError, ValidationError) as exc:
        sys.exit(str(exc))  # they name settings, never their values
    except (OSError, ValueError) as exc:
        logs.failure(f"{name}-stopped", exc)
        sys.exit(1)


def _locked(path: Path) -> bool:
    """Whether this process is now the only one on the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return take_lock(path.with_name(f"{path.name}.lock")) is not None
