"""Typing a code back: whether it is the one that was shown, and otherwise where it differs."""

import unicodedata
from dataclasses import dataclass

from services.crypto.receipts import LENGTH, MAX_INPUT, format_receipt

GROUP = 4


@dataclass(frozen=True)
class Slip:
    """What is wrong with a typed code: `typed` digits instead of 24, or the groups (from 1) that differ."""

    typed: int
    groups: tuple[int, ...] = ()


def digits_of(text: str) -> str:
    """The decimal digits in a text, whatever stands between them; wide ones count."""
    return "".join(char for char in unicodedata.normalize("NFKC", text[:MAX_INPUT]) if char in "0123456789")


def grouped(text: str) -> str:
    """The digits in groups of four, as the code is shown, so that the two are easy to compare."""
    return format_receipt(digits_of(text))


def compare(text: str, receipt: str) -> Slip | None:
    """None when the text gives the receipt; otherwise what to look at."""
    typed = digits_of(text)
    if len(typed) != LENGTH:
        return Slip(len(typed))
    pairs = zip(format_receipt(typed).split(), format_receipt(receipt).split(), strict=True)
    wrong = tuple(i for i, (left, right) in enumerate(pairs, 1) if left != right)
    return Slip(LENGTH, wrong) if wrong else None
