"""Malware is looked for where the key is: a scanner on this machine sees an opened file before anybody else does.

Its exit code says what it found, by the convention of `clamscan` and `clamdscan`: 0 nothing, 1 something, else it
failed. A file that was not scanned is not kept either. What the scanner prints is not read: it may hold names.
"""

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.client.errors import ClientError

FILE = "{file}"
_CLEAN, _INFECTED = 0, 1
_SECONDS = 600.0


class Infected(ClientError):
    """The scanner found something in a file. Nothing of it was kept."""

    def __init__(self) -> None:
        super().__init__("the scanner refused a file")


class NotScanned(ClientError):
    """The scanner did not run, failed, or took too long. Nothing was kept."""

    def __init__(self) -> None:
        super().__init__("a file was not scanned")


@dataclass(frozen=True)
class Scanner:
    """A command of this machine; one of its words has `{file}` in it, where the path of the file is put."""

    command: tuple[str, ...]
    seconds: float = _SECONDS

    @classmethod
    def parse(cls, text: str) -> "Scanner":
        """From a command line, read as a shell would but run without one. Error: ValueError."""
        words = tuple(shlex.split(text))
        if not words or FILE in words[0] or not any(FILE in word for word in words):
            raise ValueError("not the command of a scanner")
        return cls(words)

    def check(self, path: Path) -> None:
        """Return if the scanner found nothing in a file. Errors: Infected, NotScanned."""
        words = [word.replace(FILE, str(path.absolute())) for word in self.command]
        nothing = subprocess.DEVNULL
        try:
            found = subprocess.run(  # noqa: S603 - the command of whoever runs this program
                words, stdin=nothing, stdout=nothing, stderr=nothing, timeout=self.seconds, check=False
            )
        except (OSError, subprocess.SubprocessError):
            raise NotScanned() from None
        if found.returncode == _INFECTED:
            raise Infected()
        if found.returncode != _CLEAN:
            raise NotScanned()
