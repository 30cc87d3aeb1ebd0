"""Rules of intake as pure functions and tables: values and `now` in, decision out."""

from collections.abc import Mapping
from datetime import datetime, timedelta

DESK = frozenset({"desk", "lead"})
READERS = DESK | {"investigator"}

#: Who may call which staff route. A route that is not here is refused to everybody.
ACCESS: Mapping[str, frozenset[str]] = {
    "list_cases": READERS,
    "read_case": READERS,
    "read_case_part": READERS,
    "change_state": READERS,
    "assign_case": DESK,
    "answer_case": READERS,
    "publish_directory": frozenset({"administrator"}),
}

RECEIVED = "received"

#: Which state may follow which. The law's full table, with grounds and clocks, belongs to case handling.
TRANSITIONS: Mapping[str, frozenset[str]] = {
    RECEIVED: frozenset({"registered"}),
    "registered": frozenset({"in_review", "closed"}),
    "in_review": frozenset({"closed"}),
    "closed": frozenset({"in_review"}),
}


def may_follow(state: str, to: str) -> bool:
    """Whether a case in `state` may go to `to`."""
    return to in TRANSITIONS.get(state, frozenset())


def sees_all(roles: frozenset[str]) -> bool:
    """Desk and lead see every case; others only what is assigned to them."""
    return bool(roles & DESK)


def challenge_level(filed: int, unknown: int) -> int:
    """How many times the proof of work is doubled, 0 to 6.

    `filed` and `unknown` are filings and wrong receipt codes of the last five minutes in this process. A wrong code
    weighs ten filings: nobody mistypes a code with a check digit often.
    """
    load = filed + 10 * unknown
    return min(6, max(0, (load // 100).bit_length()))


def directory_in_force(valid_from: datetime, valid_until: datetime, now: datetime) -> bool:
    """Whether a directory may be used for sealing at `now`."""
    return valid_from <= now < valid_until


def directory_accepted(
    sequence: int, current: int, current_since: datetime, now: datetime, overlap: timedelta
) -> bool:
    """Whether a package made with directory `sequence` passes: the current one, or the one before it for a while."""
    return sequence == current or (sequence == current - 1 and now < current_since + overlap)


MAIN, QUARANTINE = "main", "quarantine"


def lane(filed: int, budget: int) -> str:
    """The lane of a report from a page without script, after `filed` others within an hour."""
    return MAIN if filed < budget else QUARANTINE


#: Longer than this nobody waits: a line that is longer is a flood, and a flood must not lock reporters out.
LONGEST_WAIT = timedelta(seconds=20)


def opening_wait(free_at: datetime, now: datetime, pace: timedelta) -> tuple[float, datetime]:
    """(seconds to wait, when the next place is free) for one more opening of an inbox, one place every `pace`.

    A short burst passes: places of the last ten paces that nobody took may still be taken.
    """
    place = max(free_at, now - 10 * pace)
    following = min(place + pace, now + LONGEST_WAIT)
    return max(0.0, (min(place, now + LONGEST_WAIT) - now).total_seconds()), following
