"""Search in one's own opened cases, on this machine: an index in memory that ends with the command.

Words are folded, so that a search finds Kazakh letters typed on a Russian keyboard, ё as е, and any case of letters;
a word that is searched for also finds longer words that begin with it, as both languages put endings behind.
"""

import math
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from services.client.cases import OpenedCase
from services.client.folder import Note

#: Kazakh letters as they come from a Russian keyboard, and ё as most people write it.
_FOLDED = str.maketrans("ёәғқңөұүһі", "еагкноуухи")
#: Shorter words find themselves only: everything would begin with them.
SHORTEST_PREFIX = 3
_EXACT, _PREFIX = 1.0, 0.6
_K1, _B = 1.2, 0.75  # the usual constants of BM25
_AROUND = 60  # characters of a snippet on either side
_MOST_SNIPPETS = 3


def fold(text: str) -> str:
    """Text as it is compared: NFKC, without case, Kazakh letters and ё as their nearest Russian ones."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_FOLDED)


@dataclass(frozen=True)
class Word:
    """A word of a text, folded, and where it stands: from `start` to before `end`."""

    folded: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    """The words of a text: runs of letters, digits and their marks."""
    start = None
    for i, char in enumerate(text):
        inside = unicodedata.category(char)[0] in "LNM"
        if inside and start is None:
            start = i
        elif not inside and start is not None:
            yield Word(fold(text[start:i]), start, i)
            start = None
    if start is not None:
        yield Word(fold(text[start:]), start, len(text))


@dataclass(frozen=True)
class Text:
    """A text of a case: where it stands (such as `answers/what`, `message/4`, `note`), and its words as written."""

    where: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Snippet:
    """A piece of a text around what was found: `before`, `found`, `after`."""

    where: str
    before: str = field(repr=False)
    found: str = field(repr=False)
    after: str = field(repr=False)


@dataclass(frozen=True)
class Hit:
    """A case that has what was searched for; the better one has the higher score."""

    reference: str
    score: float
    words: int
    snippets: tuple[Snippet, ...] = field(repr=False)


def texts_of(case: OpenedCase, notes: Iterable[Note] = ()) -> Iterator[Text]:
    """Every text of an opened case: reference, answers, messages, names of files, notes that hold."""
    yield Text("reference", case.line.reference)
    for code, value in case.narrative.answers.items():
        yield Text(f"answers/{code}", str(value))
    for message in case.messages:
        yield Text(f"message/{message.number}", message.text)
    for envelope in case.attachments:
        yield Text("file", envelope.safe_name)
    for note in notes:
        if note.text is not None:
            yield Text("note", note.text)


class Index:
    """An inverted index: folded word -> cases that have it and how often. Nothing of it is ever written."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[Text, ...]] = {}
        self._lengths: dict[str, int] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._sorted: list[str] | None = None

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return "Index(...)"

    def add(self, reference: str, texts: Iterable[Text]) -> None:
        """Take in a case, once."""
        self._texts[reference] = tuple(texts)
        counts = Counter(word.folded for text in self._texts[reference] for word in words(text.text))
        self._lengths[reference] = counts.total()
        for word, count in counts.items():
            self._counts.setdefault(word, {})[reference] = count
        self._sorted = None

    def search(self, query: str, most: int = 20) -> list[Hit]:
        """The cases that have at least one word of the query, those with more of its words first, then by score."""
        wanted = dict.fromkeys(word.folded for word in words(query))
        scores: dict[str, float] = {}
        matched: Counter[str] = Counter()
        for word in wanted:
            for reference, score in self._scores(word).items():
                scores[reference] = scores.get(reference, 0.0) + score
                matched[reference] += 1
        best = sorted(scores, key=lambda one: (-matched[one], -scores[one], one))[:most]
        return [
            Hit(one, scores[one], matched[one], tuple(self._snippets(one, wanted))) for one in best
        ]  # fmt: skip

    def _scores(self, word: str) -> dict[str, float]:
        """BM25 of one word of the query; longer words that begin with it count less than itself."""
        found: dict[str, float] = {}
        for known in self._beginning_with(word):
            weight = _EXACT if known == word else _PREFIX
            for reference, count in self._counts[known].items():
                found[reference] = found.get(reference, 0.0) + weight * count
        rare = math.log(1 + (len(self._texts) - len(found) + 0.5) / (len(found) + 0.5))
        average = sum(self._lengths.values()) / max(len(self._lengths), 1)
        return {
            reference: rare * count * (_K1 + 1)
            / (count + _K1 * (1 - _B + _B * self._lengths[reference] / max(average, 1)))
            for reference, count in found.items()
        }  # fmt: skip

    def _beginning_with(self, word: str) -> list[str]:
        if len(word) < SHORTEST_PREFIX:
            return [word] if word in self._counts else []
        if self._sorted is None:
            self._sorted = sorted(self._counts)
        start = bisect_left(self._sorted, word)
        end = bisect_left(self._sorted, word + "\U0010ffff", lo=start)
        return self._sorted[start:end]

    def _snippets(self, reference: str, wanted: Iterable[str]) -> Iterator[Snippet]:
        left = _MOST_SNIPPETS
        for text in self._texts[reference]:
            hit = next((word for word in words(text.text) if _matches(word.folded, wanted)), None)
            if hit is not None and left:
                left -= 1
                yield _snippet(text, hit)


def _matches(word: str, wanted: Iterable[str]) -> bool:
    return any(word == one or (len(one) >= SHORTEST_PREFIX and word.startswith(one)) for one in wanted)


def _snippet(text: Text, hit: Word) -> Snippet:
    before, after = text.text[: hit.start], text.text[hit.end :]
    return Snippet(
        text.where,
        ("…" if len(before) > _AROUND else "") + before[-_AROUND:],
        text.text[hit.start : hit.end],
        after[:_AROUND] + ("…" if len(after) > _AROUND else ""),
    )
