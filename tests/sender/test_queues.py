"""What was fetched is not lost, and what could not be delivered is tried again, in order, and not for ever."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.feed import FeedPage
from services.crypto.errors import CryptoError
from services.sender import queues
from services.sender.queues import PAUSES, Queues, Waiting
from tests.sender.conftest import AIGERIM, event


def test_a_failed_event_waits_longer_each_time_and_is_given_up_in_the_end() -> None:
    waiting, seconds, pauses = Waiting(event(1)), 1000, []
    while (again := waiting.failed(seconds)) is not None:
        pauses.append(again.not_before - seconds)
        waiting, seconds = again, again.not_before
    assert tuple(pauses) == PAUSES
    assert pauses == sorted(set(pauses))
    assert 12 * 3600 < sum(pauses) < 48 * 3600


@given(st.integers(0, 6), st.integers(0, 2**40), st.integers(1, 2**40))
def test_a_waiting_event_survives_the_file(attempts: int, not_before: int, position: int) -> None:
    waiting = Waiting(event(position, person=AIGERIM), attempts, not_before)
    assert Waiting.from_json(json.loads(json.dumps(waiting.to_json()))) == waiting


def test_what_was_added_is_there_after_a_restart(folder: Path) -> None:
    path = folder / "state.json"
    assert Queues.load(path).add("webhooks", ["a", "b"], FeedPage(0, (event(1), event(2)))) == 0
    found = Queues.load(path)
    assert found.positions == {"webhooks": 2}
    assert found.waiting == {name: [Waiting(event(1)), Waiting(event(2))] for name in ("a", "b")}
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_event_that_comes_again_is_not_added_again(folder: Path) -> None:
    found = Queues(folder / "state.json")
    found.add("webhooks", ["a"], FeedPage(0, (event(1), event(2))))
    found.add("webhooks", ["a"], FeedPage(0, (event(1), event(2), event(3))))
    assert [one.event.position for one in found.waiting["a"]] == [1, 2, 3]


def test_what_the_publisher_dropped_is_passed_over(folder: Path) -> None:
    found = Queues(folder / "state.json")
    found.add("webhooks", ["a"], FeedPage(7, ()))
    assert found.positions == {"webhooks": 7}


def test_a_full_queue_forgets_its_oldest_events_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MOST", 3)
    found = Queues(folder / "state.json")
    assert found.add("webhooks", ["a"], FeedPage(0, (event(1), event(2)))) == 0
    assert found.add("webhooks", ["a"], FeedPage(0, (event(3), event(4), event(5)))) == 2
    assert [one.event.position for one in found.waiting["a"]] == [3, 4, 5]


def test_a_channel_that_is_no_more_is_forgotten(folder: Path) -> None:
    found = Queues(folder / "state.json")
    found.add("webhooks", ["a", "b"], FeedPage(0, (event(1),)))
    found.keep_only({"b"})
    assert set(found.waiting) == {"b"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"positions": {"a": -1}, "waiting": {}}', '{"waiting": {}}']
)
def test_a_spoilt_file_stops_the_start_instead_of_being_overwritten(folder: Path, text: str) -> None:
    path = folder / "state.json"
    path.write_text(text)
    with pytest.raises((ValueError, CryptoError)):
        Queues.load(path)
    assert path.read_text() == text
