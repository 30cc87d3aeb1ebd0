"""Grounds on which an identity may be opened, and the text that is signed before it is shown: dated data with sources.

A text that somebody signed is never edited; a new wording is a new version with its own code.
"""

from datetime import date
from functools import cache

from pydantic import Field

from services.intake.dated import CODE, Frozen, Labels, Status, Word, load


class Grounds(Frozen):
    """The list of grounds."""

    as_of: date
    note: str
    sources: dict[str, str]
    grounds: tuple[Word, ...]

    def find(self, code: str) -> Word | None:
        """The ground of a code."""
        return next((ground for ground in self.grounds if ground.code == code), None)


class UndertakingText(Frozen):
    """One version of the text of the undertaking."""

    code: str = Field(pattern=CODE)
    valid_from: date
    source: str | None
    status: Status
    texts: Labels


class Undertakings(Frozen):
    """Every version there ever was, oldest first."""

    note: str
    sources: dict[str, str]
    versions: tuple[UndertakingText, ...] = Field(min_length=1)

    def in_force(self, on: date) -> UndertakingText:
        """The version to sign on a day: the newest that has begun, else the first."""
        begun = [version for version in self.versions if version.valid_from <= on]
        return max(begun, key=lambda version: version.valid_from, default=self.versions[0])


@cache
def grounds() -> Grounds:
    """The grounds, read once. Errors: pydantic.ValidationError when the file breaks its shape."""
    return load(Grounds, "custody/grounds")


@cache
def undertakings() -> Undertakings:
    """The texts of the undertaking, read once. Errors as above."""
    return load(Undertakings, "custody/undertakings")


def label_of(code: str) -> Labels:
    """A ground in the three languages; one that is no longer in the list keeps its code."""
    found = grounds().find(code)
    return found.labels if found else Labels(kk=code, ru=code, en=code)
