"""`python -m bench.search`: words in 200 opened cases, on the investigator's own machine.

The cases are filed sealed, fetched over HTTP and opened by the real client, which is what takes the time; the index lies
in memory and ends with the process. The texts are invented, of a few words of which some are common and most are rare.
"""

import argparse
import asyncio
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from bench import load
from bench.filings import package_request, sealed_report
from bench.running import Served, served, temporary_home
from services.cli.here import Here
from services.cli.staff import administrator, certify, enrol_with_keys
from services.client import folder
from services.client.cases import OpenedCase
from services.client.searching import Index, texts_of
from services.client.staff import StaffSession

T = TypeVar("T")
VOCABULARY, WORDS, TIMES = 5_000, 300, 200
#: Letters of both languages; words of three syllables.
_SYLLABLES = [a + b for a in "бвгғджзкқлмнңпрстхшһ" for b in "аәеиоөуұүыі"]
HEAD = "| what | times | p50 ms | p95 ms | slowest ms |\n|---|--:|--:|--:|--:|"


def vocabulary(generator: random.Random) -> list[str]:
    """Invented words, the commonest first."""
    return ["".join(generator.choices(_SYLLABLES, k=3)) for _ in range(VOCABULARY)]


def text(generator: random.Random, known: Sequence[str]) -> str:
    """A narrative; the tenth word of the list comes a tenth as often as the first."""
    weights = [1 / (i + 1) for i in range(len(known))]
    return " ".join(generator.choices(known, weights, k=WORDS))


def filing(directory: dict[str, Any], roots: list[str], words: str) -> bytes:
    """The request that files a report with this narrative."""
    return package_request(sealed_report(directory, roots, words=words))


@dataclass(frozen=True)
class Timed:
    """How long something took each time, in seconds."""

    name: str
    seconds: Sequence[float]

    def row(self) -> str:
        shares = (load.percentile(self.seconds, share) for share in (0.5, 0.95, 1))
        return f"| {self.name} | {len(self.seconds)} | " + " | ".join(f"{one:.2f}" for one in shares) + " |"


def timed(act: Callable[[], T]) -> tuple[T, float]:
    """What it gives, and the seconds it took."""
    begun = time.perf_counter()
    return act(), time.perf_counter() - begun


def signed_in(here: Here) -> StaffSession:
    """A member of the desk with keys."""
    with administrator(here, None) as admin:
        _, enrolment = admin.add_staff("bench-desk", "Invented Person", ["desk"])
        colleague = enrol_with_keys(here, "bench-desk", enrolment)
        certify(here, admin, colleague, ["desk"])
    roots = here.roots()
    session = StaffSession(here.url, roots, memory=here.memory(roots))
    session.sign_in(colleague.login, colleague.password)
    session.unlock(colleague.passphrase)
    return session


def opened(session: StaffSession) -> tuple[list[OpenedCase], Timed]:
    """Every case, fetched and opened with its notes."""
    cases, seconds = [], []
    for line in list(session.cases()):
        case, took = timed(lambda id_=line.id: session.case(id_))  # type: ignore[misc]
        cases.append(case)
        seconds.append(took)
    return cases, Timed("fetch and open a case", seconds)


def indexed(cases: Sequence[OpenedCase]) -> tuple[Index, Timed, int]:
    """The index, the time for each case, the bytes it holds."""
    texts = [(case.line.reference, list(texts_of(case))) for case in cases]
    index, seconds = Index(), []
    for reference, found in texts:
        seconds.append(timed(lambda r=reference, f=found: index.add(r, f))[1])  # type: ignore[misc]
    tracemalloc.start()
    again = Index()
    for reference, found in texts:
        again.add(reference, found)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return index, Timed("take a case in", seconds), held


def queries(known: Sequence[str]) -> dict[str, str]:
    """What is searched for: a common word, a rare one, a beginning, several at once, nothing that is there."""
    return {
        "the commonest word": known[0],
        "a rare word": known[VOCABULARY // 2],
        "the beginning of words": known[10][:3],
        "five words": " ".join(known[i] for i in (3, 30, 300, 1_000, 3_000)),
        "a word that is nowhere": "жоқсөз",
    }


def measured(server: Served, count: int) -> list[str]:
    """The table."""
    generator = random.Random(1)
    known = vocabulary(generator)
    narratives = [text(generator, known) for _ in range(count)]
    with ProcessPoolExecutor() as pool:
        requests = list(pool.map(filing, [server.directory] * count, [server.roots] * count, narratives))
    filed = asyncio.run(load.run(server.port, requests, 4, 201))
    assert filed.refused == 0
    session = signed_in(Here(server.url, server.var, None))
    try:
        cases, opening = opened(session)
        _, notes = timed(lambda: [folder.notes(session, case) for case in cases[:20]])
    finally:
        session.close()
    index, taking, held = indexed(cases)
    index.search(known[0])  # the first search sorts the words
    rows = [opening, taking]
    rows += [
        Timed(f"search: {name}", [timed(lambda q=query: index.search(q))[1] for _ in range(TIMES)])  # type: ignore[misc]
        for name, query in queries(known).items()
    ]
    return [
        HEAD,
        *(row.row() for row in rows),
        "",
        f"* {len(index)} cases of {WORDS} words, {VOCABULARY:,} different ones; opened in {sum(opening.seconds):.1f} s,",
        f"  indexed in {sum(taking.seconds):.2f} s; the index holds {held / 2**20:.1f} MiB besides the texts",
        f"* the notes of a case take {1000 * notes / min(20, len(cases)):.1f} ms more",
        f"* median of all searches: {1000 * median(s for row in rows[2:] for s in row.seconds):.2f} ms",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.search")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--out", type=Path, help="file for the table")
    arguments = parser.parse_args()
    with temporary_home() as home, served(home / "var") as server:
        lines = measured(server, arguments.cases)
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
