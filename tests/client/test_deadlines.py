"""Limits are read strictly, and an answer of an older service has none."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from services.cli.limits import limit_name, reason_name, state_words
from services.client.deadlines import Deadline, deadlines_of
from services.crypto.errors import FormatError

LABELS = {"kk": "Тіркеу", "ru": "Регистрация", "en": "Registration"}
LINE: dict[str, Any] = {
    "kind": "register", "labels": LABELS, "article": "64(3)", "source": "APPC", "source_labels": LABELS,
    "confirmed": True, "benchmark": False, "started": "2026-11-25", "due": "2026-11-26", "state": "late",
    "met_on": "2026-11-27", "ended_on": None, "reason": None, "extension": False, "escalated_on": "2026-11-27",
}  # fmt: skip


def test_a_line_is_read_with_all_its_days() -> None:
    found = Deadline.from_json(LINE)
    assert (found.started, found.due, found.met_on) == (
        date(2026, 11, 25),
        date(2026, 11, 26),
        date(2026, 11, 27),
    )
    assert (found.escalated_on, found.ended_on, found.labels) == (date(2026, 11, 27), None, LABELS)


def test_an_answer_of_an_older_service_has_none() -> None:
    assert deadlines_of({}) == ()
    assert [line.kind for line in deadlines_of({"deadlines": [LINE, LINE]})] == ["register", "register"]


@pytest.mark.parametrize("change", [{"due": "2026-02-30"}, {"started": None}, {"met_on": 5}])
def test_days_that_are_none_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        Deadline.from_json(LINE | change)


@pytest.mark.parametrize("missing", ["kind", "state", "due", "labels", "confirmed"])
def test_a_line_without_a_member_is_refused(missing: str) -> None:
    with pytest.raises(KeyError):
        Deadline.from_json({name: value for name, value in LINE.items() if name != missing})


def test_how_a_limit_stands_is_told_with_its_days() -> None:
    limit = replace(Deadline.from_json(LINE), ended_on=date(2026, 11, 28))
    late = state_words(limit)
    assert late.startswith("done on")
    assert "late: it was due by" in late
    words = {state: state_words(replace(limit, state=state, met_on=None, reason="in_hand")) for state in (
        "running", "overdue", "extended", "ended",
    )}  # fmt: skip
    assert words["running"].startswith("by ")
    assert words["overdue"].endswith("that day has passed")
    assert words["extended"].startswith("extended on")
    assert words["ended"].endswith("the case is kept and considered")
    assert len(set(words.values())) == 4


def test_what_is_not_confirmed_is_marked_and_codes_we_do_not_know_are_shown() -> None:
    limit = Deadline.from_json(LINE)
    assert limit_name(limit) == "Registration"
    assert limit_name(replace(limit, confirmed=False)) == "Registration (not confirmed)"
    assert reason_name("something-new") == "something-new"
