"""The folder of a case as rules and dated data: labels, links, and what may be done to many cases at once. Pure."""

from collections.abc import Iterable
from functools import cache
from typing import Literal

from services.intake.dated import load
from services.intake.form import ChoiceList

LINKED, DUPLICATE = "linked", "duplicate_of"
Kind = Literal["linked", "duplicate_of"]

#: Cases in one request of triage, labels on one case, links of one case.
MOST_AT_ONCE, MOST_LABELS, MOST_LINKS = 200, 12, 200

TO_MAIN, TO_QUARANTINE, LABEL, MARK_DUPLICATE, REGISTER = ACTIONS = (
    "to-main", "to-quarantine", "label", "duplicate", "register",
)  # fmt: skip
Action = Literal["to-main", "to-quarantine", "label", "duplicate", "register"]


@cache
def load_labels() -> ChoiceList:
    """The labels that staff may put on a case."""
    return load(ChoiceList, "folder/case_labels")


def unknown_labels(labels: Iterable[str]) -> frozenset[str]:
    """Those that are not in the list."""
    return frozenset(labels) - {item.code for item in load_labels().items}


def may_be_duplicate(duplicates_of_it: int, target_is_duplicate: bool) -> bool:
    """Whether a case may become the duplicate of another.

    Duplicates point at one case that is none itself, so there are neither chains nor loops: a case with duplicates of
    its own does not become one, and nothing becomes the duplicate of a duplicate.
    """
    return duplicates_of_it == 0 and not target_is_duplicate
