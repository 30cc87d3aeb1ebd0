"""A page of the feed has one shape, and its positions rise."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.feed import MOST_EVENTS, FeedEvent, FeedPage
from services.crypto.errors import FormatError

EVENT = FeedEvent(
    3, UUID("6f9f2e0a-58a5-4f2b-9a63-2f1f6c1f0a11"), "outcome", date(2026, 11, 24), None, b"age"
)
PAGE = FeedPage(2, (EVENT,))

EVENTS = st.builds(
    FeedEvent,
    position=st.integers(1, 2**53 - 1),
    id=st.uuids(),
    kind=st.from_regex(r"\A[a-z][a-z.-]{0,20}\Z"),
    day=st.dates(date(2012, 1, 1), date(2100, 1, 1)),
    person=st.none() | st.uuids(),
    sealed=st.none() | st.binary(max_size=50),
)


@given(st.lists(EVENTS, max_size=5, unique_by=lambda event: event.position), st.integers(0, 2**53 - 1))
def test_a_page_survives_the_way(events: list[FeedEvent], dropped: int) -> None:
    page = FeedPage(dropped, tuple(sorted(events, key=lambda event: event.position)))
    assert FeedPage.from_json(page.to_json()) == page


def test_what_an_event_does_not_have_is_left_out() -> None:
    bare = FeedEvent(3, EVENT.id, "assigned", EVENT.day)
    assert set(bare.to_json()) == {"day", "id", "kind", "position"}
    assert set(EVENT.to_json()) == {"day", "id", "kind", "position", "sealed"}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("position", 0), ("position", "1"), ("position", True), ("id", "x"), ("kind", ""), ("kind", "a b"),
        ("day", "2026-11-24T10:00:00Z"), ("sealed", "not base64!"), ("sealed", None), ("person", None), ("report", "x"),
    ],
)  # fmt: skip
def test_a_wrong_event_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(FormatError):
        FeedEvent.from_json({**EVENT.to_json(), name: wrong})


def test_a_page_out_of_order_or_with_a_position_twice_is_refused() -> None:
    line = EVENT.to_json()
    wrong: list[Any] = [[line, line], [line, {**line, "position": 2}], [line] * (MOST_EVENTS + 1), {}, None]
    for lines in wrong:
        with pytest.raises(FormatError):
            FeedPage.from_json({**PAGE.to_json(), "events": lines})


def test_sealed_bytes_do_not_show_when_an_event_is_printed() -> None:
    assert "sealed" not in repr(PAGE)
