"""Calls to 1424 as rules and dated data: their kinds, how they end, and the figures of a day. Pure functions."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from services.intake.dated import Labels, load
from services.intake.form import ChoiceList

#: Kinds of calls as the official description of 1424 names them (source VE24 of `reference/sources.json`).
KINDS: Mapping[str, Labels] = {
    "report": Labels(
        kk="Жасалған немесе дайындалып жатқан сыбайлас жемқорлық туралы хабарлама",
        ru="Сообщение о совершённой или готовящейся коррупции",
        en="Report of committed or prepared corruption",
    ),
    "business-pressure": Labels(
        kk="Бизнеске қысым жасау немесе кедергі келтіру",
        ru="Давление на бизнес или помехи ему",
        en="Pressure on business or obstruction of it",
    ),
    "consultation": Labels(kk="Кеңес беру", ru="Консультация", en="Consultation"),
    "complaint": Labels(
        kk="Қызметке және оның қызметкерлеріне шағым",
        ru="Жалоба на службу и её сотрудников",
        en="Complaint about the service and its staff",
    ),
    "feedback": Labels(kk="Қызмет туралы пікір", ru="Отзыв о службе", en="Feedback on the service"),
}


@cache
def load_wrap_ups() -> ChoiceList:
    """How a call may end."""
    return load(ChoiceList, "calls/wrap_up_codes")


class Tally(Protocol):
    """How many calls of one operator agree in all codes."""

    operator: object
    kind: str
    language: str
    wrap_up: str
    named: bool
    calls: int


@dataclass(frozen=True)
class Counts:
    """Numbers of calls, in all and by code."""

    calls: int
    named: int
    kinds: dict[str, int]
    languages: dict[str, int]
    wrap_ups: dict[str, int]


def count(lines: Iterable[Tally]) -> Counts:
    """The counts of some lines, codes in alphabetical order."""
    found = list(lines)

    def by(code: Callable[[Tally], str]) -> dict[str, int]:
        counted: Counter[str] = Counter()
        for line in found:
            counted[code(line)] += line.calls
        return dict(sorted(counted.items()))

    return Counts(
        calls=sum(line.calls for line in found),
        named=sum(line.calls for line in found if line.named),
        kinds=by(lambda line: line.kind),
        languages=by(lambda line: line.language),
        wrap_ups=by(lambda line: line.wrap_up),
    )
