"""Invented clear rows of cases, loaded by COPY: what the case list reads, and nothing that could be opened.

Codes are as uneven as in life (a few are common, most are rare), most cases are closed, the newest are not, two of a
thousand old ones are overdue; one day in the middle had a flood. The same seed gives the same rows.
"""

import random
import secrets
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg

from services.first_run import DESK
from services.intake.form import load_form
from services.intake.store import new_reference

DAYS = 1_800
#: Of one in so many reports the reporter told of retaliation.
RETALIATION = 200
#: Labels of cases, the commonest first.
LABELS = ("urgent", "repeated", "media", "flood")
_COLUMNS = (
    "id", "reference", "rid", "lookup_mac", "filed_on", "state", "lane", "desk", "mode", "dir_seq", "category", "sector",
    "region", "amount_band", "year", "channel", "language", "urgency", "manifest", "signature", "leaf", "retaliation_on",
    "register_by",
)  # fmt: skip
#: (up to so many days old, states with their weights)
_STATES: Sequence[tuple[int, Sequence[tuple[str, int]]]] = (
    (2, (("received", 70), ("registered", 30))),
    (20, (("registered", 20), ("in_review", 50), ("investigation", 5), ("forwarded", 5), ("closed", 20))),
    (10_000, (("closed", 900), ("returned", 45), ("forwarded", 45), ("investigation", 8), ("in_review", 2))),
)


@dataclass(frozen=True)
class Line:
    """What the other tables need to know of a report."""

    id: uuid.UUID
    day: date
    state: str


@dataclass(frozen=True)
class Loaded:
    """What was put there, oldest first, and the person who has exactly `own` cases at present."""

    lines: Sequence[Line]
    person: uuid.UUID
    own: int

    @property
    def middle(self) -> tuple[date, uuid.UUID]:
        """A place deep in the list."""
        found = self.lines[len(self.lines) // 2]
        return found.day, found.id


@dataclass(frozen=True)
class Codes:
    """The codes of every list, the commonest first."""

    lists: dict[str, list[str]]

    @classmethod
    def of_form(cls) -> "Codes":
        """Those of the form."""
        return cls({name: [item.code for item in found.items] for name, found in load_form().lists.items()})

    def draw(self, generator: random.Random, name: str) -> str:
        """One code; each next one comes seven times where the one before it comes ten times."""
        codes = self.lists[name]
        return codes[min(int(generator.expovariate(0.35)), len(codes) - 1)]

    def ends(self, name: str) -> tuple[str, str]:
        """The commonest code and one of the rarest."""
        return self.lists[name][0], self.lists[name][-2]


def _state(generator: random.Random, age: int) -> str:
    weighted = next(states for days, states in _STATES if age <= days)
    return generator.choices([state for state, _ in weighted], [weight for _, weight in weighted])[0]


def _row(generator: random.Random, codes: Codes, day: date, today: date, flood: bool) -> tuple[Any, ...]:
    plain = flood or generator.random() < 0.4
    lane = "quarantine" if flood or (plain and generator.random() < 0.02) else "main"
    return (
        uuid.UUID(int=generator.getrandbits(128), version=4), new_reference(), secrets.token_bytes(32),
        secrets.token_bytes(32), day, _state(generator, (today - day).days), lane, DESK,
        "plain" if plain else "sealed", 1, codes.draw(generator, "categories"), codes.draw(generator, "sectors"),
        codes.draw(generator, "regions"), codes.draw(generator, "amount_bands"), 2026, codes.draw(generator, "channels"),
        codes.draw(generator, "languages"), codes.draw(generator, "urgency"), b"{}" + bytes(38), bytes(64),
        secrets.token_bytes(32), day if generator.random() * RETALIATION < 1 else None,
        day + timedelta(1),
    )  # fmt: skip


def _days(count: int, today: date) -> Iterator[tuple[date, bool]]:
    """(day, whether it belongs to a flood) of each report, oldest first; a flood is a tenth of all, on one day."""
    flood = count // 10
    for i in range(count - flood):
        yield today - timedelta(DAYS - i * DAYS // (count - flood)), False
        if i == count // 3:
            yield from ((today - timedelta(DAYS - i * DAYS // (count - flood)), True) for _ in range(flood))


def load(conn: psycopg.Connection, count: int, today: date, own: int = 200, seed: int = 1) -> Loaded:
    """COPY `count` cases with assignments, time limits and labels into an autocommit connection, and ANALYZE.

    One person gets `own` cases all over the years, 500 others share one in three of all.
    """
    generator, codes = random.Random(seed), Codes.of_form()
    lines: list[Line] = []
    with conn.cursor().copy(f"COPY intake.reports ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
        for day, flood in _days(count, today):
            row = _row(generator, codes, day, today, flood)
            copy.write_row(row)
            lines.append(Line(row[0], day, row[5]))
    loaded = Loaded(lines, _person(generator), own)
    _copy(
        conn, "assignments (id, report_id, person, role, assigned_by, day, ended)", _held(generator, loaded)
    )
    limits = "id, report_id, kind, started, due, met_on, source, escalated_on"
    _copy(conn, f"deadlines ({limits})", _limits(generator, lines, today))
    _copy(conn, "case_labels (report_id, label, person, day)", _labels(generator, loaded))
    conn.execute("ANALYZE")
    return loaded


def _copy(conn: psycopg.Connection, into: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with conn.cursor().copy(f"COPY intake.{into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _person(generator: random.Random) -> uuid.UUID:
    return uuid.UUID(int=generator.getrandbits(128), version=4)


def _held(generator: random.Random, loaded: Loaded) -> Iterator[tuple[Any, ...]]:
    """Assignments; of those of other people most have ended."""
    others = [_person(generator) for _ in range(500)]
    count = len(loaded.lines)
    chosen = {i * count // loaded.own for i in range(loaded.own)}
    for i, line in enumerate(loaded.lines):
        if i in chosen:
            yield uuid.uuid4(), line.id, loaded.person, "investigator", others[0], line.day, None
        elif generator.random() < 1 / 3:
            ended = line.day if generator.random() < 0.7 else None
            yield uuid.uuid4(), line.id, generator.choice(others), "investigator", others[0], line.day, ended


def _limits(generator: random.Random, lines: Iterable[Line], today: date) -> Iterator[tuple[Any, ...]]:
    """One limit of each registered case: running while it is in review, and with the lead once it has passed."""
    for line in lines:
        if line.state != "received":
            due = line.day + timedelta(21 if generator.random() < 0.7 else 83)
            over = line.state not in ("registered", "in_review")
            lead = due + timedelta(1) if not over and due < today else None
            met = due - timedelta(2) if over else None
            yield uuid.uuid4(), line.id, "decide", line.day, due, met, "apc-76", lead


def _labels(generator: random.Random, loaded: Loaded) -> Iterator[tuple[Any, ...]]:
    """One case in ten has a label, mostly the first of the list."""
    for line in loaded.lines:
        if generator.random() < 0.1:
            label = LABELS[min(int(generator.expovariate(0.7)), len(LABELS) - 1)]
            yield line.id, label, loaded.person, line.day
