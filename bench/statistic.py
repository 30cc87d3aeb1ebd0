"""Whether two samples of times differ: medians with an interval, and ranks."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt
from statistics import NormalDist, median

RESAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """Of a second sample from a first.

    `median`: difference of the medians, in the unit of the samples; `low` and `high`: its 95 % interval. `larger`: how
    probable it is that a value of the second is the larger one of a pair, 0.5 when nothing differs. `p`: two-sided
    Mann-Whitney, how probable so uneven ranks are when nothing differs.
    """

    median: float
    low: float
    high: float
    larger: float
    p: float

    @property
    def shows(self) -> bool:
        """Both agree that there is one: the interval leaves out nothing, and so uneven ranks come once in a hundred."""
        return not self.low <= 0 <= self.high and self.p < 0.01


def difference(first: Sequence[float], second: Sequence[float], generator: random.Random) -> Difference:
    """Compare two samples of at least two values each."""
    low, high = _interval(first, second, generator)
    larger, p = _ranks(first, second)
    return Difference(median(second) - median(first), low, high, larger, p)


def _interval(
    first: Sequence[float], second: Sequence[float], generator: random.Random
) -> tuple[float, float]:
    """95 % percentile bootstrap of the difference of medians."""
    found = sorted(
        median(generator.choices(second, k=len(second))) - median(generator.choices(first, k=len(first)))
        for _ in range(RESAMPLES)
    )
    return found[RESAMPLES // 40], found[-1 - RESAMPLES // 40]


def _ranks(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """U of the second sample as a share of all pairs, and the two-sided p of the normal form, corrected for ties."""
    n, m = len(first), len(second)
    marked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    rank, total, ties = 0, 0.0, 0
    for _, group in groupby(marked, key=lambda pair: pair[0]):
        kinds = [kind for _, kind in group]
        total += sum(kinds) * (rank + (len(kinds) + 1) / 2)
        ties += len(kinds) ** 3 - len(kinds)
        rank += len(kinds)
    u = total - m * (m + 1) / 2
    spread = sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
    z = (u - n * m / 2) / spread if spread else 0.0
    return u / (n * m), 2 * NormalDist().cdf(-abs(z))
